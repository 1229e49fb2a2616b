"""A run ends with the same bits, however often and wherever it was stopped."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import nn

from foundations.step import Step
from foundations.storage import load_tensors
from models import MODEL_FAMILIES, ModelFamily, register_family
from training import Deterministic, Interrupted, TrainingHparams

PROJECT = Path(__file__).parents[2]
END = 9  # iterations of every curriculum

KILLED = """
import os, runpy, signal, sys
from pathlib import Path
import training.saving
training.saving.EPOCH_SECONDS = 0.0
helpers = runpy.run_path("tests/training/conftest.py")
kill = helpers["Eventful"](6, lambda: os.kill(os.getpid(), signal.SIGKILL))
helpers["torch"].set_num_threads(1)
helpers["train"](helpers["make_run"](Path(sys.argv[1]), helpers["CURRICULA"]["adam"], kill))
"""


class Crash(Exception):
    pass


def crash() -> None:
    raise Crash


def stop() -> None:
    signal.raise_signal(signal.SIGTERM)


def reached(run) -> int:
    """Return the iteration of a run's checkpoint."""
    content = load_tensors(run.paths.checkpoint)
    return content["ep"] * 4 + content["it"]


def forget_everything() -> None:
    """Leave torch's and Python's generators as another process would have them."""
    torch.manual_seed(random.SystemRandom().getrandbits(60))
    random.seed()


@pytest.fixture(scope="module", params=["sgd", "adam"])
def whole(request, runs, tmp_path_factory):
    """An uninterrupted run."""
    run = runs.make(tmp_path_factory.mktemp("whole"), runs.curricula[request.param])
    runs.train(run)
    return run


@pytest.mark.parametrize("iteration", range(END))
def test_a_run_stopped_by_a_signal_in_any_iteration_and_resumed_ends_with_the_same_bits(
    whole, runs, tmp_path, iteration
):
    run = runs.make(tmp_path, whole.training_hparams, runs.eventful(iteration, stop))
    with pytest.raises(Interrupted) as caught:
        runs.train(run)
    assert f" in {tmp_path} at {Step(iteration + 1, 4)}; everything up to there is saved" in str(caught.value)
    assert reached(run) == iteration + 1
    assert not run.is_done

    forget_everything()
    resumed = runs.make(tmp_path, whole.training_hparams)
    runs.train(resumed)
    runs.assert_same_bits(resumed, whole)


@pytest.mark.parametrize("iteration", range(END))
def test_a_run_that_crashed_in_any_iteration_and_is_resumed_ends_with_the_same_bits(whole, runs, tmp_path, iteration):
    run = runs.make(tmp_path, whole.training_hparams, runs.eventful(iteration, crash))
    with pytest.raises(Crash):
        runs.train(run)
    assert reached(run) == iteration // 4 * 4
    forget_everything()
    resumed = runs.make(tmp_path, whole.training_hparams)
    runs.train(resumed)
    runs.assert_same_bits(resumed, whole)


def test_a_run_stopped_after_every_single_step_ends_with_the_same_bits(whole, runs, tmp_path):
    for iteration in range(END):
        forget_everything()
        with pytest.raises(Interrupted):
            runs.train(runs.make(tmp_path, whole.training_hparams, runs.eventful(iteration, stop)))
    run = runs.make(tmp_path, whole.training_hparams)
    runs.train(run)
    runs.assert_same_bits(run, whole)


class StopInEvaluation(Deterministic):
    """The deterministic variant, with a signal in the middle of one of its evaluations."""

    def __init__(self, which: int) -> None:
        self.which = which
        self.begun, self.finished = 0, 0

    def predict(self, model, request):
        if self.begun == self.which:
            next(iter(request.images()))
            torch.nn.init.ones_(model.fc.bias)  # what is left half-done must not matter
            stop()
        self.begun += 1
        found = super().predict(model, request)
        self.finished += 1
        return found


@pytest.mark.parametrize(("which", "step"), [(0, 0), (1, 4), (2, 8), (3, 9)])
def test_a_stop_in_an_evaluation_does_not_wait_for_its_end_and_costs_no_bit(whole, runs, tmp_path, which, step):
    run = runs.make(tmp_path, whole.training_hparams, StopInEvaluation(which))
    with pytest.raises(Interrupted, match=re.escape(f"at {Step(step, 4)}; everything up to there")):
        runs.train(run)
    assert run.variant.finished == which
    assert reached(run) == step
    assert not run.is_done
    forget_everything()
    resumed = runs.make(tmp_path, whole.training_hparams)
    runs.train(resumed)
    runs.assert_same_bits(resumed, whole)


