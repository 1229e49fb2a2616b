from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foundations.errors import InvalidValue
from pruning import Mask, shuffle_mask

RANDOM = ["layerwise", "global", "even"]

seeds = st.integers(0, 2**32)


@st.composite
def masks(draw: st.DrawFn) -> Mask:
    shapes = draw(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=5))
    tensors = {}
    for index, (rows, columns) in enumerate(shapes):
        kept = draw(st.lists(st.integers(0, 1), min_size=rows * columns, max_size=rows * columns))
        tensors[f"layer{index}.weight"] = torch.tensor(kept).reshape(rows, columns)
    return Mask(tensors)


def lenet_mask(density: float = 0.3) -> Mask:
    generator = torch.Generator().manual_seed(0)
    shapes = {"fc_layers.0.weight": (20, 30), "fc_layers.1.weight": (10, 20), "fc.weight": (10, 10)}
    return Mask({name: torch.rand(shape, generator=generator) < density for name, shape in shapes.items()})


def same(a: Mask, b: Mask) -> bool:
    return list(a) == list(b) and all(torch.equal(a[name], b[name]) for name in a)


@given(masks(), seeds, st.sampled_from([*RANDOM, "identity"]))
def test_names_shapes_and_the_total_are_kept_exactly(mask, seed, strategy):
    shuffled = shuffle_mask(mask, strategy, seed)
    assert {name: tensor.shape for name, tensor in shuffled.items()} == {n: tensor.shape for n, tensor in mask.items()}
    assert list(shuffled) == list(mask)
    assert shuffled.unpruned == mask.unpruned


@given(masks(), seeds)
def test_layerwise_keeps_every_layers_count(mask, seed):
    assert shuffle_mask(mask, "layerwise", seed).densities == mask.densities


@given(masks(), seeds)
def test_even_brings_every_layer_to_the_mean_density_within_one_weight(mask, seed):
    shuffled = shuffle_mask(mask, "even", seed)
    for tensor in shuffled.values():
        assert abs(int(tensor.sum()) - mask.density * tensor.numel()) <= 1 + 1e-9


@given(masks(), seeds, st.sampled_from([*RANDOM, "identity"]))
def test_the_same_seed_gives_the_same_mask_and_leaves_the_given_one_alone(mask, seed, strategy):
    before = {name: tensor.clone() for name, tensor in mask.items()}
    assert same(shuffle_mask(mask, strategy, seed), shuffle_mask(mask, strategy, seed))
    assert same(mask, Mask(before))


@given(masks(), seeds, st.sampled_from([*RANDOM, "identity"]), st.data())
def test_ignored_layers_are_dense_and_the_others_as_if_none_were_ignored(mask, seed, strategy, data):
    ignored = data.draw(st.sets(st.sampled_from(list(mask))))
    shuffled, usual = shuffle_mask(mask, strategy, seed, ignored), shuffle_mask(mask, strategy, seed)
    assert list(shuffled) == list(mask)
    assert all(bool((shuffled[name] == 1).all()) for name in ignored)
    assert all(torch.equal(shuffled[name], usual[name]) for name in set(mask) - ignored)


@given(masks(), seeds, st.sampled_from([*RANDOM, "identity"]), st.data())
def test_kept_layers_stay_and_the_others_are_shuffled_as_a_mask_of_their_own(mask, seed, strategy, data):
    kept = data.draw(st.sets(st.sampled_from(list(mask)), max_size=len(mask) - 1))
    shuffled = shuffle_mask(mask, strategy, seed, kept=kept)
    assert list(shuffled) == list(mask) and shuffled.unpruned == mask.unpruned
    assert all(torch.equal(shuffled[name], mask[name]) for name in kept)
    rest = shuffle_mask(Mask({name: mask[name] for name in mask if name not in kept}), strategy, seed)
    assert all(torch.equal(shuffled[name], rest[name]) for name in rest)


def test_to_keep_all_layers_would_shuffle_nothing():
    with pytest.raises(InvalidValue, match=r"^--layers_to_keep=.*, but not all of them$"):
        shuffle_mask(lenet_mask(), "even", 0, kept=list(lenet_mask()))


@pytest.mark.parametrize("strategy", RANDOM)
def test_masks_really_change_in_every_layer_and_with_the_seed(strategy):
    mask = lenet_mask()
    shuffled = [shuffle_mask(mask, strategy, seed) for seed in range(4)]
    for index, one in enumerate(shuffled):
        for other in [mask, *shuffled[:index]]:
            assert all(not torch.equal(one[name], other[name]) for name in mask)


def test_identity_changes_nothing():
    assert same(shuffle_mask(lenet_mask(), "identity", 3), lenet_mask())


@pytest.mark.parametrize("strategy", RANDOM)
def test_every_weight_is_equally_likely_to_be_kept(strategy):
    mask = Mask({"a": torch.tensor([1, 1, 1, 0, 0, 0, 0, 0, 0, 0]), "b": torch.tensor([1] * 3 + [0] * 7)})
    draws, count = 600, torch.zeros(20)
    for seed in range(draws):
        count += torch.cat(list(shuffle_mask(mask, strategy, seed).values()))
    # Five standard deviations of a binomial with probability 0.3.
    assert bool(((count - 0.3 * draws).abs() < 5 * (draws * 0.3 * 0.7) ** 0.5).all())


def test_layers_of_one_shape_are_shuffled_apart():
    kept = torch.arange(400) < 100
    mask = Mask({"a": kept, "b": kept})
    for strategy in RANDOM:
        shuffled = shuffle_mask(mask, strategy, 0)
        assert not torch.equal(shuffled["a"], shuffled["b"])


def test_global_moves_weights_between_layers():
    mask = Mask({"full": torch.ones(500), "empty": torch.zeros(500)})
    shuffled = shuffle_mask(mask, "global", 0)
    assert 0.4 < shuffled.densities["full"] < 0.6
    assert shuffled.unpruned == 500


def test_an_unknown_strategy_or_layer_is_answered_with_what_is_valid():
    with pytest.raises(InvalidValue, match=r"^--strategy=mix: valid values are layerwise, global, even, identity$"):
        shuffle_mask(lenet_mask(), "mix", 0)
    with pytest.raises(InvalidValue, match=r"^--layers_to_ignore=conv: valid values are fc_layers\.0\.weight, "):
        shuffle_mask(lenet_mask(), "even", 0, ["conv"])
