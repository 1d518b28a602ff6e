"""`python -m qwen_space` is `qwen-space`."""

import sys

from qwen_space.cli.main import main

sys.exit(main())
