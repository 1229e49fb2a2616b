from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from foundations.errors import InvalidValue, UserError
from pruning import Mask, layers_pruned_away, prune_lowest_by_layer, prune_lowest_globally, prune_to_keep

Arrays = dict[str, np.ndarray]


def openlths_rule(scores: Arrays, mask: Arrays, fraction: float, ignored: set[str]) -> Arrays:
    """Sort what may be pruned, take the entry after n as the threshold, keep what is above it."""
    number = math.ceil(fraction * sum(int(m.sum()) for m in mask.values()))
    ascending = sorted(
        float(s) for name in mask if name not in ignored for s, m in zip(scores[name], mask[name], strict=True) if m
    )
    threshold = ascending[min(number, len(ascending) - 1)]
    return {name: mask[name] if name in ignored else np.where(scores[name] > threshold, mask[name], 0) for name in mask}


@st.composite
def problems(draw: st.DrawFn) -> tuple[Arrays, Arrays, float, set[str]]:
    names = [f"layer{i}.weight" for i in range(draw(st.integers(1, 4)))]
    # Few different values, so that ties are common.
    values = st.one_of(st.integers(0, 5).map(float), st.floats(0, 10, width=32))
    scores, mask = {}, {}
    for name in names:
        size = draw(st.integers(1, 12))
        scores[name] = np.array(draw(st.lists(values, min_size=size, max_size=size)), dtype=np.float32)
        mask[name] = np.array(draw(st.lists(st.integers(0, 1), min_size=size, max_size=size)), dtype=np.int32)
    ignored = draw(st.sets(st.sampled_from(names)))
    fraction = draw(st.one_of(st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.5, 0.9]), st.floats(0, 0.99)))
    return scores, mask, fraction, ignored


def prune(scores: Arrays, mask: Arrays, fraction: float, ignored: set[str]) -> Mask:
    tensors = {name: torch.from_numpy(values) for name, values in scores.items()}
    return prune_lowest_globally(tensors, Mask({n: torch.from_numpy(m) for n, m in mask.items()}), fraction, ignored)


@given(problems())
def test_masks_come_out_as_openlths_rule_says(problem):
    _, mask, _, ignored = problem
    assume(any(mask[name].any() for name in mask if name not in ignored))
    found, expected = prune(*problem), openlths_rule(*problem)
    assert list(found) == list(expected)
    for name in expected:
        np.testing.assert_array_equal(found[name].numpy(), expected[name])


@given(problems())
def test_pruned_weights_never_come_back_and_ignored_layers_keep_their_mask(problem):
    _, mask, _, ignored = problem
    assume(any(mask[name].any() for name in mask if name not in ignored))
    for name, tensor in prune(*problem).items():
        assert bool((tensor.numpy() <= mask[name]).all())
        if name in ignored:
            np.testing.assert_array_equal(tensor.numpy(), mask[name])


@pytest.mark.parametrize("total", [100, 101, 999, 10_000])
@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.2, 0.5, 0.9])
def test_without_ties_one_weight_more_than_the_fraction_goes(total, fraction):
    scores = torch.randperm(total, generator=torch.Generator().manual_seed(0)).float()
    cut = total // 3
    parts = {"a": scores[:cut], "b": scores[cut:]}
    mask = prune_lowest_globally(parts, Mask.ones({"a": [cut], "b": [total - cut]}), fraction)
    gone = math.ceil(fraction * total) + 1
    assert mask.unpruned == total - gone
    kept = torch.cat([parts[name][mask[name] == 1] for name in parts])
    assert kept.min() == gone  # the scores are 0, 1, 2, ...


