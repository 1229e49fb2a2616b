"""Five scores on five weights, worked out by hand."""

from __future__ import annotations

import pytest
import torch

from bayesian import scores

WEIGHTS = "abcde"
MEAN = torch.tensor([0.5, -0.1, 0.3, -0.2, 1.0], dtype=torch.float64)
STD = torch.tensor([0.5, 0.01, 0.02, 0.9, 1.5], dtype=torch.float64)

BY_HAND = {
    scores.signal_to_noise: ("deabc", [1.0, 10.0, 15.0, 0.2222, 0.6667]),
    scores.root_of_squares: ("bcade", [0.7071, 0.1005, 0.3007, 0.9220, 1.8028]),
    scores.mean_magnitude: ("bdcae", [0.5, 0.1, 0.3, 0.2, 1.0]),
    scores.released_signal_to_noise: ("deacb", [2.0, 990.1, 748.1, 0.2469, 0.4444]),
    scores.released_root_of_squares: ("daecb", [0.7305, 21.2176, 15.3939, 0.0511, 1.1644]),
}


@pytest.mark.parametrize("score", BY_HAND, ids=lambda score: score.__name__)
def test_a_score_has_the_values_and_the_order_found_by_hand(score):
    order, values = BY_HAND[score]
    found = score(MEAN, STD)
    torch.testing.assert_close(found, torch.tensor(values, dtype=torch.float64), rtol=2e-4, atol=1e-4)
    assert "".join(WEIGHTS[index] for index in found.argsort()) == order


def test_no_two_scores_rank_the_weights_alike():
    assert len({order for order, _ in BY_HAND.values()}) == len(BY_HAND)


@pytest.mark.parametrize("score", BY_HAND, ids=lambda score: score.__name__)
def test_the_sign_of_the_mean_plays_no_part(score):
    assert score(MEAN, STD).equal(score(-MEAN, STD))


def test_a_large_mean_does_not_overflow_the_root_of_squares():
    huge = torch.tensor([3e30], dtype=torch.float32)
    torch.testing.assert_close(scores.root_of_squares(huge, 0 * huge), huge)
