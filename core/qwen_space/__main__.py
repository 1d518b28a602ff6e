"""`python -m qwen_space` is `qwen-space`."""

import sys

__all__ = ["main"]


def main() -> int:
    """Run the command line, whose imports take a moment, and return its exit status."""
    try:
        from qwen_space.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
