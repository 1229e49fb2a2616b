"""`--threads`: how many threads compute, which may show in the last bits and nowhere else."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import torch

from tests.open_lth.running import LENET

TRAIN = ("train", *LENET, "--evaluate_only_at_end", "--quiet")


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    """Begin every test with a known number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def kept(workplace, *words: str) -> int:
    """Train, and return the number of threads that is kept beside the results."""
    threads: int = json.loads((workplace.place(*TRAIN, *words) / "command.json").read_text())["threads"]
    return threads


def test_the_process_computes_with_as_many_as_are_asked_for_and_keeps_the_number(workplace):
    workplace.done(*TRAIN, "--threads=1")
    assert torch.get_num_threads() == 1
    assert kept(workplace) == 1


def test_otherwise_the_number_is_pytorchs_and_kept_as_well(workplace):
    workplace.done(*TRAIN)
    assert torch.get_num_threads() == 2
    assert kept(workplace) == 2


def test_the_experiment_is_the_same(workplace):
    assert workplace.place(*TRAIN, "--threads=1") == workplace.place(*TRAIN)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1.5", ""])
def test_a_wrong_number_is_refused(workplace, value):
    assert workplace.refused(*TRAIN, f"--threads={value}") == (
        f"error: --threads={value}: must be a whole number of at least 1 and at most 1024"
    )
