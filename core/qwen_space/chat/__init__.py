"""Messages of a chat, the prompt made of them, and the JSON in a reply."""
