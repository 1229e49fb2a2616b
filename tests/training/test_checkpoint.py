from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from foundations.errors import UserError
from foundations.paths import ReplicatePaths, RunPaths
from foundations.step import Step
from foundations.storage import load_tensors, save_tensors
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
        state.advance()
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

    def count(**terms: float) -> None:
        state.add_terms({name: torch.tensor(term) for name, term in terms.items()})
        state.advance()

    count(loss=1.0, kl=5.0)
    count(loss=2.0, kl=7.0)
    assert state.epoch_averages() == {"loss": 1.5, "kl": 6.0}
    memory = {name: total.data_ptr() for name, total in state.epoch_totals.items()}
    state.forget_epoch()
    count(loss=8.0, kl=3.0)
    assert state.epoch_averages() == {"loss": 8.0, "kl": 3.0}
    assert {name: total.data_ptr() for name, total in state.epoch_totals.items()} == memory


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
    "entry",
    [
        "ep",
        "it",
        "model_state_dict",
        "optimizer_state_dict",
        "scaler_state_dict",
        "logger",
        "epoch_totals",
        "epoch_batches",
    ],
)
def test_a_checkpoint_without_one_of_its_parts_is_refused_by_name(tmp_path, entry):
    paths = RunPaths(tmp_path)
    make_state().save(paths)
    content = load_tensors(paths.checkpoint)
    del content[entry]
    save_tensors(paths.checkpoint, content)
    refused(paths, make_state())


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("ep", -1),
        ("ep", "one"),
        ("it", None),
        ("it", 0.5),
        ("model_state_dict", None),
        ("optimizer_state_dict", 3),
        ("logger", 7),
        ("logger", "test_loss;0"),
        ("epoch_totals", []),
        ("epoch_totals", {"loss": "x"}),
        ("epoch_totals", {"loss": torch.ones(2)}),
        ("epoch_batches", "many"),
        ("epoch_batches", 0.5),
    ],
)
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


def test_a_checkpoint_whose_moments_do_not_fit_the_weights_is_refused_by_name(tmp_path):
    paths, state = RunPaths(tmp_path), make_state()
    advance(state, 2)
    state.save(paths)
    content = load_tensors(paths.checkpoint)
    content["optimizer_state_dict"]["state"][0]["exp_avg"] = torch.zeros(3, 2)
    save_tensors(paths.checkpoint, content)
    with pytest.raises(UserError, match=r"the optimiser's exp_avg has another shape than the weights"):
        make_state().restore(paths)


def test_openlths_checkpoints_are_refused_by_name():
    refused(ReplicatePaths(OPENLTH_ROOT, "lottery_10ded27454e22a1b71fcd332ae4f15d0", 1).level(1), make_state())


def saved_twice(paths: RunPaths) -> tuple[TrainingState, TrainingState]:
    """Save a state after four steps and after six, and return both."""
    earlier, later = make_state(), make_state()
    advance(earlier, 4)
    advance(later, 4)
    later.save(paths)
    advance(later, 2)
    later.save(paths)
    return earlier, later


