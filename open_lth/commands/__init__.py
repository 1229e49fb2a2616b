"""The subcommands: each module has `add_flags` and `execute`."""
