"""The subcommand `evaluate`: put it before any command to measure what that command has made."""

from __future__ import annotations

import json
import re
import statistics
from pathlib import Path
from typing import Any

import pytest

from tests.open_lth.running import BAYESIAN, KINDS, LENET, Trunk, measures, snapshot

MEASURES = {"loss", "accuracy", "examples", "brier", "ece", "mace", "mace_pooled"}
EVALUATED = (
    MEASURES
    | {"aurc", "temperature", "scaled_loss", "scaled_ece"}
    | {f"{error}_{what}" for error in ("ece", "mace") for what in ("floor", "low", "high")}
)
VARYING = ("loss", "brier", "mace", "mace_pooled")


def kept(directory: Path) -> dict[str, Any]:
    """Return what lies in a run's directory."""
    loaded: dict[str, Any] = json.loads((directory / "evaluation.json").read_text())
    return loaded


def logged(directory: Path, iteration: int) -> dict[str, float]:
    """Return the test measures that training logged at an iteration."""
    rows = [(name, value) for name, i, value in measures(directory) if i == iteration and name.startswith("test_")]
    return {name.removeprefix("test_"): value for name, value in rows}


def evaluate(trunk: Trunk, *words: str, command: tuple[str, ...] = ("lottery", "--levels=2")) -> str:
    """Evaluate what a command has made, and return what was printed."""
    return trunk.workplace.done("evaluate", *command, *trunk.words, *words).out


def lines_of_runs(out: str) -> list[str]:
    """Return the lines that begin with a run's label; what more is said of it is below."""
    return [line for line in out.splitlines() if not line.startswith(" ")]


def test_every_level_gets_its_measures_beside_its_run_and_nothing_else_changes(trunk):
    before = snapshot(trunk.workplace.root)
    evaluate(trunk, "--passes=2")
    after = snapshot(trunk.workplace.root)
    assert {path: after[path] for path in before} == before
    base = f"{trunk.directory.parent.name}/replicate_1"
    new = ("evaluation.json", ".evaluation.json.sha256", ".lock")
    assert after.keys() - before.keys() == {f"{base}/level_{level}/main/{name}" for level in range(3) for name in new}
    for level in range(3):
        found = kept(trunk.level(level))
        assert found["passes"] == 2 and found["step"] == "2ep0it"
        assert set(found["final"]) == EVALUATED
        assert all(len(found["final"][name]["values"]) == 2 for name in EVALUATED)
        assert found["final"]["examples"]["mean"] == 360.0


def test_a_line_for_every_run_shows_mean_and_spread(trunk):
    lines = lines_of_runs(evaluate(trunk, "--passes=2"))
    assert [line.split()[0] for line in lines] == [f"level_{level}/main" for level in range(3)]
    for level, line in enumerate(lines):
        final = kept(trunk.level(level))["final"]
        for name in ("accuracy", "loss", "brier", "ece", "mace"):
            assert f"{name} {final[name]['mean']:.4f} ± {final[name]['std']:.4f}" in line


def test_quiet_prints_nothing(trunk):
    assert evaluate(trunk, "--quiet") == ""
    assert (trunk.level(2) / "evaluation.json").exists()


def test_a_deterministic_network_is_measured_as_it_was_in_training_and_has_no_spread(trunk_of):
    trunk = trunk_of()
    evaluate(trunk, "--passes=3")
    for level in range(3):
        final, in_training = kept(trunk.level(level))["final"], logged(trunk.level(level), 12)
        for name in MEASURES:
            assert final[name]["mean"] == pytest.approx(in_training[name], rel=1e-6)
            assert final[name]["std"] == 0.0
            assert len(set(final[name]["values"])) == 1


def test_the_passes_of_a_bayesian_network_draw_weights_of_their_own(trunk_of):
    trunk = trunk_of(*BAYESIAN)
    evaluate(trunk, "--passes=3")
    for level in range(3):
        final, in_training = kept(trunk.level(level))["final"], logged(trunk.level(level), 12)
        for name in VARYING:
            assert len(set(final[name]["values"])) == 3
            assert final[name]["std"] > 0
        assert final["loss"]["mean"] == pytest.approx(in_training["loss"], rel=0.1)


def test_the_peak_is_what_training_logged_at_its_best_epoch(trunk):
    evaluate(trunk)
    for level in range(3):
        found = kept(trunk.level(level))["peak"]
        accuracies = {i: value for name, i, value in measures(trunk.level(level)) if name == "test_accuracy"}
        best = min(i for i, value in accuracies.items() if value == max(accuracies.values()))
        assert found == {"iteration": best, **logged(trunk.level(level), best)}
        assert set(found) == MEASURES | {"iteration"}


def test_the_same_command_gives_the_same_bits(trunk):
    evaluate(trunk, "--passes=3")
    first = (trunk.level(2) / "evaluation.json").read_bytes()
    (trunk.level(2) / "evaluation.json").unlink()
    evaluate(trunk, "--passes=3")
    assert (trunk.level(2) / "evaluation.json").read_bytes() == first


