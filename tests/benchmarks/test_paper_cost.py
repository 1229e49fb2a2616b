"""How long jobs take on so many devices, against answers found by hand."""

from __future__ import annotations

import pytest

from open_lth.suites import Experiment


@pytest.fixture
def experiments() -> dict[str, Experiment]:
    trunk, other = Experiment(("lottery",)), Experiment(("lottery", "other"))
    branches = [Experiment(("lottery_branch", str(number)), after=(trunk,)) for number in range(3)]
    return {"other": other, "trunk": trunk, **{f"branch {n}": branch for n, branch in enumerate(branches)}}


@pytest.mark.parametrize(
    ("gpus", "minutes"),
    [
        (1, 10 + 4 + 3 * 2),  # the sum of all
        (2, 10),  # the trunk and its branches beside the other: 4 + 2 + 2 + 2
        (4, 10),  # the longest job alone
    ],
)
def test_jobs_wait_for_what_they_need_and_for_a_free_device(experiments, gpus, minutes):
    from paper_cost import makespan

    lengths = {one: {"other": 10, "trunk": 4}.get(name, 2) for name, one in experiments.items()}
    assert makespan(list(experiments.values()), lengths, gpus) == minutes


def test_a_chain_cannot_be_shortened(experiments):
    from paper_cost import makespan

    lengths = {one: {"other": 1, "trunk": 4}.get(name, 2) for name, one in experiments.items()}
    assert makespan(list(experiments.values()), lengths, 64) == 4 + 2


def test_larger_networks_take_more_arithmetic():
    from paper_cost import multiply_adds

    assert 5 < multiply_adds("cifar_resnet_110") / multiply_adds("cifar_resnet_20") < 7
