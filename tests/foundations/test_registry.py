from __future__ import annotations

import pytest

from foundations.errors import InvalidValue
from foundations.registry import Registry, registering


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


ASKED = {
    "get": lambda shapes: shapes.get("pentagon"),
    "names": lambda shapes: shapes.names(),
    "names_of": lambda shapes: shapes.names_of("pentagon"),
    "items": lambda shapes: shapes.items(),
    "in": lambda shapes: "pentagon" in shapes,
    "owner_of": lambda shapes: shapes.owner_of("pentagon"),
    "register": lambda shapes: shapes.register("hexagon")(6),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=list(ASKED))
def test_what_is_deferred_is_registered_once_the_registry_is_asked_for_anything_and_only_once(shapes, asked):
    calls = []

    def register() -> None:
        calls.append("called")
        shapes.register("pentagon")(5)

    shapes.defer(register)
    assert calls == []
    asked(shapes)
    assert calls == ["called"]
    shapes.names()
    assert calls == ["called"] and shapes.get("pentagon") == 5


def test_what_was_deferred_comes_before_what_is_registered_later(shapes):
    shapes.defer(lambda: [shapes.register(name)(0) for name in ("pentagon", "hexagon")])
    shapes.defer(lambda: shapes.register("heptagon")(7))
    shapes.register("circle")(1)
    assert [name for name, _ in shapes.items()][2:] == ["pentagon", "hexagon", "heptagon", "circle"]


def test_an_entry_belongs_to_whoever_registered_or_deferred_it(shapes):
    with registering("round"):
        shapes.register("circle")(1)
        shapes.defer(lambda: shapes.register("ellipse")(1))
    with registering("flat"):
        shapes.register("line")(2)
    owners = {name: shapes.owner_of(name) for name, _ in shapes.items()}
    assert owners == {"triangle": "", "square": "", "circle": "round", "ellipse": "round", "line": "flat"}
