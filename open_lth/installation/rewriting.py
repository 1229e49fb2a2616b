"""Imports of packages by the names that they have inside another package.

Building a wheel reads this file by itself: it needs Python's own library alone.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

_FROM = re.compile(rb"from\s+")

Edit = tuple[int, int, int, str]
"""A line, counted from 0, the bytes in it that are replaced, and by what."""


def rewritten(source: str, names: Collection[str], parent: str) -> str:
    """Return a module's source with imports of packages as those inside a parent; its lines stay where they are.

    What a statement binds stays the same: `import models.tensors` binds `models`.

    Args:
        names: the packages' names on the top level.
        parent: the dotted name of the package that they are in.

    Raises:
        SyntaxError: if the source is no Python.
    """
    lines = source.encode().splitlines(keepends=True)
    for line, start, end, text in sorted(_edits(ast.parse(source), lines, names, parent), reverse=True):
        lines[line] = lines[line][:start] + text.encode() + lines[line][end:]
    return b"".join(lines).decode()


def _edits(tree: ast.AST, lines: list[bytes], names: Collection[str], parent: str) -> Iterator[Edit]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _root(node.module) in names:
            match = _FROM.match(lines[node.lineno - 1], node.col_offset)
            assert node.module is not None
            if match is None or not lines[node.lineno - 1].startswith(node.module.encode(), match.end()):
                raise SyntaxError(f"line {node.lineno}: an import over several lines before its module's name")
            yield node.lineno - 1, match.end(), match.end() + len(node.module), f"{parent}.{node.module}"
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if _root(alias.name) in names:
                    end = alias.col_offset + len(alias.name.encode())
                    yield alias.lineno - 1, alias.col_offset, end, _imported(alias, parent)


def _imported(alias: ast.alias, parent: str) -> str:
    inside, root = f"{parent}.{alias.name}", _root(alias.name)
    if alias.asname is not None:
        return inside
    return f"{inside} as {root}" + (f", {parent}.{root} as {root}" if root != alias.name else "")


def _root(name: str | None) -> str:
    return (name or "").partition(".")[0]
