"""Axes that stand alone: ticks, titles, legends and the order of methods."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from open_lth.figures.layout import (
    in_order_of,
    join_panel,
    panel_grid,
    plain_log_y_axis,
    split_panels,
    weights_remaining_axis,
)
from open_lth.suites.styles import styles_of


def shown_ticks(axis, limits) -> list[str]:
    axis.figure.canvas.draw()
    low, high = sorted(limits)
    return [
        label.get_text()
        for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
        if low <= place <= high
    ]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.03, 0.7, ["0.05", "0.1", "0.2", "0.5"]),
        (0.002, 3, ["0.002", "0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1", "2"]),
    ],
)
def test_a_logarithmic_axis_shows_plain_numbers(low, high, expected):
    axis = Figure().subplots()
    axis.plot([0, 1], [low, high])
    axis.set_ylim(low, high)
    plain_log_y_axis(axis)
    assert shown_ticks(axis.yaxis, axis.get_ylim()) == expected


@pytest.mark.parametrize("decades", [1, 2, 3, 4, 5, 7, 12])
def test_a_logarithmic_axis_has_ticks_whatever_its_range(decades):
    axis = Figure(figsize=(3.7, 2.4)).subplots()
    axis.plot([0, 1], [0.3 * 10.0**-decades, 0.7])
    plain_log_y_axis(axis)
    ticks = shown_ticks(axis.yaxis, axis.get_ylim())
    assert 2 <= len(ticks) <= 16 and all(tick and "$" not in tick for tick in ticks)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ([100, 60, 36], ["100", "50"]),
        ([100, 9.5], ["100", "50", "20", "10"]),
        ([100, 1.1], ["100", "50", "20", "10", "5", "2", "1"]),
        ([100], ["100", "90"]),
        ([100, 80], ["100", "90", "80", "70"]),
        ([100, 0.004], [f"{step * 10**decade:g}" for decade in range(2, -4, -1) for step in (5, 2, 1)][2:]),
        ([], ["100", "50", "20", "10", "5", "2", "1"]),
    ],
)
def test_the_weights_remaining_fall_from_left_to_right_on_a_logarithmic_axis(weights, expected):
    axis = Figure().subplots()
    weights_remaining_axis(axis, weights)
    left, right = axis.get_xlim()
    assert axis.get_xscale() == "log" and left > 100 > right
    assert right < min(weights, default=1.0)
    assert shown_ticks(axis.xaxis, (left, right)) == [tick for tick in expected if float(tick) >= right]
    assert axis.get_xlabel() == "Weights remaining (%)"


def test_panels_stand_in_columns_and_rows_by_their_names():
    panels = ["ResNet, deterministic", "VGG, deterministic", "ResNet, Bayesian"]
    assert split_panels(panels) == (["ResNet", "VGG"], ["deterministic", "Bayesian"])
    assert join_panel("VGG", "Bayesian") == "VGG, Bayesian"
    assert split_panels(["ResNet"]) == (["ResNet"], [""]) and join_panel("ResNet", "") == "ResNet"


def test_methods_stand_in_the_order_of_the_styles():
    assert in_order_of(styles_of(["a", "b", "c"]), ["c", "a", "c"]) == ["a", "c"]


def test_long_legends_stay_within_the_figure():
    legend = {f"a method whose name is rather long, number {number}": Line2D([], []) for number in range(7)}
    figure, _ = panel_grid(["A", "B"], [""], legend)
    figure.canvas.draw()
    box, [shown] = figure.bbox, figure.legends
    extent = shown.get_window_extent()
    assert extent.x0 >= box.x0 and extent.x1 <= box.x1 and extent.y0 >= box.y0
