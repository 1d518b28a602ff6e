"""Messages, and the prompt made of them."""
