"""Settings in JSON files: what is wrong with one is said in one line that names file and field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from foundations.errors import InvalidValue
from foundations.flags import Count
from foundations.settings import STRICT, checked_settings, read_object


@dataclass(frozen=True, kw_only=True)
class Sail:
    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    area: float
    colours: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Boat:
    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    name: str
    crew: Count | None = None
    sails: Mapping[str, Sail] = field(default_factory=dict)


def read(path: Path) -> Boat:
    return checked_settings(read_object("boat", path), Boat, "boat", path)


def complaint(tmp_path, content: object) -> str:
    path = tmp_path / "boat.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(InvalidValue) as refused:
        read(path)
    message = str(refused.value)
    assert message.startswith(f"--boat={path}: ") and "\n" not in message
    return message.removeprefix(f"--boat={path}: ")


def test_what_a_file_says_becomes_the_dataclass(tmp_path):
    path = tmp_path / "boat.json"
    path.write_text('{"name": "Ada", "sails": {"jib": {"area": 9.5, "colours": ["red", "white"]}}}')
    assert read(path) == Boat(name="Ada", sails={"jib": Sail(area=9.5, colours=("red", "white"))})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, "name is missing"),
        ({"name": "Ada", "kre": 3}, "kre is unknown; valid values are crew, name, sails"),
        ({"name": 3}, "name must be text, not 3"),
        ({"name": "Ada", "crew": "3"}, "crew must be a whole number of at least 1, not '3'"),
        ({"name": "Ada", "crew": 0}, "crew must be a whole number of at least 1, not 0"),
        ({"name": "Ada", "sails": []}, "sails must be an object, not []"),
        ({"name": "Ada", "sails": {"jib": {"size": 3}}}, "sails: jib: area is missing"),
        (
            {"name": "Ada", "sails": {"jib": {"area": 1.0, "a": 2}}},
            "sails: jib: a is unknown; valid values are area, colours",
        ),
        (
            {"name": "Ada", "sails": {"jib": {"area": 1.0, "colours": "red"}}},
            "sails: jib: colours must be a list, not 'red'",
        ),
        (
            {"name": "Ada", "sails": {"jib": {"area": 1.0, "colours": [3]}}},
            "sails: jib: colours: 0 must be text, not 3",
        ),
        ({"name": "Ada", "no\nline": 1}, r"'no\nline' is unknown; valid values are crew, name, sails"),
        ([], "must hold one JSON object"),
        ('{"name": "Ada", "name": "Eve"}', "is no JSON file: name is there twice"),
    ],
)
def test_a_mistake_is_named_with_what_would_be_valid(tmp_path, content, expected):
    assert complaint(tmp_path, content) == expected


def test_what_is_no_file_of_settings_is_said_to_be_none(tmp_path):
    assert complaint(tmp_path, "{").startswith("is no JSON file: ")
    assert complaint(tmp_path, "[" * 100_000).startswith("is no JSON file: ")
    with pytest.raises(InvalidValue, match=r"^--boat=.*: cannot be read \(Is a directory\)$"):
        read(tmp_path)
