"""The flags of commands, and what is read from them."""