def same_weights(state: TrainingState, other: TrainingState) -> bool:
    pairs = zip(state.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    return all(torch.equal(mine, theirs) for mine, theirs in pairs)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_the_checkpoint_before_the_newest_is_kept(tmp_path):
    paths = RunPaths(tmp_path)
    saved_twice(paths)
    names = ["checkpoint.pth", "checkpoint_previous.pth"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [*(f".{name}.sha256" for name in names), *names]
    assert (load_tensors(paths.checkpoint)["ep"], load_tensors(paths.checkpoint)["it"]) == (1, 2)
    assert (load_tensors(paths.checkpoint_previous)["ep"], load_tensors(paths.checkpoint_previous)["it"]) == (1, 0)


def test_the_newest_checkpoint_is_taken_up_without_a_word(tmp_path):
    _, later = saved_twice(RunPaths(tmp_path))
    state = make_state(seed=1)
    assert state.restore(RunPaths(tmp_path))
    assert state.step == Step(6, PER_EPOCH) and same_weights(state, later)


@pytest.mark.parametrize("how", [damage, Path.unlink], ids=["damaged", "missing"])
def test_without_the_newest_checkpoint_training_goes_on_from_the_one_before_and_says_so(tmp_path, caplog, how):
    paths = RunPaths(tmp_path)
    earlier, _ = saved_twice(paths)
    how(paths.checkpoint)
    state = make_state(seed=1)
    assert state.restore(paths)
    assert state.step == Step(4, PER_EPOCH) and same_weights(state, earlier)
    [message] = caplog.messages
    assert message.startswith(f"{paths.checkpoint}: ") and "\n" not in message
    assert message.endswith("; going on from checkpoint_previous.pth, at 1ep0it")


def test_a_checkpoint_that_was_fallen_back_on_is_never_replaced_by_the_damaged_one(tmp_path):
    paths = RunPaths(tmp_path)
    saved_twice(paths)
    damage(paths.checkpoint)
    state = make_state(seed=1)
    state.restore(paths)
    assert load_tensors(paths.checkpoint)["it"] == 0
    advance(state, 1)
    state.save(paths)
    assert load_tensors(paths.checkpoint)["it"] == 1
    assert load_tensors(paths.checkpoint_previous)["it"] == 0


def test_when_both_checkpoints_are_damaged_both_are_named_and_nothing_changes(tmp_path):
    paths = RunPaths(tmp_path)
    saved_twice(paths)
    damage(paths.checkpoint)
    damage(paths.checkpoint_previous)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError) as caught:
        make_state().restore(paths)
    message = str(caught.value)
    assert f"{paths.checkpoint}: damaged" in message and f"{paths.checkpoint_previous}: damaged" in message
    assert message.endswith("; delete checkpoint.pth and checkpoint_previous.pth to train this level from its start")
    assert "\n" not in message
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    paths.checkpoint.unlink()
    paths.checkpoint_previous.unlink()
    assert not make_state().restore(paths)


@pytest.mark.parametrize("foreign", [{"width": 5}, {"optimizer": torch.optim.SGD}], ids=["network", "optimiser"])
def test_a_newest_checkpoint_of_something_else_is_refused_and_not_skipped(tmp_path, foreign):
    paths = RunPaths(tmp_path)
    saved_twice(paths)
    other = make_state(**foreign)
    advance(other, 2)
    other.save(paths)
    assert load_tensors(paths.checkpoint_previous)["ep"] == 1
    refused(paths, make_state())


def test_a_finished_run_keeps_no_checkpoint_but_openlths(runs, tmp_path):
    run = runs.make(tmp_path)
    runs.train(run)
    assert run.paths.checkpoint.exists()
    assert not [path.name for path in tmp_path.iterdir() if "previous" in path.name]


class Crash(Exception):
    pass


def crash() -> None:
    raise Crash


@pytest.mark.parametrize("how", [damage, Path.unlink], ids=["damaged", "missing"])
def test_a_run_without_its_newest_checkpoint_ends_in_the_same_bits(runs, tmp_path, caplog, how):
    unbroken, run = runs.make(tmp_path / "unbroken"), runs.make(tmp_path / "run", variant=runs.eventful(6, crash))
    runs.train(unbroken)
    with pytest.raises(Crash):
        runs.train(run)
    how(run.paths.checkpoint)
    again = runs.make(tmp_path / "run")
    runs.train(again)
    assert str(run.paths.checkpoint) in caplog.text
    runs.assert_same_bits(unbroken, again)


def test_only_a_run_that_is_not_done_is_swept(runs, tmp_path):
    run, left = runs.make(tmp_path), tmp_path / ".evaluation.json.abcdefgh.tmp"
    left.write_bytes(b"of a killed process")
    runs.train(run)
    assert not left.exists()
    left.write_bytes(b"of a process that evaluates the finished run")
    runs.train(run)
    assert left.exists()


def two_checkpoints(paths: RunPaths) -> tuple[bytes, bytes]:
    """Leave checkpoints of two steps, and return their bytes, the newest first."""
    state = make_state()
    for _ in range(2):
        advance(state, PER_EPOCH)
        state.save(paths)
    return paths.checkpoint.read_bytes(), paths.checkpoint_previous.read_bytes()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")])
@pytest.mark.parametrize("where", ["reading", "taking up"])
def test_too_little_memory_is_no_fault_of_the_checkpoints(tmp_path, monkeypatch, error, where):
    paths = RunPaths(tmp_path)
    before = two_checkpoints(paths)

    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(*((torch, "load") if where == "reading" else (torch.optim.Adam, "load_state_dict")), fail)
        with pytest.raises(type(error)):
            make_state().restore(paths)
    assert (paths.checkpoint.read_bytes(), paths.checkpoint_previous.read_bytes()) == before


def test_a_disk_that_fails_for_once_costs_no_checkpoint(tmp_path, monkeypatch):
    paths = RunPaths(tmp_path)
    before = two_checkpoints(paths)

    def fail(*_: object) -> str:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("foundations.checksum.digest_of", fail)
        with pytest.raises(UserError, match="Input/output error"):
            make_state().restore(paths)
    assert (paths.checkpoint.read_bytes(), paths.checkpoint_previous.read_bytes()) == before
    state = make_state()
    assert state.restore(paths) and state.step == Step(2 * PER_EPOCH, PER_EPOCH)


@pytest.mark.parametrize("before", [True, False, None])
@pytest.mark.parametrize("after", [True, False, None])
def test_whether_steps_are_fused_is_the_devices_choice_not_the_checkpoints(tmp_path, before, after):
    def adam(fused: bool | None):
        return lambda parameters, lr: torch.optim.Adam(parameters, lr=lr, fused=fused)

    state, other = make_state(optimizer=adam(before)), make_state(seed=1, optimizer=adam(after))
    advance(state, 3)
    state.save(RunPaths(tmp_path))
    assert other.restore(RunPaths(tmp_path))
    assert [group["fused"] for group in other.optimizer.param_groups] == [after]
    advance(other, 2)