def test_a_process_killed_within_an_epoch_is_taken_over_by_another(runs, tmp_path):
    finished = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "killed")], cwd=PROJECT, env={**os.environ, "PYTHONPATH": "."}
    )
    assert finished.returncode == -signal.SIGKILL
    run, whole = (runs.make(tmp_path / name, runs.curricula["adam"]) for name in ("killed", "whole"))
    assert reached(run) == 4
    runs.train(run)
    runs.train(whole)
    runs.assert_same_bits(run, whole)


def test_a_resumed_run_leaves_the_caller_the_trained_network(whole, runs, tmp_path):
    with pytest.raises(Interrupted):
        runs.train(runs.make(tmp_path, whole.training_hparams, runs.eventful(5, stop)))
    model = runs.train(runs.make(tmp_path, whole.training_hparams))
    final = runs.results(whole)[1]
    assert all(torch.equal(tensor, final[name]) for name, tensor in model.state_dict().items())


class DropoutFamily(ModelFamily):
    pattern = "dropout_P"
    examples = ("dropout_5",)
    image_shape = (1, 8, 8)
    output_layer = "4"
    defaults: ClassVar[dict[str, object]] = {}

    def matches(self, name):
        return name.startswith("dropout_")

    def build(self, name, num_classes):
        drop = nn.Dropout(int(name.removeprefix("dropout_")) / 10)
        convolution = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4))
        return nn.Sequential(convolution, nn.ReLU(), drop, nn.Flatten(), nn.Linear(36, num_classes))


@pytest.fixture
def dropout(monkeypatch) -> Iterator[str]:
    """A user's network, which draws random numbers of its own and has BatchNorm's buffers."""
    monkeypatch.setattr(MODEL_FAMILIES, "_entries", dict(MODEL_FAMILIES._entries))
    register_family("dropout")(DropoutFamily)
    return "dropout_5"


def test_a_network_with_dropout_and_batchnorm_resumes_to_the_same_bits(dropout, runs, tmp_path):
    whole = runs.make(tmp_path / "whole", model=dropout)
    runs.train(whole)
    for iteration in range(END):
        directory = tmp_path / str(iteration)
        with pytest.raises(Interrupted):
            runs.train(runs.make(directory, variant=runs.eventful(iteration, stop), model=dropout))
        forget_everything()
        resumed = runs.make(directory, model=dropout)
        runs.train(resumed)
        runs.assert_same_bits(resumed, whole)


def test_dropout_draws_other_numbers_at_every_step_and_in_every_replicate(dropout, runs, tmp_path):
    patterns = []

    def watch(module, args, output):
        if module.training:
            patterns.append(tuple((output == 0)[args[0] > 0].tolist()[:40]))

    class Watched(Deterministic):
        def build(self, hparams, num_classes, seed):
            model = super().build(hparams, num_classes, seed)
            model[2].register_forward_hook(watch)
            return model

    for replicate in (1, 2):
        runs.train(runs.make(tmp_path / str(replicate), variant=Watched(), model=dropout, replicate=replicate))
    assert len(patterns) == 2 * END
    assert len(set(patterns)) == 2 * END
    assert 0.3 < sum(map(sum, patterns)) / sum(map(len, patterns)) < 0.7


def snapshot(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in directory.iterdir()}


def test_a_run_that_is_done_returns_without_touching_a_file_or_the_network(runs, tmp_path):
    run = runs.make(tmp_path)
    runs.train(run)
    assert run.is_done
    before = snapshot(tmp_path)
    untouched = runs.make(tmp_path, variant=runs.eventful(0, crash))
    model = runs.train(untouched)
    assert snapshot(tmp_path) == before
    initial = load_tensors(run.paths.model(run.step("0it")))
    assert torch.equal(model.fc.bias, initial["fc.bias"])


