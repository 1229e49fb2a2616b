"""How methods look: one colour, marker and line each, the same in every figure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from foundations.registry import Registry

BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILLION, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
"""Colours that colour-blind readers tell apart (Okabe and Ito 2008); in grey they need markers and lines."""

Line = Literal["-", "--", ":", "-."]
"""Lines, in matplotlib's letters."""

SOLID: Line = "-"
DASHED: Line = "--"
DOTTED: Line = ":"
DASH_DOTTED: Line = "-."


@dataclass(frozen=True)
class Style:
    """How one method is drawn; in grey, marker and line alone must tell it from others.

    Args:
        marker: in matplotlib's letters.
        filled: whether markers are filled.
    """

    colour: str
    marker: str
    line: Line = SOLID
    filled: bool = True


STYLES: Registry[Style] = Registry("method")
"""By the method's name in legends. Methods that are not here get a spare style."""

_SPARE = [
    Style(colour, marker, line, filled=False)
    for line in (SOLID, DASHED, DOTTED, DASH_DOTTED)
    for colour, marker in zip(
        (BLACK, VERMILLION, BLUE, GREEN, PURPLE, ORANGE, SKY), ("o", "s", "^", "D", "v", "P", "X"), strict=True
    )
]


def styles_of(methods: Iterable[str]) -> dict[str, Style]:
    """Return a style for each method, no two alike; the same methods in the same order get the same ones.

    Raises:
        ValueError: if there are more methods than styles.
    """
    names = list(dict.fromkeys(methods))
    known = {name: STYLES.get(name) for name in names if name in STYLES}
    taken = {(style.marker, style.line, style.filled) for style in known.values()}
    spare = [style for style in _SPARE if (style.marker, style.line, style.filled) not in taken]
    colours = {style.colour for style in known.values()}
    spare.sort(key=lambda style: style.colour in colours)  # those of no other method first
    unknown = [name for name in names if name not in known]
    if len(unknown) > len(spare):
        raise ValueError(f"there are styles for {len(spare)} more methods, not for {len(unknown)}")
    return {**known, **dict(zip(unknown, spare, strict=False))}
