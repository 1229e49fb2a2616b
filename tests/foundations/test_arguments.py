from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from datasets import DatasetHparams
from foundations.arguments import Parser, add_group, given, read_group
from foundations.errors import InvalidValue, UserError
from foundations.flags import flags_of
from foundations.hparams import Hparams, hparam
from models import ModelHparams
from pruning import GlobalPruningHparams
from training import TrainingHparams

REGISTERED_GROUPS = [DatasetHparams, ModelHparams, TrainingHparams, GlobalPruningHparams]


@dataclass(frozen=True, kw_only=True)
class Sail(Hparams):
    title = "Sail Hyperparameters"
    about = "What pulls."

    area: float = hparam("square metres")

    def __post_init__(self) -> None:
        if self.area <= 0:
            raise InvalidValue("area", self.area, "must be greater than 0")


@dataclass(frozen=True, kw_only=True)
class Boat(Hparams):
    title = "Boat Hyperparameters"
    about = "What floats."

    name: str = hparam("what it is called")
    crew: int = hparam("how many sail it", 2)
    length: float | None = hparam("metres over all, 100% wood", None)
    leaks: bool = hparam("it takes on water", False)
    flag_of: str = hparam("the country", "none", choices=("none", "here", "there"))
    ports: tuple[str, ...] = hparam("where it was", ())
    kind: str = hparam("what it is", "dinghy", hidden=True)


@dataclass(frozen=True, kw_only=True)
class Voyage(Hparams):
    title = "Voyage Hyperparameters"
    about = "Where to."

    days: int = hparam("how long")
    sail: Sail = hparam("what pulls")


def read(group: type[Hparams], *words: str, prefix: str = "", defaults: dict[str, Any] | None = None) -> Any:
    parser = Parser(prog="program", add_help=False)
    add_group(parser, group, prefix, defaults)
    return read_group(parser.parse_args(words), group, prefix)


def help_of(group: type[Hparams], prefix: str = "", defaults: dict[str, Any] | None = None) -> str:
    parser = Parser(prog="program")
    add_group(parser, group, prefix, defaults)
    return " ".join(parser.format_help().split())


def test_choices_may_be_found_only_when_they_are_asked_for():
    known = ["fore-and-aft"]

    @dataclass(frozen=True, kw_only=True)
    class Rig(Hparams):
        title, about = "Rig Hyperparameters", "How sails are set."

        rig: str = hparam("how they are", choices=lambda: known)

    known.append("square")
    assert "--rig NAME how they are: fore-and-aft, square (required)" in help_of(Rig)
    with pytest.raises(UserError, match="--rig is required: how they are: fore-and-aft, square"):
        read(Rig)
    assert read(Rig, "--rig=square").rig == "square"


def test_every_type_is_read():
    boat = read(Boat, "--name=Ada", "--crew=3", "--length=4.5e0", "--leaks")
    assert boat == Boat(name="Ada", crew=3, length=4.5, leaks=True)
    assert [type(value) for value in (boat.name, boat.crew, boat.length, boat.leaks)] == [str, int, float, bool]


def test_a_whole_number_is_read_as_a_number_where_one_is_wanted():
    assert repr(read(Boat, "--name=Ada", "--length=4").length) == "4.0"


def test_flags_that_are_not_given_have_their_defaults():
    assert read(Boat, "--name", "Ada") == Boat(name="Ada")


def test_an_optional_type_is_the_type_without_none():
    assert [one.kind for one in flags_of(Boat)] == [str, int, float, bool, str, str]
    assert [one.field.name for one in flags_of(Boat) if one.is_repeated] == ["ports"]


def test_a_type_that_is_not_plain_is_refused():
    @dataclass(frozen=True, kw_only=True)
    class Fleet(Hparams):
        title = about = "A fleet."
        boats: Literal["one", "two"] = hparam("which")

    with pytest.raises(TypeError, match=r"Fleet.boats: a flag's type must be plain"):
        add_group(Parser(), Fleet)


def test_presets_take_the_place_of_defaults_and_flags_override_them():
    presets = {"name": "Grace", "crew": 5, "leaks": True, "draught": 1}
    assert read(Boat, defaults=presets) == Boat(name="Grace", crew=5, leaks=True)
    assert read(Boat, "--crew=1", defaults=presets) == Boat(name="Grace", crew=1, leaks=True)


def test_a_required_flag_that_is_missing_is_named_and_explained():
    with pytest.raises(UserError, match=r"^--name is required: what it is called \(--default_hparams fills it in\)$"):
        read(Boat)
    with pytest.raises(UserError, match=r"^--retrain_b_name is required"):
        read(Boat, prefix="retrain_b")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--crew=two"], "--crew=two: must be a whole number"),
        (["--crew=2.5"], "--crew=2.5: must be a whole number"),
        (["--length=long"], "--length=long: must be a number"),
        (["--flag_of=ours"], "--flag_of=ours: valid values are none, here, there"),
        (["--length="], "--length=: must be a number"),
    ],
)
def test_a_bad_value_is_answered_by_one_line_that_names_the_flag(words, message):
    with pytest.raises(InvalidValue) as caught:
        read(Boat, "--name=Ada", *words)
    assert str(caught.value) == message


