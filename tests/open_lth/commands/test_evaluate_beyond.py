"""`evaluate` beyond the test set: shifted images, images out of distribution, and ensembles."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from datasets import CORRUPTIONS
from open_lth.command import read_command
from open_lth.results import read_runs
from tests.open_lth.running import KINDS, LENET, Workplace, snapshot
from training import Prediction, TrainingRun, average, measure, place
from training.measures import detection_measures, uncertainty_scores

SHORT = (*LENET, "--training_steps=1ep", "--quiet")


def kept(directory: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((directory / "evaluation.json").read_text())
    return loaded


def runs_of(workplace: Workplace, words: tuple[str, ...]) -> list[TrainingRun]:
    return read_command((*words, f"--root={workplace.root}", f"--dataset_root={workplace.dataset_root}"))[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Workplace:
    """A training run of each kind, and three replicates of a lottery, the last of which has no level 1."""
    place = tmp_path_factory.mktemp("trained")
    workplace = Workplace(place / "results", place / "data")
    for kind in KINDS.values():
        workplace.done("train", *SHORT, *kind)
        for replicate, levels in ((1, 1), (2, 1), (3, 0)):
            workplace.done(*lottery(replicate, *kind, levels=levels))
    return workplace


@pytest.fixture
def words(trained, workplace, kind) -> tuple[str, ...]:
    """The command of a training run that is finished."""
    shutil.copytree(trained.root, workplace.root)
    return ("train", *SHORT, *KINDS[kind])


def predictions(workplace: Workplace, words: tuple[str, ...], occasion: str = "pass 0") -> Any:
    """Return a function from a loader to what the command's only run predicts of it."""
    [run] = runs_of(workplace, words)
    model, evaluator = place(run.load_network(run.end), run.context), run.evaluator()
    return run, lambda loader: evaluator.on(loader).predict(model, run.end, occasion)


def test_shifted_images_are_measured_at_every_severity(workplace, words):
    workplace.done("evaluate", *words, "--shift=contrast,rotation")
    found = kept(workplace.place(*words))["shift"]
    run, predict = predictions(workplace, words)
    assert list(found) == ["contrast", "rotation"]
    for shift in found:
        assert list(found[shift]) == ["1", "2", "3", "4", "5"]
        prediction, labels = predict(run.extra_tests().shifted(shift, 4))
        expected = measure(prediction.log_probabilities, labels)
        assert {name: found[shift]["4"][name]["mean"] for name in expected} == expected
        assert {"aurc", "scaled_loss", "scaled_ece"} < found[shift]["4"].keys()


def test_all_is_every_corruption_that_is_made_here(workplace, words):
    workplace.done("evaluate", *words, "--shift=all")
    assert list(kept(workplace.place(*words))["shift"]) == CORRUPTIONS.names()


def test_images_out_of_distribution_are_told_by_scores(workplace, words, kind):
    workplace.done("evaluate", *words, "--ood=inverted,noised")
    found = kept(workplace.place(*words))["ood"]
    assert list(found) == ["inverted", "noised"]
    run, predict = predictions(workplace, words)
    (inside, _), (outside, _) = predict(run.evaluator().test), predict(run.extra_tests().out_of_distribution("noised"))
    scores = [uncertainty_scores(one.log_probabilities, one.sample_entropies) for one in (inside, outside)]
    assert ("mutual_information" in found["noised"]) == (kind == "bayesian")
    for score, measures in found["noised"].items():
        told = detection_measures(scores[0][score], scores[1][score])
        assert {name: spread["mean"] for name, spread in measures.items()} == told


def test_a_line_says_what_was_found_and_why_there_is_no_mutual_information(workplace, words, kind):
    loud = tuple(word for word in words if word != "--quiet")
    out = workplace.done("evaluate", *loud, "--ood=noised", "--shift=blur", "--passes=2").out
    first, *said, second, third = out.splitlines()
    assert first.startswith("main  accuracy 0.")
    assert len(said) == (kind == "bayesian")
    assert all(line.startswith("    all layers  kl ") and "  std_spread " in line for line in said)
    assert second.startswith("    shift blur  accuracy at severities 1 to 5: 0.")
    assert third.startswith("    ood noised  AUROC by max_probability ")
    assert ("(no mutual information: nothing is sampled)" in third) == (kind == "deterministic")


def test_what_was_measured_stays_and_is_not_measured_again(workplace, words):
    workplace.done("evaluate", *words, "--passes=2", "--shift=blur")
    first = kept(workplace.place(*words))
    workplace.done("evaluate", *words, "--ood=noised")
    both = kept(workplace.place(*words))
    assert both["passes"] == 2 and both["final"] == first["final"] and both["shift"] == first["shift"]
    assert len(both["ood"]["noised"]["entropy"]["auroc"]["values"]) == 1
    before = snapshot(workplace.root)
    workplace.done("evaluate", *words, "--ood=noised", "--shift=blur", "--passes=1")
    assert snapshot(workplace.root) == before


