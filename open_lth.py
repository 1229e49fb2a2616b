"""The command line: `python open_lth.py <subcommand> ...`."""

from cli import main

if __name__ == "__main__":
    raise SystemExit(main())