def test_weights_that_tie_with_the_threshold_all_go():
    scores = torch.tensor([0.0, 1.0, 2.0, 2.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    mask = prune_lowest_globally({"a": scores}, Mask.ones({"a": [10]}), 0.2)
    assert mask["a"].tolist() == [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_the_fraction_counts_ignored_layers_but_takes_from_the_others():
    scores = {"a": torch.arange(10.0), "fc": torch.zeros(10)}
    mask = prune_lowest_globally(scores, Mask.ones({"a": [10], "fc": [10]}), 0.2, {"fc"})
    assert mask["fc"].sum() == 10
    assert mask["a"].tolist() == [0] * 5 + [1] * 5  # ceil(0.2 * 20) + 1


def test_the_fraction_is_of_what_is_left():
    mask = Mask({"a": torch.tensor([0] * 50 + [1] * 50)})
    assert prune_lowest_globally({"a": torch.arange(100.0)}, mask, 0.2).unpruned == 50 - 11


def test_the_given_mask_and_scores_are_left_as_they_were():
    scores, mask = {"a": torch.arange(10.0)}, Mask.ones({"a": [10]})
    prune_lowest_globally(scores, mask, 0.5)
    assert mask.unpruned == 10
    assert scores["a"].tolist() == list(range(10))


def test_the_lowest_scores_of_all_layers_go_whatever_their_layer():
    scores = {"a": torch.tensor([1.0, 4.0, 5.0, 6.0]), "b": torch.tensor([2.0, 3.0, 7.0, 8.0])}
    mask = prune_lowest_globally(scores, Mask.ones({"a": [4], "b": [4]}), 0.25)
    assert (mask["a"].tolist(), mask["b"].tolist()) == ([0, 1, 1, 1], [0, 0, 1, 1])


def test_an_unknown_ignored_layer_is_answered_with_the_layers_there_are():
    with pytest.raises(InvalidValue) as caught:
        prune_lowest_globally({"a": torch.ones(2)}, Mask.ones({"a": [2]}), 0.2, {"b.weight"})
    assert str(caught.value) == "--pruning_layers_to_ignore=b.weight: valid values are a"


@pytest.mark.parametrize("value", [math.nan, -math.nan])
def test_a_score_that_is_no_number_is_refused(value):
    with pytest.raises(UserError, match="not a number"):
        prune_lowest_globally({"a": torch.tensor([1.0, value])}, Mask.ones({"a": [2]}), 0.2)


def test_scores_of_pruned_weights_and_of_ignored_layers_do_not_matter():
    scores = {"a": torch.tensor([math.nan, 1.0, 2.0, 3.0]), "fc": torch.tensor([math.nan])}
    mask = prune_lowest_globally(scores, Mask({"a": torch.tensor([0, 1, 1, 1]), "fc": torch.ones(1)}), 0.0, {"fc"})
    assert mask["a"].tolist() == [0, 0, 1, 1]


def test_infinite_scores_are_pruned_last():
    scores = {"a": torch.tensor([math.inf, 1.0, 2.0, math.inf])}
    assert prune_lowest_globally(scores, Mask.ones({"a": [4]}), 0.25)["a"].tolist() == [1, 0, 0, 1]


def test_a_layer_that_is_pruned_away_whole_is_named_once():
    scores, full = (
        {"tiny": torch.tensor([0.0, 0.1]), "big": torch.arange(1.0, 21.0)},
        Mask.ones({"tiny": [2], "big": [20]}),
    )
    mask = prune_lowest_globally(scores, full, 0.2)
    assert mask.densities == {"tiny": 0.0, "big": 1 - 4 / 20}
    assert layers_pruned_away(full, mask) == ["tiny"]
    assert layers_pruned_away(mask, prune_lowest_globally(scores, mask, 0.2)) == []


def test_when_everything_goes_every_layer_is_named_and_there_is_nothing_more_to_prune():
    scores, full = {"a": torch.zeros(3), "b": torch.zeros(2)}, Mask.ones({"a": [3], "b": [2]})
    mask = prune_lowest_globally(scores, full, 0.2)
    assert mask.unpruned == 0 and layers_pruned_away(full, mask) == ["a", "b"]
    with pytest.raises(UserError, match="no weight is left"):
        prune_lowest_globally(scores, mask, 0.2)


def test_ignoring_every_layer_leaves_nothing_to_prune():
    with pytest.raises(UserError, match="no weight is left"):
        prune_lowest_globally({"a": torch.ones(2)}, Mask.ones({"a": [2]}), 0.2, {"a"})


@given(st.lists(st.integers(0, 9), min_size=2, max_size=40), st.integers(0, 39))
def test_as_many_weights_are_kept_as_are_wanted_or_as_nearly_so_many_as_ties_allow(values, keep):
    assume(keep < len(values))
    scores, mask = {"a": torch.tensor(values).float()}, Mask.ones({"a": [len(values)]})
    found = prune_to_keep(mask, keep, lambda fraction: prune_lowest_globally(scores, mask, fraction)).unpruned
    possible = [sum(value > threshold for value in values) for threshold in values]
    assert abs(found - keep) == min(abs(number - keep) for number in possible)


@pytest.mark.parametrize("keep", [10, 50, 146])
def test_so_many_are_kept_if_each_layer_loses_the_same_fraction_too_but_for_rounding(keep):
    sizes = {"a": 100, "b": 40, "c": 7}
    scores = {name: torch.arange(float(size)) for name, size in sizes.items()}
    mask = Mask.ones({name: [size] for name, size in sizes.items()})
    found = prune_to_keep(mask, keep, lambda fraction: prune_lowest_by_layer(scores, mask, fraction))
    assert abs(found.unpruned - keep) < len(sizes)
    assert all(abs(float(found[name].sum()) - size * keep / 147) <= 1 for name, size in sizes.items())


def test_scores_that_are_alike_are_tried_without_any_fraction_and_no_further():
    """Of nine weights five score 0 and go together, whatever the fraction up to a half."""
    asked, mask = [], Mask.ones({"weight": (9,)})
    scores = {"weight": torch.tensor([0.0] * 5 + [1.0, 2.0, 3.0, 4.0])}

    def prune(fraction):
        asked.append(fraction)
        return prune_lowest_globally(scores, mask, fraction)

    assert prune_to_keep(mask, 7, prune).unpruned == 4
    assert len(asked) == 2
    assert prune_to_keep(mask, 9, prune) is mask
