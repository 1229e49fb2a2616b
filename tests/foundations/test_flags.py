"""Fields that are flags: what they say, and that a flag and a file are read alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pytest

from foundations.errors import InvalidValue
from foundations.flags import Count, Read, UserPath, checked, flag, flags_of, whole_number
from foundations.settings import checked_settings


def _metres(value: Any) -> float:
    if not isinstance(value, str) or not value.endswith("m"):
        raise ValueError("must be a length, e.g. 3m")
    return float(value[:-1])


@dataclass(frozen=True)
class Boat:
    length: Annotated[float, Read(_metres)] | None = flag("over all", None, metavar="LENGTH")
    crew: Count = flag("how many sail it", 1)
    lights: Annotated[int, whole_number(0, 3)] = flag("how many are lit", 0)
    draught: Annotated[float, checked(float, "a depth", lambda x: bool(x > 0))] = flag("below the water", 1.0)
    ports: tuple[Annotated[str, checked(str, "a name", str.istitle)], ...] = flag("where it was", ())
    log: UserPath | None = flag("what it has seen", None)
    rig: str = flag("how its sails are set", "gaff", ("gaff", "square"))
    secret: int = flag("nobody's business", 3, hidden=True)
    plain: list[int] = field(default_factory=list)


def of(name: str, prefix: str = "") -> Any:
    return next(one for one in flags_of(Boat, prefix) if one.field.name == name)


def test_only_fields_that_are_declared_so_and_not_hidden_are_flags():
    names = ["length", "crew", "lights", "draught", "ports", "log", "rig"]
    assert [one.name for one in flags_of(Boat)] == names
    assert [one.name for one in flags_of(Boat, "my")] == [f"my_{name}" for name in names]


def test_the_help_shows_a_type_or_that_there_are_choices_unless_it_is_told_what():
    shown = [one.metavar for one in flags_of(Boat)]
    assert shown == ["LENGTH", "INT", "INT", "FLOAT", "STR", "PATH", "NAME"]


@pytest.mark.parametrize(
    ("name", "text", "in_file", "value"),
    [
        ("length", "3.5m", "3.5m", 3.5),
        ("crew", "2", 2, 2),
        ("lights", "0", 0, 0),
        ("draught", "2", 2.0, 2.0),
        ("rig", "square", "square", "square"),
    ],
)
def test_a_value_is_read_alike_from_a_flag_and_from_a_file(name, text, in_file, value):
    assert of(name).value_of(text) == value
    assert getattr(checked_settings({name: in_file}, Boat, "boat", "x.json"), name) == value


@pytest.mark.parametrize(
    ("name", "text", "in_file", "valid"),
    [
        ("length", "3", 3, "must be a length, e.g. 3m"),
        ("crew", "0", 0, "must be a whole number of at least 1"),
        ("crew", "two", "two", "must be a whole number of at least 1"),
        ("crew", "1.0", 1.0, "must be a whole number of at least 1"),
        ("crew", "٣", "3", "must be a whole number of at least 1"),
        ("lights", "4", 4, "must be a whole number of at least 0 and at most 3"),
        ("draught", "-1", -1.0, "must be a depth"),
        ("draught", "deep", "deep", "must be a depth"),
        ("log", "", "", "must be a path, not nothing"),
        ("log", "~nobody_at_all/x", "~nobody_at_all/x", "there is no such home directory"),
    ],
)
def test_a_value_that_is_none_is_refused_alike_with_what_is_valid(name, text, in_file, valid):
    with pytest.raises(InvalidValue) as of_flag:
        of(name, "my").value_of(text)
    assert str(of_flag.value) == f"--my_{name}={text}: {valid}"
    with pytest.raises(InvalidValue) as of_file:
        checked_settings({name: in_file}, Boat, "boat", "x.json")
    assert str(of_file.value).startswith(f"--boat=x.json: {name}") and valid in str(of_file.value)


def test_several_values_are_read_one_by_one():
    assert of("ports").is_repeated and of("ports").value_of("Cork") == "Cork"
    with pytest.raises(InvalidValue, match=r"^--ports=cork: must be a name$"):
        of("ports").value_of("cork")
    assert checked_settings({"ports": ["Cork", "Brest"]}, Boat, "boat", "x.json").ports == ("Cork", "Brest")
    with pytest.raises(InvalidValue, match=r"^--boat=x\.json: ports: 1 must be a name, not 'brest'$"):
        checked_settings({"ports": ["Cork", "brest"]}, Boat, "boat", "x.json")


def test_a_path_may_begin_at_the_users_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert of("log").value_of("~/log.txt") == Path("/home/someone/log.txt")
