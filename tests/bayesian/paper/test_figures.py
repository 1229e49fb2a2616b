"""Which experiments the figures are made of: the paper's, each by its own commands."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from bayesian.paper.figures import FIGURES
from open_lth.suites import Experiment, Scale, Series, in_order

SCALE: dict[str, Any] = {
    "networks": {"A": "--default_hparams=mnist_lenet_12", "B": "--default_hparams=mnist_lenet_13 --lr=0.2"},
    "flags": "--dataset_name=digits --lr=0.1",
    "bayesian": "--bayesian_samples=2",
    "levels": 4,
    "branch_levels": "2,4",
    "replicates": 2,
    "passes": 3,
    "larger_networks": {"A": {"A+": "--default_hparams=mnist_lenet_24"}},
    "learning_rates": {"learning rate 0.1": "--lr=0.1", "learning rate 0.1, warmup": "--lr=0.1 --warmup_steps=1ep"},
    "settings": {"no weight decay": "--weight_decay=0", "loss summed": "--bayesian_loss_scale=sum"},
    "std_learning_rates": {"uniform σ": "", "informative σ": "--bayesian_std_lr_factor=10"},
}
A = "--default_hparams=mnist_lenet_12 --dataset_name=digits --lr=0.1"
KIND, SAMPLES, SNR = "--bayesian", "--bayesian_samples=2", "--pruning_strategy=sparse_global_snr"
IMP = f"lottery {A} --levels=4"
BAYESIAN_IMP = f"lottery {A} {KIND} {SAMPLES} {SNR} --levels=4"


def series(figure: str, **changes: object) -> list[Series]:
    return FIGURES[figure].series(Scale({**SCALE, **changes}, "mine.json"))


def curves(figure: str, panel: str = "A") -> dict[str, list[str]]:
    """Return the methods in a panel, each with the commands of its replicates."""
    found = [one for one in series(figure) if one.panel == panel]
    assert len({one.method for one in found}) == len(found)
    return {one.method: [" ".join(experiment.command) for experiment in one.experiments] for one in found}


def first(figure: str, panel: str = "A") -> dict[str, str]:
    """Return the methods in a panel with the command of replicate 1, `--replicate=1` left out."""
    return {method: commands[0].replace(" --replicate=1", "") for method, commands in curves(figure, panel).items()}


def panels(figure: str) -> list[str]:
    return list(dict.fromkeys(one.panel for one in series(figure)))


def test_the_figures_are_those_of_the_paper_and_those_beyond():
    beyond = [
        "scores",
        "optimizers",
        "shift",
        "pruning",
        "stability",
        "layer_scale",
        "whole_output",
        "random_transplants",
        "ensemble",
        "settings",
    ]
    assert list(FIGURES) == [*map(str, range(1, 10)), "table1", *beyond]


def test_figure_1_prunes_bayesian_networks_by_three_scores_and_measures_them_repeatedly():
    assert panels("1") == ["A", "B"]
    score = f"evaluate lottery {A} {KIND} {SAMPLES} --pruning_strategy=sparse_global_{{}} --levels=4".format
    assert first("1") == {
        "deterministic": f"evaluate {IMP} --passes=1",
        "Bayesian, |μ|/σ": f"{score('snr')} --passes=3",
        "Bayesian, √(μ²+σ²)": f"{score('square')} --passes=3",
        "Bayesian, |μ|": f"{score('mu')} --passes=3",
    }


@pytest.mark.parametrize("figure", ["2", "table1"])
def test_figure_2_and_table_1_are_made_of_tickets_of_both_kinds(figure):
    assert panels(figure) == ["A", "B"]
    assert first(figure) == {"deterministic": IMP, "Bayesian, |μ|/σ": BAYESIAN_IMP}


def test_figure_3_is_one_ticket_of_figure_4():
    assert panels("3") == ["A"]
    assert all(len(one.experiments) == 1 for one in series("3"))
    assert first("3") == first("4", "A, deterministic")


def test_figure_4_randomises_the_tickets_of_both_kinds():
    assert panels("4") == ["A, deterministic", "A, Bayesian", "B, deterministic", "B, Bayesian"]

    def randomised(flags: str) -> dict[str, str]:
        branch = f"lottery_branch {{}} {flags} --levels=2,4".format
        return {
            "new weights": branch("reinit"),
            "shuffled layerwise": branch("shuffle --strategy=layerwise --seed=1"),
            "shuffled globally": branch("shuffle --strategy=global --seed=1"),
            "shuffled evenly": branch("shuffle --strategy=even --seed=1"),
        }

    assert first("4", "A, deterministic") == {"deterministic": IMP, **randomised(A)}
    bayesian = {"Bayesian, |μ|/σ": BAYESIAN_IMP, **randomised(f"{A} {KIND} {SAMPLES} {SNR}")}
    assert first("4", "A, Bayesian") == bayesian


def test_masks_are_shuffled_anew_in_every_replicate():
    seeds = [words.split("--seed=")[1].split()[0] for words in curves("4", "A, Bayesian")["shuffled evenly"]]
    assert seeds == ["1", "2"]


def test_figure_5_transplants_the_deterministic_tickets():
    transplanted = f"lottery_branch transplant {SAMPLES} {A} --levels=2,4"
    assert first("5") == {"deterministic": IMP, "Bayesian, |μ|/σ": BAYESIAN_IMP, "transplanted": transplanted}
    assert first("9") == {"Bayesian, |μ|/σ": BAYESIAN_IMP, "transplanted": transplanted}


def test_figure_6_has_two_sizes_of_those_networks_that_have_a_larger_one():
    assert panels("6") == ["A and A+"]
    assert first("6", "A and A+") == {
        "deterministic": IMP,
        "Bayesian, |μ|/σ": BAYESIAN_IMP,
        "deterministic, larger network": IMP.replace("lenet_12", "lenet_24"),
        "Bayesian, larger network": BAYESIAN_IMP.replace("lenet_12", "lenet_24"),
    }


def test_figure_7_varies_the_learning_rate_of_both_kinds():
    assert panels("7") == ["A, Bayesian", "A, deterministic", "B, Bayesian", "B, deterministic"]
    warm = "--lr=0.1 --warmup_steps=1ep --levels"
    assert first("7", "A, deterministic") == {
        "learning rate 0.1": IMP,
        "learning rate 0.1, warmup": IMP.replace("--lr=0.1 --levels", warm),
    }
    assert first("7", "A, Bayesian")["learning rate 0.1"] == BAYESIAN_IMP


def test_figure_8_rewinds_the_learning_rate_alone():
    assert first("8") == {
        "deterministic": IMP,
        "Bayesian, |μ|/σ": BAYESIAN_IMP,
        "deterministic, LRR": f"{IMP} --lrr",
        "Bayesian, LRR": f"{BAYESIAN_IMP} --lrr",
    }


def test_the_scores_are_compared_with_those_of_the_released_code_under_uniform_and_informative_stds():
    assert panels("scores") == [f"{network}, {state} σ" for network in "AB" for state in ("uniform", "informative")]
    score = "--pruning_strategy=sparse_global_{} --levels=4".format
    for state, flags in (("uniform", ""), ("informative", " --bayesian_std_lr_factor=10")):
        found = first("scores", f"A, {state} σ")
        names = [name + released for name in ("snr", "square") for released in ("", "_released")]
        for name in (*names, "mu"):
            expected = f"lottery {A} {KIND} {SAMPLES} {score(name)}".replace(" --levels", f"{flags} --levels")
            assert expected in found.values()
        assert len(found) == 5


def test_without_std_learning_rates_there_is_nothing_to_compare():
    assert series("scores", std_learning_rates={}) == []


def test_a_networks_own_flags_win_over_the_common_ones():
    assert "--default_hparams=mnist_lenet_13 --lr=0.2 --dataset_name=digits" in first("2", "B")["deterministic"]


@pytest.mark.parametrize("figure", FIGURES)
def test_replicates_differ_in_their_number_alone(figure):
    for one in series(figure):
        own = ("--replicate=", "--seed=", "--shuffle_seed=")
        plain = {tuple(w for w in experiment.command if not w.startswith(own)) for experiment in one.experiments}
        assert len(plain) == 1
        numbers = [experiment.command.count(f"--replicate={n}") for n, experiment in enumerate(one.experiments, 1)]
        assert numbers == [1] * len(numbers)


def test_shift_measures_both_kinds_and_ensembles_of_the_deterministic_replicates():
    asked = "--passes=1 --shift=all --ood=rotated,inverted,noised"
    assert panels("shift") == ["A", "B"]
    assert first("shift") == {
        "deterministic": f"evaluate {IMP} {asked}",
        "deterministic, ensemble": f"evaluate {IMP} {asked} --ensemble=replicates",
        "Bayesian, |μ|/σ": f"evaluate {BAYESIAN_IMP} {asked}",
    }
    [ensemble] = next(one for one in series("shift") if one.method == "deterministic, ensemble").experiments
    assert [" ".join(one.command) for one in ensemble.after] == [f"{IMP} --replicate={number}" for number in (1, 2)]


def test_one_replicate_is_no_ensemble_and_the_scale_says_what_is_out_of_distribution():
    found = series("shift", replicates=1, ood="svhn", shift="blur")
    assert {one.method for one in found} == {"deterministic", "Bayesian, |μ|/σ"}
    commands = [experiment.command for one in found for experiment in one.experiments]
    assert all({"--ood=svhn", "--shift=blur"} < {*command} for command in commands)


def all_experiments() -> list[Experiment]:
    return in_order([one for figure in FIGURES for one in series(figure)])


def test_what_figures_share_is_run_once():
    experiments = all_experiments()
    assert Counter(experiments).most_common(1)[0][1] == 1
    trunks = [one.command for one in experiments if one.command[0] == "lottery" and "--lrr" not in one.command]
    assert len({frozenset(command) for command in trunks}) == len(trunks)  # no order of flags makes two of one


def test_whatever_starts_from_a_lottery_comes_after_it():
    experiments = all_experiments()
    lotteries = {frozenset(one.command): one for one in experiments if one.command[0] == "lottery"}
    for one in experiments:
        if one.command[0] == "lottery" and "--lrr" not in one.command:
            assert one.after == ()
            continue
        if "--ensemble=replicates" in one.command:
            assert len(one.after) == 2 and {*one.after} < {*lotteries.values()}
            continue
        flags = (
            "--strategy",
            "--seed",
            "--passes",
            "--shift",
            "--ood",
            "--layers_to",
            "--level_s",
            "--start_at",
            "--shuffle_s",
        )
        own = {
            "evaluate",
            "--lrr",
            "lottery_branch",
            "reinit",
            "shuffle",
            "transplant",
            "--levels=2,4",
            *(word for word in one.command if word.startswith(flags)),
        }
        own |= {SAMPLES} if "transplant" in one.command else set()
        trunk = {*(word for word in one.command if word not in own), "lottery", "--levels=4"}
        assert one.after == (lotteries[frozenset(trunk)],)


def test_layer_scale_has_the_scores_that_know_layers_but_no_sigma():
    def lottery(strategy: str) -> str:
        return f"lottery {A} --pruning_strategy={strategy} --levels=4"

    def bayesian(strategy: str) -> str:
        return f"lottery {A} {KIND} {SAMPLES} --pruning_strategy={strategy} --levels=4"

    assert first("layer_scale") == {
        "deterministic": IMP,
        "deterministic, |w|·√fan-in": lottery("sparse_global_scaled"),
        "deterministic, |w| in each layer": lottery("sparse_layerwise"),
        "Bayesian, |μ|/σ": bayesian("sparse_global_snr"),
        "Bayesian, |μ|": bayesian("sparse_global_mu"),
        "Bayesian, |μ|·√fan-in": bayesian("sparse_global_mu_scaled"),
        "Bayesian, |μ| in each layer": bayesian("sparse_layerwise_mu"),
        "Bayesian, |μ|/σ, σ shuffled": bayesian("sparse_global_snr_shuffled"),
        "Bayesian, |μ|/σ, mean σ of the layer": bayesian("sparse_global_snr_of_layers"),
        "Bayesian, |μ|/σ, mean σ of the filter": bayesian("sparse_global_snr_of_filters"),
    }


def test_shuffles_leave_the_output_layer_whole_beside_those_of_the_paper():
    found = first("whole_output", "A, deterministic")
    for name, strategy in (("layerwise", "layerwise"), ("globally", "global"), ("evenly", "even")):
        shuffle = f"lottery_branch shuffle --strategy={strategy} --level_seeds"
        assert found[f"shuffled {name}"] == f"{shuffle} --seed=1 {A} --levels=2,4"
        whole = f"{shuffle} --layers_to_keep=fc.weight --seed=1 {A} --levels=2,4"
        assert found[f"shuffled {name}, output layer whole"] == whole
    assert len(found) == 7


def test_an_ensemble_has_networks_of_as_many_gradients_beside_it():
    as_many = BAYESIAN_IMP.replace(" --levels", " --bayesian_estimator=weights --levels")
    [ensemble] = next(one for one in series("ensemble") if one.method == "deterministic, ensemble").experiments
    assert first("ensemble") == {
        "deterministic": f"evaluate {IMP} --passes=1",
        "deterministic, ensemble": f"evaluate {IMP} --passes=1 --ensemble=replicates",
        "Bayesian, |μ|/σ, a sample for each member": f"evaluate {as_many} --passes=1",
    }
    assert [" ".join(one.command) for one in ensemble.after] == [f"{IMP} --replicate={number}" for number in (1, 2)]


def test_settings_are_changed_one_at_a_time():
    decay, summed = (
        BAYESIAN_IMP.replace(" --levels", f" {flag} --levels")
        for flag in ("--weight_decay=0", "--bayesian_loss_scale=sum")
    )
    assert first("settings") == {"Bayesian, |μ|/σ": BAYESIAN_IMP, "no weight decay": decay, "loss summed": summed}
    assert series("settings", settings={}) == []


def test_transplants_have_random_ones_of_the_same_densities_beside_them():
    def transplant(*more: str) -> str:
        return " ".join(("lottery_branch transplant", SAMPLES, *more, A, "--levels=2,4"))

    assert first("random_transplants") == {
        "Bayesian, |μ|/σ": BAYESIAN_IMP,
        "transplanted": transplant(),
        "transplanted, trained weights": transplant("--start_at=end"),
        "random, same densities": transplant("--shuffle_seed=1"),
        "random, trained weights": transplant("--start_at=end", "--shuffle_seed=1"),
    }
