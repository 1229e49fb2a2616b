from __future__ import annotations

import dataclasses
import hashlib
from dataclasses import dataclass

import pytest

from foundations.hparams import Hparams, hashed_name, hparam


@dataclass(frozen=True, kw_only=True)
class Inner(Hparams):
    title = "Inner Hyperparameters"
    about = "A group inside a group."

    name: str = hparam("what it is called")
    depth: int | None = hparam("how deep it goes", None)


@dataclass(frozen=True, kw_only=True)
class Outer(Hparams):
    title = "Outer Hyperparameters"
    about = "A group with another inside."

    zeal: float = hparam("how hard it tries")
    inner: Inner = hparam("what is inside")
    after: bool = hparam("whether there is more", False)
    count: int = hparam("how many", 3)
    word: str = hparam("what is said", "none")
    _secret: str = hparam("plays no part", "x", hidden=True)


def outer(**changes: object) -> Outer:
    return Outer(**{"zeal": 0.1, "inner": Inner(name="a"), **changes})


def test_only_required_fields_are_in_the_text_of_a_group_with_defaults():
    assert str(Inner(name="a")) == "Hparams(name='a')"


def test_fields_are_sorted_and_nested_groups_have_their_own_text():
    assert str(outer(word="b", after=True)) == "Hparams(after=True, inner=Hparams(name='a'), word='b', zeal=0.1)"


@pytest.mark.parametrize("same", [{"count": 3}, {"after": False}, {"word": "none"}, {"zeal": 0.1}])
def test_a_value_that_equals_the_default_does_not_change_the_text(same):
    assert str(outer(**same)) == str(outer())


@pytest.mark.parametrize(
    "other", [{"count": 4}, {"after": True}, {"word": ""}, {"zeal": 0.2}, {"inner": Inner(name="a", depth=0)}]
)
def test_every_other_value_changes_the_text(other):
    assert str(outer(**other)) != str(outer())


def test_underscore_fields_are_left_out_of_the_text():
    assert str(outer(_secret="y")) == str(outer())


@pytest.mark.parametrize(("value", "text"), [(1e-4, "0.0001"), (0.1, "0.1"), (1.0, "1.0"), (1e-5, "1e-05"), (1, "1")])
def test_numbers_are_written_as_python_writes_them(value, text):
    assert f"zeal={text})" in str(outer(zeal=value))


def test_text_is_in_single_quotes_whatever_it_holds():
    assert str(Inner(name="it's")) == "Hparams(name='it's')"


def test_a_group_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        outer().count = 4  # type: ignore[misc]


def test_fields_are_given_by_name_only():
    with pytest.raises(TypeError):
        Inner("a")  # type: ignore[misc]


def test_an_experiments_name_is_the_md5_of_its_groups_texts():
    text = "Hparams(name='a');Hparams(depth=2, name='b')"
    groups = [Inner(name="a"), Inner(name="b", depth=2)]
    assert hashed_name("lottery", groups) == "lottery_" + hashlib.md5(text.encode()).hexdigest()


def test_a_group_that_is_not_there_does_not_change_the_name():
    assert hashed_name("train", [None, Inner(name="a"), None]) == hashed_name("train", [Inner(name="a")])


def test_the_order_of_groups_and_the_prefix_matter():
    first, second = Inner(name="a"), Inner(name="b")
    assert hashed_name("train", [first, second]) != hashed_name("train", [second, first])
    assert hashed_name("train", [first]) != hashed_name("lottery", [first])


def test_people_see_the_title_and_what_is_required_or_says_something():
    assert outer(after=True, inner=Inner(name="a", depth=2)).display() == (
        "Outer Hyperparameters\n"
        "    * zeal => 0.1\n"
        "    * after => True\n"
        "    * count => 3\n"
        "    * word => none\n"
        "    * _secret => x\n"
        "Inner Hyperparameters\n"
        "    * name => a\n"
        "    * depth => 2"
    )


def test_another_title_may_be_given_for_display():
    assert Inner(name="a").display("Pretraining") == "Pretraining\n    * name => a"
