"""The program `open-lth`, in a wheel and in a checkout; of a wheel, also the file that starts it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    del sys.path[0]  # this folder, whose files are no top-level modules

from open_lth.installation.finder import PARENT, install, moved_names

_CHECKOUT = Path(__file__).parents[2]

FILE = Path(__file__) if moved_names() else _CHECKOUT / "cli.py"
"""What an interpreter runs to start the program."""


def main() -> int:
    """Run the program on the process's arguments, and return its exit code."""
    install()
    if not moved_names() and (stranger := _stranger()):
        print(
            f"error: {stranger} is found before this project's package of that name; in a checkout, use python "
            "open_lth.py there; or install without --editable, which puts it out of the way",
            file=sys.stderr,
        )
        return 2
    code: int = command_line_module().main()
    return code


def command_line_module() -> Any:
    """Return the module of the command line, which knows the plugins."""
    return importlib.import_module(f"{PARENT}.cli" if moved_names() else "cli")


def _stranger() -> str:
    """Return another's package that hides one of this checkout's, or nothing."""
    for name in sorted(path.parent.name for path in _CHECKOUT.glob("*/py.typed")):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None and _CHECKOUT not in Path(spec.origin).parents:
            return spec.origin
    return ""


if __name__ == "__main__":
    raise SystemExit(main())
