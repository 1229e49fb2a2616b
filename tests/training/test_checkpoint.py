from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest
import torch
from torch import nn

from foundations.errors import UserError
from foundations.paths import ExperimentPaths, RunPaths
from foundations.step import Step
from foundations.storage import load_tensors, save_tensors
from training import Interrupted
from training.checkpoint import TrainingState
from training.precision import Precision

PER_EPOCH = 4
OPENLTH_ROOT = Path(__file__).parents[1] / "data" / "openlth_root"


def make_state(seed: int = 0, width: int = 3, optimizer=torch.optim.Adam) -> TrainingState:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.Linear(width, 2))
    return TrainingState(
        model, optimizer(model.parameters(), lr=0.1), Precision("fp32", torch.device("cpu")), Step(0, PER_EPOCH)
    )


def advance(state: TrainingState, steps: int) -> None:
    generator = torch.Generator().manual_seed(state.step.iteration)
    for _ in range(steps):
        loss = state.model(torch.randn(5, 4, generator=generator)).square().mean()
        state.optimizer.zero_grad()
        loss.backward()
        state.add_terms({"loss": loss.detach()})
        state.optimizer.step()
        state.step = state.step.next()
    state.logger.add("test_loss", state.step, 0.1 + 0.2)


def test_everything_that_changes_while_training_is_restored(tmp_path):
    state, other = make_state(), make_state(seed=1)
    advance(state, 6)
    state.save(RunPaths(tmp_path))
    assert other.restore(RunPaths(tmp_path))

    assert other.step == state.step == Step(6, PER_EPOCH)
    assert str(other.logger) == str(state.logger) == "test_loss,6,0.30000000000000004"
    assert other.epoch_averages() == state.epoch_averages()
    assert other.epoch_batches == 6
    for mine, theirs in zip(state.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)
    advance(state, 5)
    advance(other, 5)  # only the same if the optimiser's moments are the same
    for mine, theirs in zip(state.model.state_dict().values(), other.model.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_without_a_checkpoint_nothing_is_restored(tmp_path):
    state = make_state()
    assert not state.restore(RunPaths(tmp_path))
    assert state.step == Step(0, PER_EPOCH)


def test_averages_begin_anew_when_an_epoch_is_forgotten():
    state = make_state()
    state.add_terms({"loss": torch.tensor(1.0), "kl": torch.tensor(5.0)})
    state.add_terms({"loss": torch.tensor(2.0), "kl": torch.tensor(7.0)})
    assert state.epoch_averages() == {"loss": 1.5, "kl": 6.0}
    state.forget_epoch()
    state.add_terms({"loss": torch.tensor(8.0)})
    assert state.epoch_averages() == {"loss": 8.0}


def refused(paths: RunPaths, state: TrainingState) -> None:
    with pytest.raises(UserError, match=f"^{re.escape(str(paths.checkpoint))}: ") as caught:
        state.restore(paths)
    assert "\n" not in str(caught.value)


def test_a_damaged_checkpoint_is_refused_by_name(tmp_path):
    paths = RunPaths(tmp_path)
    make_state().save(paths)
    whole = paths.checkpoint.read_bytes()
    for content in (b"", b"garbage", whole[: len(whole) // 2], whole[:-1]):
        paths.checkpoint.write_bytes(content)
        refused(paths, make_state())


@pytest.mark.parametrize("content", [{}, [], [1, 2], None, 3, "text", torch.ones(3), {"model_state_dict": {}}])
def test_a_file_that_is_no_checkpoint_is_refused_by_name(tmp_path, content):
    save_tensors(RunPaths(tmp_path).checkpoint, content)
    refused(RunPaths(tmp_path), make_state())


@pytest.mark.parametrize(
    "entry", ["ep", "it", "model_state_dict", "optimizer_state_dict", "scaler_state_dict", "logger", "epoch_totals",
              "epoch_batches"],
)  # fmt: skip
def test_a_checkpoint_without_one_of_its_parts_is_refused_by_name(tmp_path, entry):
    paths = RunPaths(tmp_path)
    make_state().save(paths)
    content = load_tensors(paths.checkpoint)
    del content[entry]
    save_tensors(paths.checkpoint, content)
    refused(paths, make_state())


@pytest.mark.parametrize(
    ("entry", "value"),
    [("ep", -1), ("ep", "one"), ("it", None), ("model_state_dict", None), ("optimizer_state_dict", 3), ("logger", 7),
     ("logger", "test_loss;0"), ("epoch_totals", []), ("epoch_totals", {"loss": "x"})],
)  # fmt: skip
def test_a_checkpoint_with_a_part_of_the_wrong_kind_is_refused_by_name(tmp_path, entry, value):
    paths = RunPaths(tmp_path)
    make_state().save(paths)
    save_tensors(paths.checkpoint, {**load_tensors(paths.checkpoint), entry: value})
    refused(paths, make_state())


@pytest.mark.parametrize("foreign", [{"width": 5}, {"optimizer": torch.optim.SGD}], ids=["network", "optimiser"])
def test_a_checkpoint_of_another_network_or_optimiser_is_refused_by_name(tmp_path, foreign):
    other = make_state(**foreign)
    advance(other, 2)
    other.save(RunPaths(tmp_path))
    refused(RunPaths(tmp_path), make_state())


def test_openlths_checkpoints_are_refused_by_name():
    refused(ExperimentPaths(OPENLTH_ROOT, "lottery_10ded27454e22a1b71fcd332ae4f15d0", 1).level(1), make_state())


def test_a_run_with_a_damaged_checkpoint_says_so_and_changes_nothing(runs, tmp_path):
    run = runs.make(tmp_path, variant=runs.eventful(5, lambda: signal.raise_signal(signal.SIGINT)))
    with pytest.raises(Interrupted):
        runs.train(run)
    run.paths.checkpoint.write_bytes(run.paths.checkpoint.read_bytes()[:1000])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=re.escape(str(run.paths.checkpoint))):
        runs.train(runs.make(tmp_path))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
