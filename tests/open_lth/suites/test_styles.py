"""Methods look the same in all figures, and no two look alike, not even in grey."""

from __future__ import annotations

import itertools

import pytest

from open_lth.suites import SUITES, Scale
from open_lth.suites.styles import STYLES, Style, styles_of

KNOWN = dict(STYLES.items())


def in_grey(style: Style) -> tuple[str, str, bool]:
    return style.marker, style.line, style.filled


def test_no_two_methods_look_alike_in_colour_or_in_grey():
    for (one, left), (other, right) in itertools.combinations(KNOWN.items(), 2):
        assert (left.colour, left.marker, left.line) != (right.colour, right.marker, right.line), (one, other)
        assert in_grey(left) != in_grey(right), (one, other)


def test_a_method_looks_the_same_whatever_it_stands_beside():
    name, other = list(KNOWN)[:2]
    assert styles_of(["mine", name])[name] == styles_of([other, name, "yours"])[name] == KNOWN[name]


def test_methods_of_ones_own_get_styles_that_none_has_in_grey():
    found = styles_of([*KNOWN, "mine", "yours", "mine"])
    assert len({in_grey(style) for style in found.values()}) == len(found) == len(KNOWN) + 2
    assert found == styles_of([*KNOWN, "mine", "yours"])


def test_methods_of_ones_own_have_no_colour_of_the_methods_beside_them_as_long_as_there_are_others():
    names = list(KNOWN)[:2]
    found = styles_of([*names, *map(str, range(4))])
    assert not {found[name].colour for name in names} & {found[str(number)].colour for number in range(4)}


def test_more_methods_than_styles_are_an_error():
    with pytest.raises(ValueError, match=r"there are styles for 28 more methods, not for 29"):
        styles_of(map(str, range(29)))


def test_every_method_of_every_figure_has_a_style():
    words = "--default_hparams=mnist_lenet_12"
    scale = {"networks": {"A": words}, "levels": 1, "larger_networks": {"A": {"B": words}}}
    methods = {one.method for _, suite in SUITES.items() for one in suite.series(Scale(scale, "mine.json"))}
    assert methods <= set(KNOWN)