def test_enough_passes_are_left_alone_and_more_begin_with_those_already_made(trunk):
    evaluate(trunk, "--passes=2")
    before = snapshot(trunk.workplace.root)
    shown = evaluate(trunk, "--passes=2")
    assert evaluate(trunk) == shown
    assert all("/main, the first 1 of 2 passes  " in line for line in lines_of_runs(evaluate(trunk, "--passes=1")))
    assert snapshot(trunk.workplace.root) == before
    two = kept(trunk.level(1))["final"]["loss"]["values"]
    evaluate(trunk, "--passes=4")
    four = kept(trunk.level(1))["final"]["loss"]["values"]
    assert len(four) == 4 and four[:2] == two


def test_a_training_run_is_measured(workplace, kind):
    words = (*LENET, *KINDS[kind])
    workplace.done("train", *words, "--quiet")
    out = workplace.done("evaluate", "train", *words, "--passes=2").out
    found = kept(workplace.place("train", *words))
    assert found["final"]["examples"]["values"] == [360.0, 360.0]
    assert re.match(r"main +accuracy 0\.\d{4} ± \d\.\d{4}", out)
    assert (found["final"]["loss"]["std"] > 0) == (kind == "bayesian")


def test_the_levels_of_learning_rate_rewinding_are_measured(trunk_of, kind):
    trunk = trunk_of(*KINDS[kind], "--lrr")
    lines = lines_of_runs(evaluate(trunk, "--passes=1"))
    assert [line.split()[0] for line in lines] == ["level_0/main", "level_1/lrr", "level_2/lrr"]
    directory = trunk.directory / "level_2" / "lrr"
    assert kept(directory)["final"]["loss"]["mean"] == pytest.approx(logged(directory, 12)["loss"], rel=0.1)


@pytest.mark.parametrize("branch", [("shuffle", "--seed=0"), ("reinit",)], ids=["shuffle", "reinit"])
def test_branches_are_measured_on_their_own_networks(trunk, branch):
    directory = trunk.branch(*branch, levels="1,2")
    lines = lines_of_runs(evaluate(trunk, command=("lottery_branch", *branch, "--levels=1-2")))
    assert [line.split("/")[0] for line in lines] == ["level_1", "level_2"]
    for level in (1, 2):
        place = trunk.directory / f"level_{level}" / directory.name
        assert kept(place)["final"]["loss"]["mean"] == pytest.approx(logged(place, 12)["loss"], rel=0.1)
    assert not (trunk.level(1) / "evaluation.json").exists()


def test_retrained_tickets_are_measured_on_the_data_they_were_retrained_on(trunk_of, mnist):
    trunk = trunk_of()
    trunk = Trunk(type(trunk.workplace)(trunk.workplace.root, mnist), trunk.words)
    words = (
        "--retrain_d_dataset_name=mnist",
        "--retrain_d_batch_size=100",
        "--retrain_d_subsample_fraction=0.005",
        "--retrain_t_training_steps=1ep",
        "--retrain_t_lr=0.1",
        "--retrain_t_optimizer_name=sgd",
    )
    directory = trunk.branch("retrain", *words)
    evaluate(trunk, command=("lottery_branch", "retrain", "--levels=1", *words))
    found = kept(directory)
    assert found["final"]["examples"]["mean"] == 10000.0
    assert found["step"] == "1ep0it"
    assert found["final"]["loss"]["mean"] == pytest.approx(logged(directory, 3)["loss"], rel=1e-5)


def test_transplanted_tickets_are_measured_as_the_bayesian_networks_that_they_are(trunk_of):
    trunk = trunk_of()
    words = ("--bayesian_samples=2", "--bayesian_init_std=1")
    directory = trunk.branch("transplant", *words)
    evaluate(trunk, "--passes=3", command=("lottery_branch", "transplant", "--levels=1", *words))
    final = kept(directory)["final"]
    assert len(set(final["loss"]["values"])) == 3
    assert final["loss"]["std"] > 0


def test_results_that_openlth_wrote_are_measured_and_their_peak_has_what_openlth_logged(openlth_trunk):
    evaluate(openlth_trunk, "--passes=2")
    for level in range(3):
        found, theirs = kept(openlth_trunk.level(level)), logged(openlth_trunk.level(level), 20)
        assert found["peak"] == {"iteration": 20.0, **theirs}
        assert set(theirs) == {"loss", "accuracy", "examples"}
        assert set(found["final"]) == EVALUATED
        assert found["final"]["brier"]["std"] == 0.0


def test_a_branch_that_openlth_wrote_is_measured(openlth_trunk):
    evaluate(openlth_trunk, command=("lottery_branch", "randomly_reinitialize", "--levels=1"))
    directory = openlth_trunk.branch("randomly_reinitialize")
    assert kept(directory)["final"]["examples"]["mean"] == 10000.0


def test_display_output_location_prints_every_file_and_measures_nothing(trunk):
    before = snapshot(trunk.workplace.root)
    out = evaluate(trunk, "--display_output_location")
    assert out.splitlines() == [str(trunk.level(level) / "evaluation.json") for level in range(3)]
    assert snapshot(trunk.workplace.root) == before


