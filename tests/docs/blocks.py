"""The shell commands on the project's pages.

A comment in the line above a block says how its commands are tested, if it is not by the rule in `commands.py`:
`<!-- test: run -->` (for real, at a tiny size), `<!-- test: parse -->` (by their own parsers) or
`<!-- test: syntax -->` (templates with something left for the reader to fill in: by the shell's parser alone).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]
LANGUAGES = ("bash", "sh", "shell", "console")
MODES = ("run", "parse", "syntax")

TESTED_ELSEWHERE = {
    "docs/extending.md": "tests/docs/test_extending.py",
    "docs/moving_from_openlth.md": "tests/docs/test_moving_from_openlth.py",
}
"""Pages whose commands need the code that they show: these files install it and run them; here is their syntax."""

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+|~~~+)[ {]*(?P<language>[\w.-]*)[^\n]*\n(?P<code>.*?)^(?P=indent)(?P=fence) *$",
    re.MULTILINE | re.DOTALL,
)
_MARKER = re.compile(r"<!-- test: (\w+) -->\s*\Z")
_INLINE = re.compile(r"(?<!`)`(?P<code>python open_lth\.py [^`]+)`(?!`)")
_INDENTED = re.compile(r"(?<=\n\n)    (?=python )(?P<code>[^\n]*)\n(?=\n)")


@dataclass(frozen=True)
class Block:
    """A block of shell commands.

    Args:
        mode: how the page says that it is tested; None if it leaves that to the rule.
    """

    page: str
    line: int
    code: str
    mode: str | None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def pages() -> list[str]:
    """Every page of prose, relative to the project; measured tables and generated files are none."""
    top = ("README.md", "CONTRIBUTING.md")
    found = [path for path in (PROJECT / "docs").rglob("*.md") if "_build" not in path.parts]
    return [name for name in top if (PROJECT / name).exists()] + sorted(str(p.relative_to(PROJECT)) for p in found)


def blocks(page: str, text: str | None = None) -> list[Block]:
    """Return the blocks of a page in their order.

    They are fenced, in a shell's language, or `python ...`, indented; or `python open_lth.py ...` within a line.
    """
    text = (PROJECT / page).read_text(encoding="utf-8") if text is None else text
    found = []
    for match in _FENCE.finditer(text):
        if match["language"] in LANGUAGES:
            code = "".join(line.removeprefix(match["indent"]) for line in match["code"].splitlines(keepends=True))
            code = _typed(code) if match["language"] == "console" else code
            found.append((match.start(), code, _mode(text[: match.start()])))
    outside = _FENCE.sub(lambda match: re.sub(r"[^\n]", "x", match[0]), text)
    found += [(m.start(), f"{text[m.start('code') : m.end('code')]}\n", "parse") for m in _INDENTED.finditer(outside)]
    found += [(m.start(), m["code"] + "\n", "parse") for m in _INLINE.finditer(outside) if "..." not in m["code"]]
    elsewhere = "syntax" if page in TESTED_ELSEWHERE else None
    ordered = sorted(found, key=lambda one: one[0])
    return [Block(page, text.count("\n", 0, start) + 1, code, elsewhere or mode) for start, code, mode in ordered]


def _mode(before: str) -> str | None:
    marker = _MARKER.search(before)
    if marker is None:
        return None
    if marker[1] not in MODES:
        raise ValueError(f"<!-- test: {marker[1]} -->: must be one of {', '.join(MODES)}")
    return marker[1]


def _typed(session: str) -> str:
    """Return what was typed after the prompts of a session, without what was printed."""
    typed, goes_on = [], False
    for line in session.splitlines():
        if goes_on or re.match(r"[$#] ", line):
            typed.append(line if goes_on and not line.startswith("> ") else line[2:])
            goes_on = line.endswith("\\")
    return "".join(f"{line}\n" for line in typed)
