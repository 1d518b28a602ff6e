"""The templates of the files that `qwen-space deploy` writes."""
