"""An app's page as `/config` tells it: the function that chats, its inputs, the steps around it."""
