"""What every test starts from: the plugins are there, and Ctrl-C works, as they do for a user in a terminal."""

import signal

import cli

cli.load_plugins()  # before any test replaces a registry's entries for a while
# Shells let what they start in the background ignore it, and so would every process that a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
