"""Means and standard deviations of kept and pruned weights, against the tensors themselves."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from bayesian.figures.posterior import KEPT, PRUNED, distributions, kept_and_pruned
from foundations.errors import UserError
from foundations.storage import load_tensors
from open_lth.command import read_command
from open_lth.results.masks import load_mask
from open_lth.suites import Experiment, Series
from open_lth.suites.suite_runs import SuiteRuns, find_runs
from tests.open_lth.running import INPUT, OUTPUT, Workplace

WORDS = (
    "lottery",
    "--default_hparams=mnist_lenet_12",
    "--dataset_name=digits",
    "--batch_size=512",
    "--training_steps=1ep",
    "--levels=1",
)
BAYESIAN = (*WORDS, "--bayesian", "--bayesian_samples=1", "--bayesian_std_lr_factor=10")


def found_runs(workplace: Workplace, *commands: tuple[str, ...]) -> SuiteRuns:
    """Return the runs of commands, all of one curve."""
    places = (f"--root={workplace.root}", f"--dataset_root={workplace.dataset_root}", "--device=cpu", "--quiet")
    experiments = tuple(Experiment(command) for command in commands)
    return find_runs([Series("LeNet", "Bayesian, |μ|/σ", experiments)], lambda words: read_command((*words, *places)))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> SuiteRuns:
    place = tmp_path_factory.mktemp("posterior")
    workplace = Workplace(place / "results", place / "data")
    workplace.done(*BAYESIAN, "--quiet")
    return found_runs(workplace, BAYESIAN)


def by_hand(runs: SuiteRuns) -> dict[tuple[str, str], torch.Tensor]:
    """Return |μ| and σ of the input layer after training, by whether level 1 keeps them."""
    dense, sparse = (Path(directory) for directory in runs.table["directory"])
    state = load_tensors(dense / "model_ep1_it0.pth")
    stays = load_tensors(sparse / "mask.pth")[INPUT] == 1
    layer = INPUT.removesuffix(".weight")
    values = {"|μ|": state[f"{layer}._weight_mean"].abs(), "σ": state[f"{layer}._weight_log_std"].exp()}
    return {
        (name, fate): value[stays if fate == KEPT else ~stays]
        for name, value in values.items()
        for fate in (KEPT, PRUNED)
    }


def test_weights_are_split_by_the_mask_that_the_pruning_made(runs):
    dense, sparse = runs.table["directory"]
    found = kept_and_pruned(runs.trainings[dense], load_mask(dense), load_mask(sparse), {OUTPUT})
    expected = by_hand(runs)
    assert found.keys() == expected.keys()
    assert all(found[key].equal(expected[key]) for key in expected)


def test_a_layer_that_happens_to_be_kept_whole_counts(runs):
    dense, sparse = runs.table["directory"]
    after = load_mask(sparse)
    found = kept_and_pruned(runs.trainings[dense], load_mask(dense), after)
    assert after[OUTPUT].all()
    assert len(found["σ", KEPT]) == int(after[INPUT].sum()) + after[OUTPUT].numel()


def test_what_was_pruned_before_is_left_out(runs):
    _, sparse = runs.table["directory"]
    after = load_mask(sparse)
    again = kept_and_pruned(runs.trainings[sparse], after, after, {OUTPUT})
    assert len(again["|μ|", KEPT]) == int(after[INPUT].sum()) and len(again["σ", PRUNED]) == 0


def test_the_table_has_the_percentiles_of_both(runs):
    table = distributions(runs).set_index(["quantity", "fate"])
    for key, values in by_hand(runs).items():
        assert table.loc[key, "count"] == len(values)
        for percent in (5, 25, 50, 75, 95):
            expected = pd.Series(values.numpy()).astype(float).quantile(percent / 100)
            assert table.loc[key, f"{percent}th percentile"] == pytest.approx(expected)
    assert table["level"].unique().tolist() == [1] and table["weights"].iloc[0] == pytest.approx(80, abs=0.1)


def test_replicates_are_taken_together_and_one_without_the_level_before_is_left_out(runs):
    doubled = runs.table.assign(replicate=2)
    together = distributions(SuiteRuns(pd.concat([runs.table, doubled]), runs.trainings, []))
    assert together["count"].tolist() == (2 * distributions(runs)["count"]).tolist()
    partial = pd.concat([runs.table, doubled[doubled["level"] == 1]])
    assert distributions(SuiteRuns(partial, runs.trainings, []))["count"].equals(distributions(runs)["count"])


def test_without_a_pruned_bayesian_network_there_is_nothing_to_show(runs, tmp_path):
    only_dense = SuiteRuns(runs.table[runs.table["level"] == 0], runs.trainings, [])
    workplace = Workplace(tmp_path / "results", tmp_path / "data")
    workplace.done(*WORDS, "--quiet")
    for nothing in (only_dense, found_runs(workplace, WORDS)):
        with pytest.raises(UserError, match="no level above 0 of a Bayesian lottery is finished"):
            distributions(nothing)
