"""The form of what is sent: requests, server-sent events, messages, edits and files."""
