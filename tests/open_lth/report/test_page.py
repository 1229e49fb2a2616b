"""The page as text: what it is told, escaped."""

from __future__ import annotations

import html

import pandas as pd
from matplotlib.figure import Figure

from open_lth.figures.drawing import Drawing
from open_lth.report.page import Page


def make_page(undrawn: list[str]) -> str:
    figure = Figure(figsize=(3, 2))
    figure.subplots()
    table = pd.DataFrame({"method": ["<b>|μ|</b>"], "accuracy": [float("nan")]})
    drawn = Drawing("A < B & C", figure, table, "Caption.", ["level 1 is not finished"])
    nothing = pd.DataFrame()
    return Page(
        "Title", {"figure_1": drawn}, undrawn, {"lr": "0.1"}, nothing, nothing, nothing, ["cmd <x>"], "{}"
    ).html()


def test_text_is_escaped_and_what_is_missing_is_a_dash():
    text = make_page([])
    assert "<td>&lt;b&gt;|μ|&lt;/b&gt;</td><td>–</td>" in text and "<h2>A &lt; B &amp; C</h2>" in text
    assert "cmd <x>" in html.unescape(text) and "cmd <x>" not in text


def test_pictures_are_as_wide_as_their_letters_ask_for():
    assert 'width="300" alt="A &lt; B &amp; C"' in make_page([])


def test_what_is_missing_is_said_of_the_figure_and_of_the_page():
    assert make_page([]).count('<div class="missing">') == 1
    text = make_page(["figure 9: no runs"])
    assert text.count('<div class="missing">') == 2 and "<li>figure 9: no runs</li>" in text
