"""What a scale says, and how it is refused if it says it wrongly."""

from __future__ import annotations

import pytest

from bayesian.paper.scale import PaperScale, merged
from foundations.errors import UserError
from open_lth.suites import Scale

SMALLEST = {"networks": {"A": "--default_hparams=mnist_lenet_12", "B": ""}, "levels": 3}


def read(figure: str = "1", **changes: object) -> PaperScale:
    return PaperScale.read(Scale({**SMALLEST, **changes}, "mine.json"), figure)


def test_networks_and_levels_are_enough():
    scale = read()
    assert scale.networks == {"A": ("--default_hparams=mnist_lenet_12",), "B": ()}
    assert (scale.levels, scale.branch_levels, scale.replicates) == (3, "1-3", 1)


def test_flags_are_split_as_a_shell_does():
    assert read(flags="--lr=0.1  --pretrain '--dataset_name=my data'").flags == (
        "--lr=0.1",
        "--pretrain",
        "--dataset_name=my data",
    )


def test_a_figure_may_have_fewer_networks_and_replicates():
    own = {"replicates": 5, "figures": {"6": {"networks": ["B"], "replicates": 2}, "4": {}}}
    six, four = read("6", **own), read("4", **own)
    assert (list(six.networks), six.replicates) == (["B"], 2)
    assert (list(four.networks), four.replicates) == (["A", "B"], 5)
    assert read("2", **own) == four


def test_of_several_values_of_a_flag_the_last_counts_and_the_first_place():
    assert merged(("--lr=1", "--bayesian"), ("--gamma=2",), ("--lr=3", "--bayesian")) == (
        "--lr=3",
        "--bayesian",
        "--gamma=2",
    )


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"level": 3}, "level is unknown; valid values are bayesian, branch_levels, description, "),
        ({"levels": "3"}, "levels must be a whole number of at least 1, not '3'"),
        ({"levels": True}, "levels must be a whole number of at least 1, not True"),
        ({"replicates": 0}, "replicates must be a whole number of at least 1, not 0"),
        ({"passes": 2.5}, "passes must be a whole number of at least 1, not 2.5"),
        ({"branch_levels": [1]}, "branch_levels must be levels and ascending ranges of them, e.g. 0-2,5-8,12, not [1]"),
        ({"flags": ["--lr=1"]}, "flags must be text, not ['--lr=1']"),
        ({"flags": "--lr 1"}, "flags: '1' must be a flag, written --name=value"),
        ({"bayesian": "lr=1"}, "bayesian: 'lr=1' must be a flag, written --name=value"),
        ({"flags": "--name='a"}, """flags: "--name='a": No closing quotation"""),
        ({"networks": ["A"]}, "networks must be an object, not ['A']"),
        ({"networks": {}}, "networks must have an entry"),
        ({"networks": {"A": 1}}, "networks: A must be text, not 1"),
        ({"larger_networks": {"A": "--x"}}, "larger_networks: A must be an object, not '--x'"),
        ({"larger_networks": {"A": {}}}, "larger_networks: A must have one larger network, with its flags"),
        ({"larger_networks": {"C": {"D": ""}}}, "larger_networks: C is none of the networks A, B"),
        ({"figures": []}, "figures must be an object, not []"),
        ({"figures": {"1": 2}}, "figures: 1 must be an object, not 2"),
        ({"figures": {"1": {"levels": 2}}}, "1: levels is unknown; valid values are networks, optimizers, replicates"),
        ({"figures": {"1": {"networks": ["C"]}}}, "figures: 1: networks must be a list of A, B, not ['C']"),
        ({"figures": {"1": {"networks": "A"}}}, "figures: 1: networks must be a list, not 'A'"),
        ({"figures": {"1": {"networks": []}}}, "figures: 1: networks must be a list of A, B, not []"),
        ({"figures": {"1": {"optimizers": ["C"]}}}, "figures: 1: optimizers must be a list of , not ['C']"),
        ({"networks": {"1": ""}, "figures": {"1": {"networks": [1]}}}, "figures: 1: networks: 0 must be text, not 1"),
        ({"figures": {"1": {"networks": [["A"]]}}}, "figures: 1: networks: 0 must be text, not ['A']"),
        ({"networks": {"A, small": ""}}, "the name of a network must not hold ', ', as 'A, small' does"),
        ({"larger_networks": {"A": {"A, large": ""}}}, "must not hold ', ', as 'A, large' does"),
        ({"branch_levels": "1,3-4"}, "branch_levels: 1,3-4 reaches beyond levels, which is 3"),
        (
            {"branch_levels": "all"},
            "must be levels and ascending ranges of them, e.g. 0-2,5-8,12, not 'all'",
        ),
        ({"branch_levels": ""}, "branch_levels must be levels and ascending ranges of them"),
        ({"bayesian": "--lr=1"}, "bayesian: --lr must be a flag of Bayesian networks alone, --bayesian_..."),
        ({"bayesian": "--bayesian"}, "bayesian: --bayesian must be a flag of Bayesian networks alone"),
        ({"flags": "--bayesian"}, "flags: --bayesian must be left out; each figure has networks of both kinds"),
        ({"networks": {"A": "--bayesian"}}, "networks: --bayesian must be left out"),
        ({"larger_networks": {"A": {"B": "--bayesian"}}}, "larger_networks: --bayesian must be left out"),
        ({"learning_rates": {"fast": "--lr=1 --bayesian"}}, "learning_rates: --bayesian must be left out"),
        ({"std_learning_rates": {"fast": "--bayesian"}}, "std_learning_rates: --bayesian must be left out"),
        ({"flags": "--bayesian_samples=2"}, "flags: --bayesian_samples must stand in bayesian"),
        ({"networks": {"A": "--bayesian_samples=2"}}, "networks: --bayesian_samples must stand in bayesian"),
        ({"figures": {"1": {"replicates": -1}}}, "figures: 1: replicates must be a whole number of at least 1"),
    ],
)
def test_a_mistake_is_named_in_one_line(changes, complaint):
    with pytest.raises(UserError) as caught:
        read(**changes)
    assert str(caught.value).startswith("--scale=mine.json: ")
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_learning_rates_of_the_standard_deviations_are_flags_of_bayesian_networks():
    words = {"slow": "--bayesian_std_lr_factor=0.1", "fast": "--lr=1"}
    assert read(std_learning_rates=words).std_learning_rates["slow"] == ("--bayesian_std_lr_factor=0.1",)


@pytest.mark.parametrize("levels", ["3", "0-3", "1,2"])
def test_branches_may_start_from_every_level_that_there_is(levels):
    assert read(branch_levels=levels).branch_levels == levels


@pytest.mark.parametrize("key", ["networks", "levels"])
def test_what_is_missing_is_named(key):
    with pytest.raises(UserError, match=f"^--scale=paper: {key} is missing$"):
        PaperScale.read(Scale({name: value for name, value in SMALLEST.items() if name != key}, "paper"), "1")