def test_more_passes_over_shifted_images_begin_with_those_already_made(workplace, words):
    workplace.done("evaluate", *words, "--shift=blur")
    [first] = kept(workplace.place(*words))["shift"]["blur"]["5"]["loss"]["values"]
    workplace.done("evaluate", *words, "--shift=blur", "--passes=3")
    values = kept(workplace.place(*words))["shift"]["blur"]["5"]["loss"]["values"]
    assert len(values) == 3 and values[0] == first


def test_the_temperature_is_fitted_on_what_was_held_out(workplace):
    words = ("train", *SHORT, "--validation_fraction=0.2")
    workplace.done(*words)
    workplace.done("evaluate", *words, "--passes=2")
    found = kept(workplace.place(*words))
    assert found["temperature_fitted_on"] == "validation"
    assert found["final"]["temperature"]["std"] == 0.0


def test_a_variant_says_what_there_is_to_say_of_its_network(workplace, words, kind):
    workplace.done("evaluate", *words)
    found = kept(workplace.place(*words))["diagnostics"]
    if kind == "deterministic":
        assert found == {}
    else:
        assert list(found) == ["fc_layers.0", "fc", "all layers"]
        assert found["all layers"]["kl"] == pytest.approx(found["fc_layers.0"]["kl"] + found["fc"]["kl"])


@pytest.mark.parametrize(
    "flag, valid",
    [
        ("--shift=fog", "--shift=fog: valid values are all, gaussian_noise, blur"),
        ("--shift=cifar10_c", "--shift=cifar10_c: valid values are all"),
        ("--ood=digits", "--ood=digits: valid values are cifar10, cifar100"),
        ("--ood=noised,upside_down", "--ood=upside_down: valid values are"),
        ("--ensemble=networks", "--ensemble=networks: valid values are replicates, levels"),
    ],
)
def test_what_does_not_exist_is_refused_and_nothing_is_written(workplace, words, flag, valid):
    before = snapshot(workplace.root)
    assert valid in workplace.refused("evaluate", *words, flag)
    assert snapshot(workplace.root) == before


def lottery(replicate: int, *more: str, levels: int = 1) -> tuple[str, ...]:
    return ("lottery", f"--levels={levels}", f"--replicate={replicate}", *SHORT, *more)


@pytest.fixture
def replicates(trained, workplace, kind) -> tuple[str, ...]:
    """The words that three replicates of a finished lottery have in common."""
    shutil.copytree(trained.root, workplace.root)
    return KINDS[kind]


def averaged(workplace: Workplace, *commands: tuple[str, ...]) -> Prediction:
    """Return the mean of what the last levels of some commands predict of the test images."""
    predicted = []
    for words in commands:
        runs = runs_of(workplace, words)
        evaluator = runs[-1].evaluator()
        predicted.append(evaluator.predict(runs[-1].load_network(runs[-1].end), runs[-1].end, "pass 0")[0])
    return average(predicted)


DIFFERENT_SIZES = "--ensemble=replicates: the ensembles have 2 to 3 members, and more do better: finish all to compare"


def warned(workplace: Workplace, *words: str) -> str:
    """Run a command that must succeed with one warning, and return that."""
    outcome = workplace.run(*words)
    assert outcome.code == 0 and outcome.err.startswith("warning: ") and outcome.err.count("\n") == 1, outcome
    return outcome.err


def test_an_ensemble_of_replicates_averages_what_is_there(workplace, replicates):
    warning = warned(workplace, "evaluate", *lottery(1, *replicates), "--ensemble=replicates", "--ood=noised")
    assert DIFFERENT_SIZES in warning
    experiment = runs_of(workplace, lottery(1, *replicates))[0].paths.directory.parents[2]
    first, second = (kept(experiment / "ensemble_of_replicates" / f"level_{level}" / "main") for level in (0, 1))
    assert first["members"] == [f"{experiment.name}/replicate_{number}/level_0/main" for number in (1, 2, 3)]
    assert second["members"] == [f"{experiment.name}/replicate_{number}/level_1/main" for number in (1, 2)]
    expected = averaged(workplace, *(lottery(number, *replicates) for number in (1, 2)))
    labels = torch.cat([labels for _, labels in runs_of(workplace, lottery(1, *replicates))[0].evaluator().test])
    for name, value in measure(expected.log_probabilities, labels).items():
        assert second["final"][name]["mean"] == pytest.approx(value, rel=1e-6)
    assert "mutual_information" in second["ood"]["noised"]  # which deterministic members have together
    assert "peak" not in second and "diagnostics" not in second


