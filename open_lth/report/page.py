"""The page itself: pictures, tables and style sheet inlined, so that one file is everything."""

from __future__ import annotations

import base64
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
import pandas as pd

from open_lth.figures.drawing import Drawing, shown

_PIXELS_PER_INCH = 100
_TEMPLATE = Path(__file__).parent / "page.html"


@dataclass(frozen=True)
class Page:
    """What the page says.

    Args:
        figures: by the name of their files.
        undrawn: a line for each figure that could not be drawn.
        shared: the hyperparameters common to all runs.
        differing: the others, by panel and method.
        diagnostics: what variants say of their trained networks, by layer.
        environments: machines and versions.
        commands: what makes the runs, in order.
        scale: the scale as text.
    """

    title: str
    figures: Mapping[str, Drawing]
    undrawn: Sequence[str]
    shared: Mapping[str, str]
    differing: pd.DataFrame
    diagnostics: pd.DataFrame
    environments: pd.DataFrame
    commands: Sequence[str]
    scale: str

    def html(self) -> str:
        """Return the page."""
        strict = jinja2.StrictUndefined
        environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=strict)
        environment.filters.update(shown=shown, png=_png, csv=_csv, width=_width)
        template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
        return template.render(page=self)


def _png(drawn: Drawing) -> str:
    return f"data:image/png;base64,{base64.b64encode(drawn.png()).decode()}"


def _width(drawn: Drawing) -> int:
    """Return how wide the picture is to be, at which its letters are as large as the page's."""
    return round(_PIXELS_PER_INCH * float(drawn.figure.get_size_inches()[0]))


def _csv(drawn: Drawing) -> str:
    return f"data:text/csv;charset=utf-8,{urllib.parse.quote(drawn.csv())}"
