"""The page to chat on: its components, its look, and the functions behind them."""

from qwen_space.local.page.layout import add_page
from qwen_space.local.page.look import LOOK

__all__ = ["LOOK", "add_page"]