def test_a_level_that_is_not_finished_is_named(trunk):
    message = trunk.workplace.refused("evaluate", "lottery", "--levels=3", *trunk.words, "--quiet")
    assert str(trunk.directory / "level_3" / "main") in message and "is not finished" in message
    assert not (trunk.directory / "level_3").exists()


def test_what_was_never_begun_is_refused_and_nothing_is_written(workplace):
    assert "is not finished" in workplace.refused("evaluate", "train", *LENET)
    assert not workplace.root.exists()


@pytest.mark.parametrize("passes", ["0", "-1", "x", "1.5", ""])
def test_a_number_of_passes_that_is_none_is_refused(trunk, passes):
    before = snapshot(trunk.workplace.root)
    message = trunk.workplace.refused("evaluate", "lottery", "--levels=2", *trunk.words, f"--passes={passes}")
    assert "--passes" in message and (not passes or passes in message)
    assert snapshot(trunk.workplace.root) == before


@pytest.mark.parametrize("words", [("learn",), ("runs",), ("evaluate",), ("--passes=2", "lottery")])
def test_only_commands_that_make_runs_can_be_evaluated(workplace, words):
    assert "valid values are train, lottery, lottery_branch" in workplace.refused("evaluate", *words)


def test_a_mistake_in_the_commands_own_flags_is_reported_as_that_command_does(workplace):
    assert "--levels is required" in workplace.refused("evaluate", "lottery", *LENET)
    assert "--lr=fast: must be a number" in workplace.refused("evaluate", "train", *LENET, "--lr=fast")


def test_fewer_passes_than_were_measured_are_the_first_ones_and_it_is_said(trunk_of):
    trunk = trunk_of(*BAYESIAN)
    evaluate(trunk, "--passes=5")
    before = snapshot(trunk.workplace.root)
    [line] = lines_of_runs(evaluate(trunk, "--passes=3", command=("lottery", "--levels=0")))
    assert snapshot(trunk.workplace.root) == before
    values = kept(trunk.level(0))["final"]["loss"]["values"]
    mean, std = statistics.mean(values[:3]), statistics.stdev(values[:3])
    assert line.startswith("level_0/main, the first 3 of 5 passes  ")
    assert f"loss {mean:.4f} ± {std:.4f}" in line


def test_another_number_of_samples_needs_no_training_and_is_kept_beside(trunk_of):
    trunk = trunk_of(*BAYESIAN)
    command = ("lottery", "--levels=0")
    usual = evaluate(trunk, command=command)
    before = snapshot(trunk.workplace.root)
    [line] = lines_of_runs(evaluate(trunk, "--samples=50", command=command))
    assert line.startswith("level_0/main, 50 samples  ")
    after = snapshot(trunk.workplace.root)
    assert {path: after[path] for path in before} == before
    own = json.loads((trunk.level(0) / "evaluation_50_samples.json").read_text())
    as_trained = ("lottery", "--levels=0", "--bayesian_evaluation_samples=50")
    trained = Trunk(trunk.workplace, trunk.words)
    trunk.workplace.done(*as_trained, *trained.words, "--quiet")
    other = trunk.workplace.place(*as_trained, *trained.words) / "level_0" / "main"
    evaluate(trained, command=as_trained)
    assert own["final"] == kept(other)["final"] != kept(trunk.level(0))["final"]
    assert evaluate(trunk, command=command) == usual


def test_a_deterministic_network_has_no_samples(trunk_of):
    trunk = trunk_of()
    error = trunk.workplace.refused("evaluate", "lottery", "--levels=0", *trunk.words, "--samples=50")
    assert error == "error: --samples=50: a deterministic network draws no samples"


def test_another_data_set_is_measured_as_the_networks_own_images_are_and_kept_beside(trunk_of, mnist, kind):
    trunk = trunk_of(*KINDS[kind])
    trunk = Trunk(type(trunk.workplace)(trunk.workplace.root, mnist), trunk.words)
    before = snapshot(trunk.workplace.root)
    [line] = lines_of_runs(evaluate(trunk, "--on=mnist", command=("lottery", "--levels=0")))
    assert line.startswith("level_0/main, on mnist  ")
    after = snapshot(trunk.workplace.root)
    assert {path: after[path] for path in before} == before
    found = json.loads((trunk.level(0) / "evaluation_on_mnist.json").read_text())
    assert found["final"]["examples"]["mean"] == 10000.0 and found["peak"] == {}
    for wrong, valid in (("cifar100", "cifar10, digits, mnist"), ("mnits", "did you mean mnist?")):
        error = trunk.workplace.refused("evaluate", "lottery", "--levels=0", *trunk.words, f"--on={wrong}")
        assert error.startswith(f"error: --on={wrong}: ") and valid in error
    error = trunk.workplace.refused("evaluate", "lottery", "--levels=0", *trunk.words, "--on=mnist", "--ood=inverted")
    assert error == "error: --on=mnist: is measured by itself, without --shift and --ood"
