"""The reply in a component's value: text, thoughts and files, while the value changes."""
