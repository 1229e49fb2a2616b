from __future__ import annotations

import math
import re
import signal

import pytest
import torch

import training.saving
from foundations.errors import UserError
from foundations.paths import RunPaths
from foundations.step import Step
from foundations.storage import load_tensors, save_tensors
from training import Deterministic, Diverged
from training.checkpoint import TrainingState
from training.finite import LossWatch, check_finite
from training.precision import Precision

CPU = torch.device("cpu")
END = 9
AN_EPOCH = 4


def see(watch: LossWatch, *losses: float) -> None:
    for loss in losses:
        watch.note(torch.tensor(loss))
        watch.look()


@pytest.fixture
def accelerator(monkeypatch) -> None:
    """Let losses be looked at no more often than on an accelerator."""
    initialise = LossWatch.__init__

    def patient(self, *args):
        initialise(self, *args)
        self._waits = False

    monkeypatch.setattr(LossWatch, "__init__", patient)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_on_the_cpu_the_first_loss_that_is_not_finite_is_an_error_that_names_step_and_place(tmp_path, bad):
    place = tmp_path / "level_2" / "main"
    watch = LossWatch(RunPaths(place), Step(0, AN_EPOCH), CPU)
    see(watch, 1.0, 1e38, -1e38, 0.0, 2.0, 3.0)
    watch.check()
    with pytest.raises(Diverged) as caught:
        see(watch, bad)
    message = str(caught.value)
    assert message.startswith(f"{place}: training diverged: the loss at 1ep2it is infinite or not a number")
    assert "The last good checkpoint is kept" in message and "--lr" in message and "--precision" in message
    assert "\n" not in message


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("first", [0, 3])
def test_an_accelerator_is_asked_later_and_the_first_such_step_is_named_all_the_same(tmp_path, accelerator, bad, first):
    watch = LossWatch(RunPaths(tmp_path), Step(first, AN_EPOCH), CPU)
    see(watch, *[1.0] * (5 - first))
    watch.check()
    see(watch, bad, 2.0, -bad, math.nan, 1.0)
    for _ in range(2):
        with pytest.raises(Diverged, match="the loss at 1ep1it is"):
            watch.check()


def state_with(value: float) -> TrainingState:
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    with torch.no_grad():
        model[0].weight[1, 2] = value
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return TrainingState(model, optimizer, Precision("fp32", CPU), Step(5, AN_EPOCH))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_weight_that_is_not_a_number_or_infinite_is_named(tmp_path, bad):
    with pytest.raises(Diverged, match=re.escape("training diverged: 0.weight at 1ep1it is infinite")):
        check_finite(state_with(bad), RunPaths(tmp_path))


def test_a_running_statistic_counts_as_well(tmp_path):
    state = state_with(0.0)
    state.model[1].running_var[0] = math.inf
    with pytest.raises(Diverged, match=re.escape("1.running_var at 1ep1it")):
        check_finite(state, RunPaths(tmp_path))


@pytest.mark.parametrize("value", [0.0, -3e38, 3e38])
def test_large_numbers_are_no_error(tmp_path, value):
    check_finite(state_with(value), RunPaths(tmp_path))


def test_an_epochs_average_that_overflowed_is_an_error(tmp_path):
    state = state_with(0.0)
    for _ in range(2):
        state.add_terms({"loss": torch.tensor(3e38)})
    with pytest.raises(Diverged, match="the average of train_loss"):
        check_finite(state, RunPaths(tmp_path))


def numbers_written(run) -> list[torch.Tensor]:
    found = []
    for path in run.paths.directory.glob("*.pth"):
        content = load_tensors(path)
        found += (content["model_state_dict"] if "ep" in content else content).values()
    return found


def poison(run, name: str):
    """Return an event that puts a NaN into a parameter."""

    def event() -> None:
        with torch.no_grad():
            run.variant.model.get_parameter(name).view(-1)[0] = math.nan

    return event


@pytest.fixture
def poisoned(runs, tmp_path):
    """Return runs into whose weights something not a number gets in an iteration."""

    def make(iteration: int):
        class Poisoned(runs.eventful):
            def build(self, hparams, num_classes, seed):
                self.model = super().build(hparams, num_classes, seed)
                return self.model

        run = runs.make(tmp_path, variant=Poisoned(iteration, lambda: None))
        run.variant.event = poison(run, "fc.bias")
        return run

    return make


@pytest.fixture(params=["cpu", "accelerator"])
def device(request) -> None:
    """Either way of looking at the losses."""
    if request.param == "accelerator":
        request.getfixturevalue("accelerator")