def test_another_member_makes_it_another_ensemble(workplace, replicates):
    ensemble = ("evaluate", *lottery(1, *replicates), "--ensemble=replicates")
    warned(workplace, *ensemble)
    before = snapshot(workplace.root)
    warned(workplace, *ensemble)
    assert snapshot(workplace.root) == before
    place = (
        runs_of(workplace, lottery(1, *replicates))[0].paths.directory.parents[2]
        / "ensemble_of_replicates"
        / "level_1"
        / "main"
    )
    two = kept(place)["final"]["loss"]["mean"]
    workplace.done(*lottery(3, *replicates))
    workplace.done(*ensemble)
    assert len(kept(place)["members"]) == 3 and kept(place)["final"]["loss"]["mean"] != two


def test_an_ensemble_of_levels_averages_a_replicates_tickets(workplace, replicates):
    workplace.done("evaluate", *lottery(1, *replicates), "--ensemble=levels")
    replicate = runs_of(workplace, lottery(1, *replicates))[0].paths.directory.parents[1]
    found = kept(replicate / "ensemble_of_levels" / "main")
    assert [member.split("/")[2] for member in found["members"]] == ["level_0", "level_1"]
    own = averaged(workplace, lottery(1, *replicates, levels=0), lottery(1, *replicates))
    labels = torch.cat([labels for _, labels in runs_of(workplace, lottery(1, *replicates))[0].evaluator().test])
    loss = measure(own.log_probabilities, labels)["loss"]
    assert found["final"]["loss"]["mean"] == pytest.approx(loss, rel=1e-6)


def test_where_the_result_goes_is_said(workplace, replicates):
    out = workplace.run("evaluate", *lottery(1, *replicates), "--ensemble=replicates", "--display_output_location").out
    experiment = runs_of(workplace, lottery(1, *replicates))[0].paths.directory.parents[2]
    places = [experiment / "ensemble_of_replicates" / f"level_{level}" / "main" for level in (0, 1)]
    assert out.splitlines() == [str(place / "evaluation.json") for place in places]
    assert not places[0].exists()


def test_one_network_is_no_ensemble(workplace, words):
    for kind in ("replicates", "levels"):
        message = workplace.refused("evaluate", *words, f"--ensemble={kind}")
        assert f"--ensemble={kind}: " in message and "needs two or more that are finished; 1 is" in message


def test_a_level_with_one_member_is_left_out_and_named(workplace, replicates):
    shutil.rmtree(runs_of(workplace, lottery(2, *replicates))[1].paths.directory.parent)
    ensemble = ("evaluate", *lottery(1, *replicates), "--ensemble=replicates")
    warning = warned(workplace, *ensemble)
    assert "--ensemble=replicates: left out, with fewer than two that are finished: level_1/main" in warning
    experiment = runs_of(workplace, lottery(1, *replicates))[0].paths.experiment
    assert len(kept(experiment / "ensemble_of_replicates" / "level_0" / "main")["members"]) == 3
    assert not (experiment / "ensemble_of_replicates" / "level_1").exists()


def test_which_replicates_are_averaged_is_not_chosen(workplace, replicates):
    before = snapshot(workplace.root)
    message = workplace.refused("evaluate", *lottery(9, *replicates), "--ensemble=replicates")
    assert "--replicate=9: --ensemble=replicates averages all that are finished; leave --replicate out" in message
    assert snapshot(workplace.root) == before


def test_the_levels_of_a_branchs_trainings_are_averaged_each_by_itself(workplace, replicates, kind):
    workplace.done(*lottery(4, *replicates), "--save_every=3it")
    where = ("--levels=0-1", "--replicate=4", "--fork_at=3it", *SHORT, *replicates)
    workplace.done("lottery_branch", "fork", *where)
    loud = [word for word in where if word != "--quiet"]
    out = workplace.done("evaluate", "lottery_branch", "fork", *loud, "--ensemble=levels").out
    assert [line.partition("  ")[0] for line in out.splitlines() if "levels" in line] == [
        "fork/1, 2 levels",
        "fork/2, 2 levels",
    ]
    table = read_runs(workplace.root)
    found = table[table["kind"].str.startswith("ensemble_of_levels")]
    assert found["kind"].tolist() == [f"ensemble_of_levels of fork/{part}" for part in (1, 2)]
    assert found["members"].tolist() == [2, 2] and found["final_loss"].nunique() == 2
    assert set(found["branch_arguments"]) == {"fork_at=3it"}
