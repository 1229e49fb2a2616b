"""What every test starts from: the plugins are there, as they are for a user."""

import cli

cli.load_plugins()  # before any test replaces a registry's entries for a while
