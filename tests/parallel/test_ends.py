"""How runs of several processes end before their end, and go on."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import cli
import foundations.rendezvous
from pruning import Mask
from tests.open_lth.running import Workplace
from tests.parallel.conftest import LENET, PROJECT, TORCHRUN, Together
from tests.slurm.loopback import until
from training import MetricLogger

BAYESIAN = ("--bayesian", "--bayesian_samples=2", "--lr=0.01")
LOTTERY = ("lottery", *LENET, *BAYESIAN, "--levels=1")
LEVEL_1 = 15
"""A step in the middle of an epoch of level 1: both levels have twelve."""


def weights(workplace: Workplace) -> dict[str, torch.Tensor]:
    found = workplace.root.glob("*/replicate_1/level_1/main/model_ep2_it0.pth")
    return torch.load(next(iter(found)), weights_only=True)


@pytest.fixture(scope="module")
def whole(new_workplace: Callable[[], Workplace], together: Callable[..., Together]) -> Workplace:
    """A lottery that two processes have finished without a break."""
    workplace = new_workplace()
    assert together(workplace, LOTTERY).code == 0
    return workplace


@pytest.fixture(scope="module")
def killed(new_workplace: Callable[[], Workplace], together: Callable[..., Together]) -> tuple[Workplace, Together]:
    """A lottery of which rank 1 was killed in the middle of level 1."""
    workplace = new_workplace()
    started = time.monotonic()
    outcome = together(workplace, LOTTERY, event={"rank": 1, "step": LEVEL_1, "signal": int(signal.SIGKILL)})
    assert time.monotonic() - started < 120
    return workplace, outcome


def copy_of(workplace: Workplace, place: Path) -> Workplace:
    shutil.copytree(workplace.root, place / "root")
    return Workplace(place / "root", workplace.dataset_root)


def test_a_killed_rank_ends_all_of_them_with_a_message(killed):
    _, outcome = killed
    assert outcome.code != 0
    gone = "another rank is gone, so this one ends, too; the same command goes on"
    # On a busy machine torchrun's own signal may come before the other's connection is seen to be closed.
    assert gone in outcome.output or re.search(r"stopped by SIGTERM.*\nto go on: ", outcome.output), outcome.output
    assert all(75 in codes or not codes for codes in outcome.codes)
    assert "[rank0]: Traceback" not in outcome.output


def test_what_a_killed_rank_left_goes_on_to_the_same_bits_with_as_many_processes(killed, whole, together, tmp_path):
    workplace = copy_of(killed[0], tmp_path)
    outcome = together(workplace, LOTTERY)
    assert outcome.code == 0, outcome.output
    assert all(tensor.equal(weights(workplace)[name]) for name, tensor in weights(whole).items())
    leaders, followers = outcome.digests("the mask")
    (mask,) = workplace.root.glob("*/replicate_1/level_1/main/mask.pth")
    assert leaders == followers
    assert Mask.load(mask).digest() in leaders


@pytest.mark.parametrize("processes", [1, 3])
def test_it_goes_on_with_another_number_of_processes_to_other_bits(killed, whole, together, tmp_path, processes):
    workplace = copy_of(killed[0], tmp_path)
    if processes == 1:
        workplace.done(*LOTTERY, "--quiet")
    else:
        outcome = together(workplace, LOTTERY, processes=processes)
        assert outcome.code == 0, outcome.output
    differences = [(tensor - weights(workplace)[name]).nan_to_num(0, 0, 0) for name, tensor in weights(whole).items()]
    greatest = max(difference.abs().max().item() for difference in differences)
    assert 0 < greatest < 0.2


def test_three_ranks_stopped_within_an_epoch_go_on_to_the_same_bits_and_measures(new_workplace, together):
    # With three, the order of a sum matters.
    words, event = ("train", *LENET), {"rank": 2, "step": 9, "signal": int(signal.SIGTERM)}
    unbroken, stopped = new_workplace(), new_workplace()
    assert together(unbroken, words, processes=3).code == 0
    assert together(stopped, words, processes=3, event=event).codes == [[75]] * 3
    assert together(stopped, words, processes=3).code == 0
    places = [place.place(*words) for place in (unbroken, stopped)]
    one, other = (MetricLogger.load(place / "logger").rows() for place in places)
    assert one == other
    expected, found = (torch.load(place / "model_ep2_it0.pth", weights_only=True) for place in places)
    assert all(tensor.equal(found[name]) for name, tensor in expected.items())


def test_a_signal_to_one_rank_stops_all_at_one_step_and_loses_nothing(whole, new_workplace, together):
    workplace = new_workplace()
    event = {"rank": 1, "step": LEVEL_1, "signal": int(signal.SIGUSR1)}
    outcome = together(workplace, LOTTERY, event=event)
    assert outcome.codes == [[75], [75]], outcome.output
    assert "stopped by SIGUSR1" in outcome.output
    assert outcome.digests("the weights")[0] == outcome.digests("the weights")[1]
    again = together(workplace, LOTTERY)
    assert again.code == 0, again.output
    assert all(tensor.equal(weights(workplace)[name]) for name, tensor in weights(whole).items())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent is gone")
def test_a_killed_torchrun_leaves_no_rank_training(new_workplace):
    workplace = new_workplace()
    words = ("train", *LENET, "--training_steps=100000ep")
    places = (f"--root={workplace.root}", f"--dataset_root={workplace.dataset_root}")
    command = [sys.executable, *TORCHRUN, "--nproc_per_node=2", str(PROJECT / "open_lth.py"), *words, *places]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as torchrun:
        until(lambda: list(workplace.root.glob("*/replicate_1/main/checkpoint.pth")))
        ranks = [path for path in Path("/proc").glob("[0-9]*") if is_rank_of(path, workplace)]
        assert len(ranks) == 2
        torchrun.kill()
    until(lambda: not any(is_rank_of(path, workplace) for path in ranks), patience=60)


def is_rank_of(process: Path, workplace: Workplace) -> bool:
    try:
        words = (process / "cmdline").read_bytes().decode().split("\0")
    except OSError:
        return False
    return f"--root={workplace.root}" in words and "torch.distributed.run" not in words


def test_connections_are_closed_before_a_process_ends(new_workplace, together):
    outcome = together(new_workplace(), ("train", *LENET, "--training_steps=1ep"), processes=3)
    assert outcome.code == 0
    assert outcome.all("connected") == [[False]] * 3


def test_a_process_that_met_others_ends_without_pythons_own_end(monkeypatch):
    """Threads of gloo's outlive its connections (torch 2.14), and abort a process that Python takes down."""
    ended: list[int] = []
    monkeypatch.setattr(cli.os, "_exit", ended.append)
    monkeypatch.setattr(cli, "stopping_at_once", lambda ends_here: contextlib.nullcontext())
    monkeypatch.setattr("sys.argv", ["open_lth.py", "unheard_of"])
    assert cli.main() == 1 and ended == []
    monkeypatch.setattr(foundations.rendezvous, "_meetings", [None])
    cli.main()
    assert ended == [1]


