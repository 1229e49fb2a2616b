"""The command line: `python -m open_lth <subcommand> ...`."""

from open_lth.installation.console import main

if __name__ == "__main__":
    raise SystemExit(main())
