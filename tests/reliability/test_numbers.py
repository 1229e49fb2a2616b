"""Training that diverges ends in one line, and no file ever holds a number that is none."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from foundations.storage import load_tensors
from tests.open_lth.running import KINDS, LENET, Trunk, Workplace
from training import MetricLogger

WAYS = [
    (kind, rate, optimizer, precision)
    for kind in KINDS
    for rate in ("1e30", "1e20", "1e5", "100")
    for optimizer in ("sgd", "adam")
    for precision in ("fp32", "bf16", "fp16")
]


def not_finite(root: Path) -> list[str]:
    """Return the files that hold a number that is none, or infinite and no pruned weight's."""
    return [str(path) for path in root.rglob("*") if any(not number < math.inf for number in numbers(path))]


def numbers(path: Path) -> Iterator[float]:
    if path.suffix == ".pth":
        yield from _greatest(load_tensors(path))
    if path.name == "logger":
        rows = MetricLogger.load(path).rows().values()
        yield from (abs(value) for row in rows for value in row.values())


def _greatest(content: object) -> Iterator[float]:
    if isinstance(content, dict):
        for value in content.values():
            yield from _greatest(value)
    elif isinstance(content, torch.Tensor) and content.is_floating_point() and content.numel():
        yield float(content.max())


def test_no_file_holds_what_diverged_and_the_same_command_ends_in_the_same_line(tmp_path, tries, tally):
    chosen = random.Random("diverge").sample(WAYS, tries(4, len(WAYS)))
    lost: list[str] = []
    for number, (kind, rate, optimizer, precision) in enumerate(chosen):
        workplace = Workplace(tmp_path / str(number), tmp_path)
        words = (
            *LENET,
            *KINDS[kind],
            f"--lr={rate}",
            f"--optimizer_name={optimizer}",
            f"--precision={precision}",
            "--training_steps=4ep",
            "--evaluate_only_at_end",
            "--quiet",
        )
        first, second = (workplace.run("lottery", "--levels=1", *words) for _ in range(2))
        place = Trunk(workplace, words).directory
        line = (
            rf"error: {place}/level_[01]/main: training diverged: .+ at \d+ep\d+it is infinite or not a number\. .+\n"
        )
        if first.code not in (0, 2) or (first.code == 2 and not re.fullmatch(line, first.err)):
            lost.append(f"{words}: {first}")
        if second != first:
            lost.append(f"{words}: {first} but then {second}")
        lost += not_finite(workplace.root)
    tally(len(chosen), len(lost), "training under absurd learning rates")
    assert not lost


@pytest.mark.parametrize("kind", KINDS)
def test_training_that_diverges_names_step_level_and_remedies(workplace, kind):
    message = workplace.refused("lottery", "--levels=1", *LENET, *KINDS[kind], "--lr=1e30", "--quiet")
    assert re.search(r"level_0/main: training diverged: the loss at 0ep1it is", message), message
    assert "last good checkpoint is kept" in message and "--lr" in message and "--precision=fp32" in message
    assert list(workplace.root.rglob("checkpoint.pth")) and not list(workplace.root.rglob("logger"))


@pytest.mark.parametrize(("rewind", "more"), [("main", ()), ("lrr", ("--lrr",))])
@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_that_is_pruned_whole_is_reported_with_its_level(workplace, kind, rewind, more):
    words = (*LENET, *KINDS[kind], "--pruning_fraction=0.999", "--pruning_layers_to_ignore=fc_layers.0.weight", *more)
    outcome = workplace.run("lottery", "--levels=1", *words, "--quiet")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == f"warning: level_1/{rewind}: pruned away whole: fc.weight\n"
    assert not not_finite(workplace.root)


def test_a_network_with_nothing_left_to_prune_is_an_error_that_costs_no_result(workplace):
    words = (*LENET, "--pruning_fraction=0.999", "--quiet")
    outcome = workplace.run("lottery", "--levels=6", *words)
    assert outcome.code == 2
    *warnings, error = outcome.err.splitlines()
    assert all(re.fullmatch(r"warning: level_\d/main: pruned away whole: .+", warning) for warning in warnings)
    assert warnings
    assert re.fullmatch(r"error: .*no weight is left that could be pruned.*", error)
    assert (Trunk(workplace, words).level(1) / "logger").exists()
