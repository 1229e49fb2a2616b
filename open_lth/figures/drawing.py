"""A figure with its numbers and words, and its files: PNG and PDF, CSV and Markdown."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from foundations.atomic import replace_atomically
from foundations.texts import as_csv_cell
from open_lth.figures.layout import look

DPI = 200


@dataclass(frozen=True)
class Drawing:
    """A figure.

    Args:
        table: every number in it, under headings that stand alone.
        caption: what is to be known to read it.
        missing: a line for each thing that should be in it and is not there.
    """

    title: str
    figure: Figure
    table: pd.DataFrame
    caption: str
    missing: list[str] = field(default_factory=list)

    def png(self) -> bytes:
        """Return the picture as PNG; the same figure gives the same bytes."""
        return self._rendered("png", dpi=DPI, metadata={"Software": None}, pil_kwargs={"optimize": True})

    def pdf(self) -> bytes:
        """Return the picture as PDF; the same figure gives the same bytes."""
        return self._rendered("pdf", metadata={"CreationDate": None, "Producer": None, "Creator": None})

    def _rendered(self, kind: str, **options: Any) -> bytes:
        buffer = io.BytesIO()
        with look():
            self.figure.savefig(buffer, format=kind, **options)
        return buffer.getvalue()

    def csv(self) -> str:
        """Return the table as CSV, numbers with seven significant digits."""
        table = self.table.map(as_csv_cell)
        return table.to_csv(index=False, float_format="%.7g", lineterminator="\n")

    def markdown(self) -> str:
        """Return title, caption, what is missing, and the table."""
        missing = ["", "Missing:", "", *(f"- {line}" for line in self.missing)] if self.missing else []
        return "\n".join([f"# {self.title}", "", self.caption, *missing, "", markdown_table(self.table), ""])

    def save(self, directory: Path, name: str) -> list[Path]:
        """Write the four files and return their paths."""
        contents = {
            "png": self.png(),
            "pdf": self.pdf(),
            "csv": self.csv().encode(),
            "md": self.markdown().encode(),
        }
        paths = [directory / f"{name}.{kind}" for kind in contents]
        for path, content in zip(paths, contents.values(), strict=True):
            replace_atomically(path, content)
        return paths


def markdown_table(table: pd.DataFrame) -> str:
    """Return a table in Markdown; what is missing is a dash."""
    lines = [list(map(str, table.columns)), ["---"] * len(table.columns)]
    lines += [[shown(value) for value in row] for row in table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def shown(value: Any) -> str:
    """Return a value as people read it: four significant digits, no exponents for common sizes, a dash for none."""
    if pd.isna(value):
        return "–"
    if not isinstance(value, float):
        return str(value)
    if value.is_integer() and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.4g}"