def test_mistakes_are_refused_by_the_leader_alone_and_divergence_by_all(new_workplace, together):
    mistakes = {
        ("train", *LENET, "--ranks_split=samples"): "--ranks_split=samples: a deterministic network draws no samples",
        ("train", *LENET, "--batch_size=1"): "--batch_size=1: fewer examples than the 2 processes",
        ("train", *LENET, "--ranks_split=both"): "--ranks_split=both: valid values are examples, samples",
        ("train", *LENET, *BAYESIAN, "--bayesian_samples=1", "--ranks_split=samples"): "fewer than the 2 processes",
        ("train", *LENET, *BAYESIAN, "--bayesian_batchnorm=running", "--ranks_split=samples"): "recalibrated, batch",
        ("lottery_branch", "reinit", *LENET, "--levels=0", "--jobs=2"): "is not there yet",
        ("reproduce", "--scale=small"): "reproduce starts processes of its own",
    }
    diverging = ("train", *LENET, "--lr=1e20")
    outcome = together(new_workplace(), *mistakes, diverging)
    errors = [line for line in outcome.output.splitlines() if line.startswith("error: ")]
    for message, error in zip([*mistakes.values(), "training diverged"], errors, strict=True):
        assert message in error
    # What is no value of its flag, each finds before they meet.
    by_all = [index for index, words in enumerate(mistakes) if "--ranks_split=both" in words]
    of_others = [2 if index in by_all else 0 for index in range(len(mistakes))]
    assert outcome.codes == [[2] * len(errors), [*of_others, 2]]
