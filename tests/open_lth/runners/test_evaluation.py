"""Measures of finished runs: their spread over passes, where they are kept, and the peak."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import pytest
import torch
from torch import nn

from datasets import DatasetHparams
from foundations.context import RunContext
from foundations.errors import InvalidValue, UserError
from foundations.paths import RunPaths
from foundations.step import Step
from foundations.storage import write_json
from open_lth.evaluation_request import EvaluationRequest
from open_lth.runners import assessment
from open_lth.runners.evaluation import evaluate_run, is_measured, peak_measures
from training import Deterministic, MetricLogger, Prediction

LOSSES = [0.1, 0.2, 0.4, 0.8, 1.6]
ACCURACIES = [1.0, 1.0, 1.0, 0.0, 0.0]  # of one example and two classes, whose loss at even odds is 0.69


class Measured:
    """A finished run whose passes have the losses that it is told to have, on one example of two classes."""

    end = Step(12, 6)
    test = None
    variant = Deterministic()
    dataset_hparams = DatasetHparams(dataset_name="digits", batch_size=1)

    def __init__(self, directory: Path, losses: list[float], is_done: bool = True) -> None:
        self.paths = RunPaths(directory)
        self.is_done = is_done
        self.context = RunContext(directory, directory)
        self.occasions: list[str] = []
        self._losses = losses
        self.paths.logger.write_text("test_loss,0,2.0\ntest_accuracy,0,0.25\ntest_loss,12,1.0\ntest_accuracy,12,0.75")

    def without_ranks(self) -> Measured:
        return self

    def load_network(self, step: Step) -> nn.Module:
        assert step == self.end
        return nn.Linear(1, 1)

    def evaluator(self) -> Measured:
        return self

    def on(self, examples: None) -> Measured:
        return self

    def predict(self, model: nn.Module, step: Step, occasion: str) -> tuple[Prediction, torch.Tensor]:
        assert step == self.end
        self.occasions.append(occasion)
        loss = self._losses[len(self.occasions) - 1]
        log_probabilities = [-loss, math.log(-math.expm1(-loss))]
        return Prediction(torch.tensor([log_probabilities], dtype=torch.float64)), torch.tensor([0])


@pytest.fixture
def run(tmp_path) -> Measured:
    """A run whose measures differ from pass to pass."""
    return Measured(tmp_path, LOSSES)


def test_mean_and_standard_deviation_are_those_of_the_sample(run):
    final = evaluate_run(run, EvaluationRequest(5))["final"]
    for name, values in (("accuracy", ACCURACIES), ("loss", LOSSES)):
        assert final[name]["values"] == values
        assert final[name]["mean"] == pytest.approx(statistics.mean(values), rel=1e-14)
        assert final[name]["std"] == pytest.approx(statistics.stdev(values), rel=1e-14)


def test_one_pass_has_no_spread(run):
    assert evaluate_run(run, EvaluationRequest(1))["final"]["loss"] == {"mean": 0.1, "std": None, "values": [0.1]}


@pytest.mark.parametrize("value", [0.1, 0.7, 2.302585092994046, 1e-9, float(torch.tensor(0.9).float())])
@pytest.mark.parametrize("passes", [2, 3, 5, 7, 10])
def test_equal_passes_have_exactly_that_mean_and_no_spread_at_all(tmp_path, value, passes):
    """No rounding error of the sum gives a deterministic network error bars."""
    run = Measured(tmp_path, [value] * passes)
    final = evaluate_run(run, EvaluationRequest(passes))["final"]
    assert final["loss"] == {"mean": value, "std": 0.0, "values": [value] * passes}
    assert all(measure["std"] == 0.0 for measure in final.values())


def test_every_pass_is_an_occasion_of_its_own_and_the_same_one_every_time(run, tmp_path):
    evaluate_run(run, EvaluationRequest(3))
    run.paths.evaluation.unlink()
    first, run.occasions = run.occasions, []
    evaluate_run(run, EvaluationRequest(5))
    assert len(set(run.occasions)) == 5
    assert run.occasions[:3] == first


def test_the_result_is_kept_beside_the_run_as_it_was_returned(run, tmp_path):
    result = evaluate_run(run, EvaluationRequest(2))
    assert json.loads((tmp_path / "evaluation.json").read_text()) == result
    assert result["passes"] == 2
    assert result["step"] == "2ep0it"
    assert set(result) == {"final", "reliability", "temperature_fitted_on", "peak", "passes", "step", "diagnostics"}


def test_the_bins_of_a_reliability_diagram_are_summed_over_passes(run):
    """Confidences e^-0.1 and e^-0.2, right, and e^-0.4, right; then 1 - e^-0.8, wrong."""
    bins = evaluate_run(run, EvaluationRequest(4))["reliability"]
    right, wrong = [math.exp(-loss) for loss in LOSSES[:3]], -math.expm1(-0.8)
    assert bins["examples"] == [0, 0, 0, 0, 0, 1, 1, 0, 1, 1]
    assert bins["correct"] == [0, 0, 0, 0, 0, 0, 1, 0, 1, 1]
    assert bins["confidence"] == pytest.approx([0, 0, 0, 0, 0, wrong, right[2], 0, right[1], right[0]])


def test_an_evaluation_of_old_without_these_bins_is_made_again(run):
    result = evaluate_run(run, EvaluationRequest(3))
    write_json(run.paths.evaluation, {name: result[name] for name in ("final", "peak", "passes", "step")})
    run.occasions = []
    assert evaluate_run(run, EvaluationRequest(2))["passes"] == 3  # as before
    assert json.loads(run.paths.evaluation.read_text())["reliability"]


def test_what_was_measured_of_the_test_examples_before_there_were_floors_is_measured_again(run):
    result = evaluate_run(run, EvaluationRequest(3))
    old = {name: value for name, value in result["final"].items() if name in ("accuracy", "loss")}
    write_json(run.paths.evaluation, {**result, "final": old})
    run.occasions = []
    assert is_measured(run.paths, EvaluationRequest(2))  # which is enough for figures
    found = evaluate_run(run, EvaluationRequest(2))
    assert found["passes"] == 3 and found["final"].keys() == result["final"].keys()


def test_passes_that_have_been_made_are_not_made_again(run):
    result = evaluate_run(run, EvaluationRequest(3))
    before = run.paths.evaluation.stat().st_mtime_ns
    assert evaluate_run(run, EvaluationRequest(3)) == evaluate_run(run, EvaluationRequest(1)) == result
    assert run.paths.evaluation.stat().st_mtime_ns == before
    assert len(run.occasions) == 3


def test_more_passes_are_made_when_more_are_asked_for(run):
    evaluate_run(run, EvaluationRequest(2))
    run.occasions = []
    assert len(evaluate_run(run, EvaluationRequest(4))["final"]["loss"]["values"]) == 4
    assert json.loads(run.paths.evaluation.read_text())["passes"] == 4


@pytest.mark.parametrize("passes", [0, -1])
def test_less_than_one_pass_is_refused(run, passes):
    with pytest.raises(InvalidValue, match=f"--passes={passes}: must be at least 1"):
        evaluate_run(run, EvaluationRequest(passes))
    assert not run.paths.evaluation.exists()


def test_a_run_that_is_not_finished_is_refused_by_name(tmp_path):
    run = Measured(tmp_path, [1.0], is_done=False)
    with pytest.raises(UserError, match=rf"{tmp_path}: is not finished") as caught:
        evaluate_run(run, EvaluationRequest(1))
    assert "\n" not in str(caught.value)
    assert not run.paths.evaluation.exists()


def test_a_damaged_result_is_named(run):
    run.paths.evaluation.write_text('{"passes": 3, "fin')
    with pytest.raises(UserError, match=r"evaluation\.json: unreadable"):
        evaluate_run(run, EvaluationRequest(1))


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"passes": 2},
        {"passes": "two"},
        {"final": []},
        {"shift": [1]},
        {"shift": {"blur": {"1": {"loss": 3}}}},
        {"ood": {"svhn": 0.9}},
        {"passes": None},
    ],
    ids=str,
)
def test_what_is_no_evaluation_is_named(run, content):
    whole = {"passes": 9, "step": "2ep0it", "final": {}, "reliability": {}, "peak": {}}
    changed = {**whole, **content} if isinstance(content, dict) and content != {"passes": 2} else content
    run.paths.evaluation.write_text(json.dumps(changed))
    with pytest.raises(UserError, match=r"evaluation\.json: is no evaluation; delete it to have it made again"):
        evaluate_run(run, EvaluationRequest(1, ("blur",), ("svhn",)))
    assert not is_measured(run.paths, EvaluationRequest(1))


def test_the_peak_is_logged_and_not_measured_again(run):
    assert evaluate_run(run, EvaluationRequest(1))["peak"] == {"iteration": 12.0, "accuracy": 0.75, "loss": 1.0}


def peak(*accuracies: tuple[int, float]) -> dict[str, float]:
    """Return the peak of a run with these test accuracies; every other measure tells the iteration it is of."""
    logger = MetricLogger()
    for iteration, accuracy in accuracies:
        step = Step(iteration, 10)
        logger.add("train_loss", step, -1.0)
        logger.add("test_accuracy", step, accuracy)
        logger.add("test_loss", step, iteration / 100)
        logger.add("test_mace", step, iteration / 1000)
    return peak_measures(logger)


def test_the_peak_has_every_test_measure_of_the_best_epoch():
    assert peak((0, 0.1), (10, 0.9), (20, 0.8)) == {"iteration": 10.0, "accuracy": 0.9, "loss": 0.1, "mace": 0.01}


def test_of_equally_good_epochs_the_first_is_the_peak():
    assert peak((0, 0.1), (30, 0.9), (10, 0.9), (20, 0.9))["iteration"] == 10.0


def test_a_run_that_logged_no_test_accuracy_has_no_peak():
    logger = MetricLogger()
    logger.add("train_loss", Step(1, 10), 1.0)
    assert peak_measures(logger) == {}


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_is_refused_with_its_pass_and_nothing_is_kept(run, tmp_path, monkeypatch, value):
    measured = assessment.measure
    monkeypatch.setattr(assessment, "measure", lambda *args: {**measured(*args), "loss": value})
    with pytest.raises(UserError) as caught:
        evaluate_run(run, EvaluationRequest(2))
    assert str(caught.value).startswith(f"{run.paths.directory}: pass 1: the loss is {value}, so nothing is kept")
    assert not run.paths.evaluation.exists()
