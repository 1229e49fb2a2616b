"""Fields that plugins add to groups of hyperparameters that are there."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import pytest

from foundations.arguments import Parser, add_group, read_group
from foundations.errors import InvalidValue, UserError
from foundations.extension import EXTENSIONS, added_values, extended, extends, withdraw
from foundations.hparams import Hparams, hashed_name, hparam


@dataclass(frozen=True, kw_only=True)
class Baking(Hparams):
    """A group."""

    title = "Baking Hyperparameters"
    about = "How to bake."

    degrees: int = hparam("how hot")
    minutes: int = hparam("how long", 30)

    def __post_init__(self) -> None:
        if self.degrees < 0:
            raise InvalidValue("degrees", self.degrees, "must not be negative")


@dataclass(frozen=True, kw_only=True)
class Bread(Baking):
    """A group that derives from it."""

    flour: str = hparam("of what", "rye")


@pytest.fixture(autouse=True)
def own_extensions(monkeypatch):
    monkeypatch.setattr(EXTENSIONS, "_entries", {})


@dataclass(frozen=True, kw_only=True)
class Steam(Hparams):
    """What a plugin adds."""

    steam: float = hparam("how much steam", 0.0)

    def __post_init__(self) -> None:
        if not 0 <= self.steam <= 1:
            raise InvalidValue("steam", self.steam, "must be between 0 and 1")


@pytest.fixture
def steam():
    return extends(Baking)(Steam)


def read(group, *words, prefix=""):
    parser = Parser(add_help=False)
    add_group(parser, group, prefix)
    return read_group(parser.parse_args(words), group, prefix)


@pytest.mark.parametrize("group", [Baking, Bread])
def test_added_fields_are_flags_of_the_group_and_of_those_that_derive_from_it(steam, group):
    found = read(group, "--degrees=200", "--steam=0.5")
    assert isinstance(found, group) and isinstance(found, steam)
    assert (found.degrees, found.minutes, found.steam) == (200, 30, 0.5)
    assert found.title == "Baking Hyperparameters"
    assert read(group, "--oven_degrees=200", "--oven_steam=1", prefix="oven").steam == 1


def test_at_its_default_an_added_field_leaves_no_trace(steam):
    plain, added = Baking(degrees=200), read(Baking, "--degrees=200")
    assert str(added) == str(plain) and added.display() == plain.display()
    assert hashed_name("cake", [added]) == hashed_name("cake", [plain])
    assert added_values(added, Baking) == {}
    other = read(Baking, "--degrees=200", "--steam=0.5")
    assert str(other) == "Hparams(degrees=200, steam=0.5)" and "* steam => 0.5" in other.display()
    assert added_values(other, Baking) == {"steam": 0.5}


def test_both_check_their_values(steam):
    with pytest.raises(UserError, match="--degrees=-1"):
        read(Baking, "--degrees=-1")
    with pytest.raises(UserError, match=r"--oven_steam=2\.0: must be between 0 and 1"):
        read(Baking, "--oven_degrees=1", "--oven_steam=2", prefix="oven")


def test_a_value_travels_to_other_processes(steam):
    found = read(Bread, "--degrees=200", "--steam=0.5")
    again = pickle.loads(pickle.dumps(found))
    assert again == found and type(again) is type(found)


def test_what_has_no_default_or_is_there_already_is_refused(steam):
    @dataclass(frozen=True, kw_only=True)
    class Required(Hparams):
        butter: int = hparam("how much")

    @dataclass(frozen=True, kw_only=True)
    class Taken(Hparams):
        steam: int = hparam("how much", 0)

    with pytest.raises(ValueError, match=r"butter: must have a default"):
        extends(Baking)(Required)
    with pytest.raises(ValueError, match=r"steam: Baking has a field of this name"):
        extends(Baking)(Taken)


def test_a_field_that_a_deriving_group_has_is_refused_too():
    @dataclass(frozen=True, kw_only=True)
    class Flour(Hparams):
        flour: str = hparam("of what", "wheat")

    with pytest.raises(ValueError, match=r"Flour\.flour: Bread has a field of this name"):
        extends(Baking)(Flour)


def test_what_was_added_is_withdrawn_by_the_name_of_a_field(steam, caplog):
    assert not withdraw("degrees") and withdraw("steam") and not withdraw("steam")
    assert extended(Baking) is Baking
    assert caplog.messages[0].endswith("what it adds to Baking is left out, since there is another flag --steam")


def test_groups_to_which_nothing_is_added_are_themselves():
    assert extended(Baking) is Baking and extended(int) is int
