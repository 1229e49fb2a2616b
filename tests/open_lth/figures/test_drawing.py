"""A figure's files: the same numbers in each, the same bytes every time."""

from __future__ import annotations

import io

import pandas as pd
import pytest
from matplotlib.figure import Figure

from open_lth.figures.drawing import Drawing, markdown_table, shown

TABLE = pd.DataFrame({"method": ["|μ|/σ", "IMP"], "level": pd.array([1, None], "Int64"), "accuracy": [2 / 3, 90.0]})


def draw() -> Drawing:
    figure = Figure(figsize=(2, 1))
    axis = figure.subplots()
    axis.plot([1, 2], [3, 4])
    axis.bar([1, 2], [1, 1], hatch="//", alpha=0.5)
    return Drawing("A title", figure, TABLE, "A caption.", ["IMP: level 1 is not finished"])


def test_a_figure_drawn_twice_has_the_same_bytes():
    one, two = draw(), draw()
    assert one.png() == two.png() == one.png()
    assert one.pdf() == two.pdf() == one.pdf()


def test_four_files_are_written_of_the_kinds_that_they_say(tmp_path):
    paths = draw().save(tmp_path / "new", "figure_4")
    assert [path.name for path in paths] == [f"figure_4.{kind}" for kind in ("png", "pdf", "csv", "md")]
    png, pdf, csv, markdown = (path.read_bytes() for path in paths)
    assert png.startswith(b"\x89PNG") and pdf.startswith(b"%PDF")
    assert markdown.decode().startswith("# A title\n\nA caption.\n\nMissing:\n\n- IMP: level 1 is not finished\n\n| ")
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(csv)).astype({"level": "Int64"}), TABLE, rtol=1e-6)


def test_bars_in_names_do_not_break_a_markdown_table():
    assert markdown_table(TABLE).splitlines() == [
        "| method | level | accuracy |",
        "| --- | --- | --- |",
        r"| \|μ\|/σ | 1 | 0.6667 |",
        "| IMP | – | 90 |",
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.123456, "0.1235"), (98.76543, "98.77"), (64.0, "64"), (None, "–"), (float("nan"), "–"), (7, "7"), ("a", "a")],
)
def test_values_are_shown_as_people_read_them(value, expected):
    assert shown(value) == expected
