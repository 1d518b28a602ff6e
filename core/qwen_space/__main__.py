"""`python -m qwen_space` does what `qwen-space` does."""

import sys

from qwen_space.cli.main import main

sys.exit(main())
