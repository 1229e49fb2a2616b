from __future__ import annotations

import pytest

from foundations.errors import InvalidValue
from foundations.registry import Registry


@pytest.fixture
def shapes() -> Registry[int]:
    registry: Registry[int] = Registry("shape")
    registry.register("triangle", "trigon")(3)
    registry.register("square")(4)
    return registry


def test_registering_returns_what_was_decorated(shapes):
    @shapes.register("pentagon")
    def five():
        return 5

    assert five() == 5
    assert shapes.get("pentagon") is five


def test_an_entry_is_found_by_its_name_and_by_its_alias(shapes):
    assert shapes.get("triangle") == shapes.get("trigon") == 3
    assert "trigon" in shapes
    assert "circle" not in shapes


def test_names_come_in_the_order_of_registration_with_aliases_last(shapes):
    assert shapes.names() == ["triangle", "square", "trigon"]


def test_items_leave_aliases_out(shapes):
    assert list(shapes.items()) == [("triangle", 3), ("square", 4)]


@pytest.mark.parametrize("names", [("square",), ("trigon",), ("circle", "square"), ("circle", "trigon")])
def test_a_name_or_alias_that_is_taken_is_refused_and_nothing_is_registered(shapes, names):
    with pytest.raises(ValueError, match=f"--shape: {names[-1]} is registered twice"):
        shapes.register(*names)(5)
    assert shapes.names() == ["triangle", "square", "trigon"]


def test_an_unknown_name_is_answered_with_the_flag_and_the_valid_names(shapes):
    with pytest.raises(InvalidValue) as caught:
        shapes.get("circle")
    assert str(caught.value) == "--shape=circle: valid values are triangle, square, trigon"
