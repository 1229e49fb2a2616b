"""The blocks of a page: the files that it shows, and the commands that it gives."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

DOCS = Path(__file__).parent.parent.parent / "docs"


def blocks(page: str, language: str) -> list[str]:
    """Return the contents of a page's fenced blocks in a language."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def files(page: str, language: str = "python") -> dict[str, str]:
    """Return the files that a page shows, by the name in their first line: `# package/file.py`."""
    found = ((re.match(r"# (\S+\.\w+)\n", block), block) for block in blocks(page, language))
    return {match[1]: block for match, block in found if match}


def commands(page: str) -> list[list[str]]:
    """Return the words after `python open_lth.py` of every command on a page."""
    lines = "".join(blocks(page, "bash")).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[2:] for line in lines if line.startswith("python open_lth.py ")]