def test_a_run_is_done_only_with_both_the_logger_and_the_final_network(runs, tmp_path):
    run = runs.make(tmp_path)
    assert not run.is_done
    runs.train(run)
    for path in (run.paths.logger, run.paths.model(run.end)):
        content = path.read_bytes()
        path.unlink()
        assert not run.is_done
        path.write_bytes(content)
    assert run.is_done
    longer = TrainingHparams(optimizer_name="sgd", lr=0.05, training_steps="3ep")
    assert not runs.make(tmp_path, longer).is_done


def test_a_run_whose_final_network_was_deleted_makes_the_same_again(runs, tmp_path):
    run = runs.make(tmp_path / "run")
    runs.train(run)
    text, weights = runs.results(run)
    run.paths.model(run.end).unlink()
    runs.train(run)
    assert runs.results(run)[0] == text
    assert all(torch.equal(tensor, weights[name]) for name, tensor in runs.results(run)[1].items())


def test_training_leaves_torchs_default_generator_as_it_was(dropout, runs, tmp_path):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    with pytest.raises(Interrupted):
        runs.train(runs.make(tmp_path, variant=runs.eventful(5, stop), model=dropout))
    assert torch.equal(torch.get_rng_state(), before)
    runs.train(runs.make(tmp_path, model=dropout))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_same_run_gives_the_same_bits_and_another_replicate_others(runs, tmp_path):
    first, again, other = (
        runs.make(tmp_path / name, replicate=replicate) for name, replicate in (("a", 1), ("b", 1), ("c", 2))
    )
    for run in (first, again, other):
        forget_everything()
        runs.train(run)
    runs.assert_same_bits(first, again)
    assert not torch.equal(runs.results(first)[1]["fc.weight"], runs.results(other)[1]["fc.weight"])


def test_pruned_weights_are_zero_at_the_start_at_the_end_and_in_the_checkpoint(runs, tmp_path):
    run = runs.make(tmp_path)
    runs.train(run)
    start, end = (load_tensors(run.paths.model(step))["fc_layers.0.weight"] for step in (run.step("0it"), run.end))
    pruned = start == 0
    assert 0.25 < pruned.float().mean() < 0.42
    assert torch.equal(end == 0, pruned)
    assert torch.equal(load_tensors(run.paths.checkpoint)["model_state_dict"]["fc_layers.0.weight"] == 0, pruned)


def test_training_learns(runs, tmp_path):
    hparams = TrainingHparams(optimizer_name="sgd", lr=0.02, training_steps="15ep")
    run = runs.make(tmp_path, hparams, evaluate_only_at_end=True)
    runs.train(run)
    lines = [line.split(",") for line in runs.results(run)[0].splitlines()]
    tested = [(name, int(iteration)) for name, iteration, _ in lines if name == "test_accuracy"]
    assert tested == [("test_accuracy", 0), ("test_accuracy", 60)]
    final = {name: float(value) for name, iteration, value in lines if iteration == "60"}
    assert final["test_accuracy"] > 0.4
    assert final["train_accuracy"] > 0.9
    assert final["test_examples"] == 360


def test_training_from_a_later_step_sees_that_steps_data_and_learning_rate(runs, tmp_path):
    """What `model_ep1_it2` leads to is what training without a break would have led to, momentum aside."""
    hparams = TrainingHparams(
        optimizer_name="sgd", lr=0.05, training_steps="2ep1it", milestone_steps="1ep3it", gamma=0.1, warmup_steps="7it"
    )
    whole, rest = runs.make(tmp_path / "whole", hparams), runs.make(tmp_path / "rest", hparams)
    with pytest.raises(Interrupted):
        runs.train(runs.make(tmp_path / "whole", hparams, runs.eventful(5, stop)))
    middle = load_tensors(whole.paths.checkpoint)["model_state_dict"]
    runs.train(whole)

    class FromTheMiddle(Deterministic):
        def build(self, hparams, num_classes, seed):
            model = super().build(hparams, num_classes, seed)
            model.load_state_dict(middle)
            return model

    rest = runs.make(tmp_path / "rest", hparams, FromTheMiddle())
    runs.train(rest, start="1ep2it")
    assert rest.paths.model(rest.step("1ep2it")).exists()
    final, expected = runs.results(rest)[1], runs.results(whole)[1]
    assert all(torch.equal(tensor, expected[name]) for name, tensor in final.items())
