from __future__ import annotations

import torch

from pruning.scores import magnitude, uniform_noise


def test_magnitude_is_the_absolute_value_without_a_gradient():
    weights = {"a": torch.tensor([-2.0, 0.0, 3.0], requires_grad=True), "b": torch.tensor([[-1.0]])}
    scores = magnitude(weights)
    assert {name: score.tolist() for name, score in scores.items()} == {"a": [2.0, 0.0, 3.0], "b": [[1.0]]}
    assert not scores["a"].requires_grad


def test_noise_is_uniform_without_ties_and_the_generators():
    shapes = {"a": torch.zeros(300, 200), "b": torch.zeros(7)}
    scores = uniform_noise(shapes, torch.Generator().manual_seed(1))
    again = uniform_noise(shapes, torch.Generator().manual_seed(1))
    assert all(torch.equal(scores[name], again[name]) for name in shapes)
    assert {name: score.shape for name, score in scores.items()} == {"a": (300, 200), "b": (7,)}
    flat = scores["a"].flatten()
    assert flat.unique().numel() == flat.numel()
    counts = torch.histc(flat, bins=10, min=0, max=1)
    assert bool(((counts - 6000).abs() < 5 * 73.5).all())  # five standard deviations of a binomial


def test_noise_leaves_the_default_generator_alone():
    before = torch.get_rng_state()
    uniform_noise({"a": torch.zeros(9)}, torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), before)