@pytest.mark.parametrize("iteration", range(END))
def test_a_run_whose_loss_is_not_finite_stops_with_nothing_written_from_it_and_so_does_the_next(
    poisoned, runs, device, iteration
):
    run, messages = poisoned(iteration), []
    for _ in range(2):
        with pytest.raises(Diverged) as caught:
            runs.train(run)
        messages.append(str(caught.value))
    assert f"the loss at {Step(iteration, AN_EPOCH)} is" in messages[0]
    assert messages[0] == messages[1]
    assert not run.is_done and not run.paths.logger.exists()
    assert all(bool(tensor.isfinite().all()) for tensor in numbers_written(run))
    assert load_tensors(run.paths.checkpoint)["ep"] == iteration // AN_EPOCH


def test_a_stop_that_is_asked_for_after_a_loss_that_is_not_finite_saves_nothing(poisoned, runs, accelerator):
    run = poisoned(5)
    poisoning = run.variant.event

    def both() -> None:
        poisoning()
        signal.raise_signal(signal.SIGTERM)

    run.variant.event = both
    with pytest.raises(Diverged, match="the loss at 1ep1it is"):
        runs.train(run)
    assert all(bool(tensor.isfinite().all()) for tensor in numbers_written(run))


def test_a_weight_that_is_not_finite_in_the_last_step_is_not_saved(runs, tmp_path):
    class Astray(Deterministic):
        def objective(self, model, circumstances):
            inner = super().objective(model, circumstances)

            class WithoutAGoodGradient:
                def backward(self, images, labels, step):
                    terms = inner.backward(images, labels, step)
                    if step.iteration == END - 1:
                        model.fc.bias.grad[0] = math.nan
                    return terms

            return WithoutAGoodGradient()

    run = runs.make(tmp_path, variant=Astray())
    for _ in range(2):
        with pytest.raises(Diverged, match=r"fc\.bias at 2ep1it is"):
            runs.train(run)
        assert not run.paths.logger.exists() and not run.paths.model(run.end).exists()
        assert all(bool(tensor.isfinite().all()) for tensor in numbers_written(run))


def test_a_test_loss_that_is_not_finite_is_not_logged(runs, tmp_path):
    class Astray(Deterministic):
        evaluations = 0

        def sample_log_probabilities(self, model, request):
            self.evaluations += 1
            [found] = super().sample_log_probabilities(model, request)
            yield found * (math.inf if self.evaluations == 2 else 1)

    run = runs.make(tmp_path, variant=Astray())
    with pytest.raises(Diverged, match="test_loss at 1ep0it is"):
        runs.train(run)
    assert not run.paths.logger.exists()


def test_minus_infinity_is_no_error_only_where_it_means_pruned(tmp_path):
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    with torch.no_grad():
        model.weight[0, 0] = -math.inf
    for allowed, is_good in (([model.weight], True), ([], False), ([model.bias], False)):
        state = TrainingState(model, optimizer, Precision("fp32", CPU), Step(5, AN_EPOCH), allowed)
        if is_good:
            check_finite(state, RunPaths(tmp_path))
        else:
            with pytest.raises(Diverged, match="weight at 1ep1it"):
                check_finite(state, RunPaths(tmp_path))


def test_a_weight_that_is_not_finite_in_a_short_epoch_stops_the_run_before_it_is_measured(runs, tmp_path, monkeypatch):
    monkeypatch.setattr(training.saving, "EPOCH_SECONDS", 30.0)
    evaluated = []

    class Astray(Deterministic):
        def objective(self, model, circumstances):
            inner = super().objective(model, circumstances)

            class WithoutAGoodGradient:
                def backward(self, images, labels, step):
                    terms = inner.backward(images, labels, step)
                    if step.iteration == AN_EPOCH - 1:
                        model.fc.bias.grad[0] = math.nan
                    return terms

            return WithoutAGoodGradient()

        def sample_log_probabilities(self, model, request):
            evaluated.append(request.occasion)
            return super().sample_log_probabilities(model, request)

    run = runs.make(tmp_path, variant=Astray())
    with pytest.raises(Diverged, match=r"fc\.bias at 1ep0it is"):
        runs.train(run)
    assert evaluated == ["0/"] and load_tensors(run.paths.checkpoint)["ep"] == 0


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_network_with_numbers_that_are_not_finite_is_not_loaded(runs, tmp_path, value):
    run = runs.make(tmp_path)
    model = run.new_network(seed=0)
    name, parameter = next(iter(model.named_parameters()))
    with torch.no_grad():
        parameter.flatten()[0] = value
    save_tensors(run.paths.model(run.end), model.state_dict())
    with pytest.raises(UserError) as caught:
        run.load_network(run.end)
    assert str(caught.value) == f"{run.paths.model(run.end)}: {name} holds numbers that are infinite or not a number"
