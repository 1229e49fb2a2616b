"""Controls for the scale of layers, against the formulas of their papers written down weight by weight."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foundations.errors import InvalidValue, UserError
from pruning import Mask, layer_adaptive, prune_lowest_by_layer, prune_lowest_globally, times_root_of_fan_in

SHAPES = {"conv": (4, 2, 3, 3), "fc": (3, 7)}


def magnitudes(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.rand(shape, generator=generator, dtype=torch.float64) for name, shape in SHAPES.items()}


def some_mask(seed: int = 1) -> Mask:
    generator = torch.Generator().manual_seed(seed)
    return Mask({name: (torch.rand(shape, generator=generator) < 0.7).int() for name, shape in SHAPES.items()})


def test_a_magnitude_is_scaled_by_the_root_of_the_numbers_of_weights_of_a_unit():
    found = times_root_of_fan_in(magnitudes())
    for name, fan_in in (("conv", 18), ("fc", 7)):
        torch.testing.assert_close(found[name], magnitudes()[name] * math.sqrt(fan_in))


def test_layers_of_initial_weights_are_pruned_evenly_if_magnitudes_are_scaled_and_not_otherwise():
    generator = torch.Generator().manual_seed(0)
    shapes = {"narrow": (400, 10), "wide": (40, 1000)}
    initial = {
        name: torch.randn(shape, generator=generator).abs() / math.sqrt(shape[1]) for name, shape in shapes.items()
    }
    ones = Mask.ones(shapes)
    scaled = prune_lowest_globally(times_root_of_fan_in(initial), ones, 0.5)
    assert scaled.densities == pytest.approx({"narrow": 0.5, "wide": 0.5}, abs=0.02)
    assert prune_lowest_globally(initial, ones, 0.5).densities["narrow"] > 0.9


def test_layer_adaptive_scores_are_squares_over_the_sum_of_all_that_are_not_smaller():
    values, mask = magnitudes(), some_mask()
    found = layer_adaptive(values, mask)
    for name, value in values.items():
        kept = mask[name] == 1
        for place in kept.nonzero().tolist():
            weight = value[tuple(place)]
            expected = weight**2 / (value[kept & (value >= weight)] ** 2).sum()
            torch.testing.assert_close(found[name][tuple(place)], expected)
        assert not bool(found[name][~kept].any())
        assert float(found[name].max()) == 1.0


def test_weights_that_are_all_zero_have_scores():
    found = layer_adaptive({"fc": torch.zeros(2, 2)}, Mask.ones({"fc": (2, 2)}))
    assert bool(found["fc"].isfinite().all())


@given(st.floats(0.0, 0.95), st.integers(0, 5))
def test_every_layer_loses_the_same_fraction_rounded_up_and_keeps_its_greatest(fraction, seed):
    values, mask = magnitudes(seed), some_mask(seed)
    after = prune_lowest_by_layer(values, mask, fraction)
    for name, value in values.items():
        kept = value[mask[name] == 1].sort().values
        gone = min(math.ceil(fraction * len(kept)), len(kept) - 1)
        assert torch.equal(value[after[name] == 1].sort().values, kept[gone:])
        assert not bool(after[name][mask[name] == 0].any())


def test_an_ignored_layer_keeps_its_mask_and_a_last_weight_stays():
    mask = some_mask()
    after = prune_lowest_by_layer(magnitudes(), mask, 0.5, ["fc"])
    assert torch.equal(after["fc"], mask["fc"]) and after["conv"].sum() < mask["conv"].sum()
    single = Mask({"conv": torch.tensor([[1, 0]]), "fc": torch.ones(1, 4)})
    scores = {"conv": torch.rand(1, 2), "fc": torch.rand(1, 4)}
    assert int(prune_lowest_by_layer(scores, single, 0.9)["conv"].sum()) == 1


def test_what_cannot_be_pruned_is_refused():
    with pytest.raises(InvalidValue, match="--pruning_layers_to_ignore=gc: valid values are conv, fc"):
        prune_lowest_by_layer(magnitudes(), some_mask(), 0.2, ["gc"])
    with pytest.raises(UserError, match="some weights have no score"):
        prune_lowest_by_layer({"fc": torch.full((1, 3), math.nan)}, Mask.ones({"fc": (1, 3)}), 0.2)
    with pytest.raises(UserError, match="no layer has more than one weight left"):
        prune_lowest_by_layer({"fc": torch.rand(1, 2)}, Mask({"fc": torch.tensor([[0, 1]])}), 0.2)
