from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training import TrainingHparams
from training.optimizers import make_schedule, set_learning_rate


def hparams(**changes: object) -> TrainingHparams:
    return TrainingHparams(**{"optimizer_name": "sgd", "lr": 0.1, "training_steps": "160ep", **changes})


def factors(count: int, per_epoch: int, **changes: object) -> list[float]:
    schedule = make_schedule(hparams(**changes), per_epoch)
    return [schedule(iteration) for iteration in range(count)]


def test_without_milestones_and_warmup_the_learning_rate_stays():
    assert factors(30, 10) == [1.0] * 30


def test_a_milestones_own_iteration_has_the_lower_rate_already():
    assert factors(8, 2, milestone_steps="1ep1it,6it", gamma=0.5) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25, 0.25]


def test_warmup_rises_linearly_from_zero_and_is_whole_at_its_end():
    assert factors(7, 2, warmup_steps="2ep") == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_milestones_within_the_warmup_count_already():
    assert factors(5, 1, warmup_steps="4it", milestone_steps="2it", gamma=0.5) == [0.0, 0.25, 0.25, 0.375, 0.5]


def test_a_milestone_given_twice_counts_twice_and_the_order_does_not_matter():
    assert factors(4, 1, milestone_steps="2it,1it,2it", gamma=0.5) == [1, 0.5, 0.125, 0.125]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), max_size=4),
    st.floats(0.01, 1),
    st.integers(0, 20),
    st.integers(1, 6),
)
def test_the_factor_is_warmup_times_gamma_for_each_milestone_reached(milestones, gamma, warmup, per_epoch):
    changes: dict[str, object] = {"warmup_steps": f"{warmup}it"}
    if milestones:
        changes |= {"milestone_steps": ",".join(f"{ep}ep{it}it" for ep, it in milestones), "gamma": gamma}
    for iteration, found in enumerate(factors(60, per_epoch, **changes)):
        expected = iteration / warmup if iteration < warmup else 1.0
        for ep, it in milestones:
            if iteration >= ep * per_epoch + it:
                expected *= gamma
        assert found == pytest.approx(expected, rel=1e-12)


def test_every_group_keeps_its_own_initial_rate():
    weights = [torch.nn.Parameter(torch.zeros(1)) for _ in range(2)]
    optimizer = torch.optim.SGD([{"params": weights[:1]}, {"params": weights[1:], "lr": 3.0}], lr=0.5)
    for factor in (0.0, 0.1, 1.0, 0.25):
        set_learning_rate(optimizer, factor)
        assert [group["lr"] for group in optimizer.param_groups] == [0.5 * factor, 3.0 * factor]
