"""The coverage-guided fuzzer of the decoder and the job; libFuzzer's options are its own.

    python -m tests.fuzz.fuzz -max_total_time=1200 CORPUS tests/data/fuzz

A new finding goes to tests/data/fuzz as it is, where the tests replay it.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["qwen_space"]):
    from tests.fuzz.stream import check

if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
