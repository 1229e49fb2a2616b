from __future__ import annotations

import math

import pytest
import torch

from training import Prediction, average


def samples(count: int, seed: int = 0) -> list[Prediction]:
    drawn = torch.randn(count, 6, 4, generator=torch.Generator().manual_seed(seed)).double()
    return [Prediction(one) for one in drawn.log_softmax(dim=2)]


def entropies_of(predictions: list[Prediction]) -> torch.Tensor:
    return torch.stack([-(one.log_probabilities.exp() * one.log_probabilities).sum(dim=1) for one in predictions])


@pytest.mark.parametrize("count", [2, 5])
def test_probabilities_and_the_samples_entropies_are_averaged(count):
    given = samples(count)
    found = average(iter(given))
    probabilities = torch.stack([one.log_probabilities for one in given]).exp().mean(dim=0)
    torch.testing.assert_close(found.log_probabilities.exp(), probabilities)
    torch.testing.assert_close(found.sample_entropies, entropies_of(given).mean(dim=0))


def test_one_sample_is_the_prediction_and_has_nothing_to_disagree_with():
    [given] = samples(1)
    assert average([given]) is given
    assert given.sample_entropies is None


def test_an_average_of_averages_is_the_average_of_all_samples():
    """So networks that draw samples can be members of an ensemble."""
    networks = [samples(3, seed) for seed in range(4)]
    nested, flat = average(map(average, networks)), average([one for network in networks for one in network])
    torch.testing.assert_close(nested.log_probabilities, flat.log_probabilities)
    torch.testing.assert_close(nested.sample_entropies, flat.sample_entropies)


def test_probabilities_too_small_for_floats_keep_their_logarithm():
    logits = torch.tensor([[0.0, -800.0]], dtype=torch.float64)
    found = average([Prediction(logits), Prediction(logits - torch.tensor([0.0, 5.0]))])
    assert float(found.log_probabilities[0, 1]) == pytest.approx(-800.0 + math.log(0.5 + 0.5 * math.exp(-5)))
    assert bool(found.sample_entropies.isfinite().all())