@pytest.mark.parametrize("words", [["--crew"], ["--leaks=yes"], ["--kre=3"], ["--cre=3"], ["--kind=yacht"], ["Ada"]])
def test_words_that_no_flag_takes_are_answered_by_one_line(words):
    with pytest.raises(UserError) as caught:
        read(Boat, "--name=Ada", *words)
    assert "\n" not in str(caught.value)
    assert words[0].split("=")[0] in str(caught.value)


def test_a_flag_may_be_repeated():
    assert read(Boat, "--name=Ada", "--ports=Cork", "--ports", "Brest").ports == ("Cork", "Brest")


def test_what_is_given_is_told_from_defaults():
    parser = Parser()
    add_group(parser, Boat, "my")
    args = parser.parse_args(["--my_crew=3", "--my_ports=Cork", "--my_flag_of=none"])
    assert given(args, Boat, "my") == {"crew": 3, "ports": ("Cork",)}


def test_prefixed_groups_stand_side_by_side():
    parser = Parser()
    for prefix in ("first", "second"):
        add_group(parser, Boat, prefix)
    args = parser.parse_args(["--first_name=Ada", "--second_name=Grace", "--second_crew=9", "--first_leaks"])
    assert read_group(args, Boat, "first") == Boat(name="Ada", leaks=True)
    assert read_group(args, Boat, "second") == Boat(name="Grace", crew=9)


def test_a_bad_value_in_a_prefixed_group_is_named_by_its_full_flag():
    with pytest.raises(InvalidValue, match=r"^--old_crew=x: must be a whole number"):
        read(Boat, "--old_crew=x", prefix="old")
    with pytest.raises(InvalidValue, match=r"^--old_area=-1.0: must be greater than 0"):
        read(Sail, "--old_area=-1", prefix="old")


def test_nested_groups_get_their_fields_name_as_prefix():
    assert read(Voyage, "--days=3", "--sail_area=9") == Voyage(days=3, sail=Sail(area=9.0))
    long = read(Voyage, "--back_days=3", "--back_sail_area=9", prefix="back")
    assert long == Voyage(days=3, sail=Sail(area=9.0))
    with pytest.raises(InvalidValue, match=r"^--back_sail_area=0.0: must be greater than 0"):
        read(Voyage, "--back_days=3", "--back_sail_area=0", prefix="back")


def test_fields_without_a_flag_keep_their_default_whatever_a_preset_says():
    assert read(Boat, "--name=Ada", defaults={"kind": "yacht"}).kind == "dinghy"


def test_who_asked_for_a_preset_is_not_told_to_ask_for_one():
    parser = Parser()
    parser.add_argument("--default_hparams")
    add_group(parser, Boat)
    with pytest.raises(UserError, match=r"^--name is required: what it is called$"):
        read_group(parser.parse_args(["--default_hparams=boat"]), Boat)


def test_help_shows_the_defaults_in_effect_and_what_is_required():
    plain = help_of(Boat)
    assert "--name STR what it is called (required)" in plain
    assert "--crew INT how many sail it (default: 2)" in plain
    assert "--length FLOAT metres over all, 100% wood --leaks it takes on water" in plain
    assert "Boat Hyperparameters: What floats." in plain
    assert "--flag_of NAME the country: none, here, there (default: none) --ports STR where it was" in plain
    assert "--kind" not in plain
    preset = help_of(Boat, defaults={"name": "50% Ada", "crew": 7, "length": 4.5})
    assert "--name STR what it is called (default: 50% Ada)" in preset
    assert "--crew INT how many sail it (default: 7)" in preset
    assert "100% wood (default: 4.5)" in preset


@pytest.mark.parametrize("group", REGISTERED_GROUPS)
def test_every_hyperparameter_has_a_flag_and_an_explanation(group):
    text = help_of(group, "some")
    for one in flags_of(group, "some"):
        assert len(one.help) > 8, one.name
        assert f"--{one.name}" in text
        assert " ".join(one.help.split()) in text


@pytest.mark.parametrize("group", REGISTERED_GROUPS)
def test_every_default_is_in_the_help(group):
    text = help_of(group)
    for one in flags_of(group):
        if one.kind is not bool and one.field.default not in (None,) and isinstance(one.field.default, one.kind):
            assert f"{one.help} (default: {one.field.default})" in text


def test_a_users_mistake_in_a_registered_group_is_one_line():
    words = ["--t_optimizer_name=sdg", "--t_lr=0.1", "--t_training_steps=1ep"]
    with pytest.raises(InvalidValue, match=r"^--t_optimizer_name=sdg: valid values are sgd, adam"):
        read(TrainingHparams, *words, prefix="t")
