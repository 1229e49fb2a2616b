from __future__ import annotations

import pytest

from foundations.errors import one_of
from foundations.suggestions import CALLED_HERE, about_flag, did_you_mean, nearest

FLAGS = ("bayesian", "batch_size", "lr", "levels", "training_steps", "replicate", "pretrain")
SWITCHES = ("bayesian", "pretrain")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--baysian", "--baysian: no such flag; did you mean --bayesian?"),
        ("--levls=3", "--levls=3: no such flag; did you mean --levels?"),
        ("--batch-size=128", "--batch-size=128: flags begin with two dashes and have underscores; did you mean"),
        ("-lr=0.1", "-lr=0.1: flags begin with two dashes and have underscores; did you mean --lr?"),
        ("--bayesian_samples=3", "--bayesian_samples=3: has no effect without --bayesian"),
        ("--pretrain_lr=1", "--pretrain_lr=1: has no effect without --pretrain"),
        ("--seed=1", "--seed=1: no such flag; it is called --replicate, which decides all random numbers here"),
        ("--epochs", "--epochs: no such flag; it is called --training_steps=160ep here"),
        ("--whatever", "--whatever: no such flag"),
    ],
)
def test_a_flag_that_does_not_exist_is_told_in_one_line(typed, said):
    found = about_flag(typed, FLAGS, SWITCHES)
    assert found.startswith(said) and "\n" not in found
    assert "did you mean" in found or "did you mean" not in said


def test_what_is_unlike_all_others_has_no_nearest():
    assert nearest("zzz", FLAGS) == "" and did_you_mean("zzz", FLAGS) == ""
    assert did_you_mean("lotery", ["train", "lottery"]) == "; did you mean lottery?"


def test_the_end_of_a_name_stands_for_the_shortest_that_has_it():
    names = ["sparse_global", "sparse_global_snip", "sparse_snip"]
    assert did_you_mean("snip", names) == "; did you mean sparse_snip?"
    assert did_you_mean("nip", names) == did_you_mean("", names) == ""


def test_a_misspelt_value_is_told_with_the_nearest_and_all_others():
    assert one_of(["sgd", "adam"], "adamm") == "did you mean adam? valid values are sgd, adam"
    assert one_of(["sgd", "adam"], "lbfgs") == one_of(["sgd", "adam"]) == "valid values are sgd, adam"


def test_flags_of_other_programs_are_told_as_what_exists_here():
    from foundations.arguments import Parser
    from open_lth.command import COMMANDS

    parser = Parser()
    COMMANDS.get("lottery").add_flags(parser, ["--default_hparams=mnist_lenet_12"])
    for name, here in CALLED_HERE.items():
        flag = here.split("=")[0].split(",")[0]
        assert f"--{flag}" in parser._option_string_actions, name
        assert f"--{name}" not in parser._option_string_actions, name
