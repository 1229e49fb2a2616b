"""Scores of distributed weights, worked out by hand for five, and pruning by them over all layers together."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import gmean

from bayesian import strategies
from bayesian.adapter import variational_tensors
from bayesian.variant import BAYESIAN, Bayesian
from foundations.errors import InvalidValue, UserError
from pruning import (
    STRATEGIES,
    GlobalPruningHparams,
    Mask,
    apply_mask,
    check_strategy_fits,
    layer_adaptive,
    prunable_shapes,
    prune_lowest_globally,
)

WEIGHTS = "abcde"
MEAN = torch.tensor([0.5, -0.1, 0.3, -0.2, 1.0], dtype=torch.float64)
STD = torch.tensor([0.5, 0.01, 0.02, 0.9, 1.5], dtype=torch.float64)

BY_HAND = {
    strategies.signal_to_noise: ("deabc", [1.0, 10.0, 15.0, 0.2222, 0.6667]),
    strategies.root_of_squares: ("bcade", [0.7071, 0.1005, 0.3007, 0.9220, 1.8028]),
    strategies.mean_magnitude: ("bdcae", [0.5, 0.1, 0.3, 0.2, 1.0]),
    strategies.released_signal_to_noise: ("deacb", [2.0, 990.1, 748.1, 0.2469, 0.4444]),
    strategies.released_root_of_squares: ("daecb", [0.7305, 21.2176, 15.3939, 0.0511, 1.1644]),
}

SCORES = {
    "sparse_global_snr": strategies.signal_to_noise,
    "sparse_global_square": strategies.root_of_squares,
    "sparse_global_mu": strategies.mean_magnitude,
    "sparse_global_snr_released": strategies.released_signal_to_noise,
    "sparse_global_square_released": strategies.released_root_of_squares,
}
OUTPUT = "fc.weight"


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
    torch.testing.assert_close(strategies.root_of_squares(huge, 0 * huge), huge)


@pytest.fixture
def trained(make_network):
    """A LeNet whose means and stds vary over orders of magnitude, as training would make them."""
    model = make_network("mnist_lenet_12")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in variational_tensors(model):
            tensor.mean.normal_(0, 1, generator=generator)
            tensor.log_std.uniform_(-5, 1, generator=generator)
    return model


@pytest.fixture
def prunable(make_hparams):
    return Bayesian(make_hparams()).prunable


def prune(name, model, mask, fraction=0.2, ignored=OUTPUT):
    hparams = GlobalPruningHparams(pruning_strategy=name, pruning_fraction=fraction, pruning_layers_to_ignore=ignored)
    return STRATEGIES.get(name).prune(hparams, model, mask, torch.Generator().manual_seed(0))


def scores_by_hand(name, model):
    return {
        f"{layer}.weight": SCORES[name](module._weight_mean.detach(), module._weight_log_std.detach().exp())
        for layer, module in (("fc_layers.0", model.fc_layers[0]), ("fc", model.fc))
    }


@pytest.mark.parametrize("name", SCORES)
def test_a_strategy_is_for_bayesian_networks_alone(name):
    assert STRATEGIES.get(name).variants == (BAYESIAN,)
    assert STRATEGIES.get(name).get_pruning_hparams() is GlobalPruningHparams
    check_strategy_fits(name, BAYESIAN)
    with pytest.raises(InvalidValue, match="is for bayesian networks"):
        check_strategy_fits(name, "deterministic")


def test_magnitudes_of_single_weights_are_refused_for_bayesian_networks_and_the_random_control_is_not():
    with pytest.raises(InvalidValue, match="sparse_global_snr"):
        check_strategy_fits("sparse_global", BAYESIAN)
    check_strategy_fits("sparse_random", BAYESIAN)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("ignored", [None, OUTPUT, "fc_layers.0.weight"])
def test_the_lowest_scores_of_all_layers_that_are_not_ignored_go(name, trained, prunable, ignored):
    mask = Mask.ones(prunable_shapes(prunable(trained)))
    after = prune(name, trained, mask, 0.01, ignored)
    by_hand = {key: value for key, value in scores_by_hand(name, trained).items() if key != ignored}
    every = torch.cat([value.flatten() for value in by_hand.values()])
    count = math.ceil(0.01 * mask.total) + 1
    assert mask.unpruned - after.unpruned == count
    threshold = every.sort().values[count - 1]
    for key, value in by_hand.items():
        assert after[key].bool().equal(value > threshold)
    if ignored:
        assert after[ignored].all()


@pytest.mark.parametrize("name", SCORES)
def test_pruned_weights_neither_come_back_nor_move_the_threshold_over_many_levels(name, trained, prunable):
    mask = Mask.ones(prunable_shapes(prunable(trained)))
    for _ in range(8):
        apply_mask(prunable(trained), mask)
        kept = scores_by_hand(name, trained)["fc_layers.0.weight"][mask["fc_layers.0.weight"] == 1]
        after = prune(name, trained, mask)
        count = math.ceil(0.2 * mask.unpruned) + 1
        assert mask.unpruned - after.unpruned == count
        assert not any((after[key] > mask[key]).any() for key in mask)
        survivors = scores_by_hand(name, trained)["fc_layers.0.weight"][after["fc_layers.0.weight"] == 1]
        assert survivors.isfinite().all()
        assert survivors.min() > kept.sort().values[count - 1]
        mask = after


@pytest.mark.parametrize("name", SCORES)
def test_weights_that_tie_with_the_threshold_go_together(name, trained, prunable):
    layer = trained.fc_layers[0]
    with torch.no_grad():
        layer._weight_mean.fill_(1.0)
        layer._weight_log_std.fill_(-2.0)
        layer._weight_mean.view(-1)[:4000] = 2.0
    mask = Mask.ones(prunable_shapes(prunable(trained)))
    after = prune(name, trained, mask, fraction=0.001)
    expected = torch.arange(layer._weight_mean.numel()) < 4000
    assert after["fc_layers.0.weight"].flatten().bool().equal(expected)


def test_the_five_strategies_prune_differently(trained, prunable):
    mask = Mask.ones(prunable_shapes(prunable(trained)))
    masks = {tuple(prune(name, trained, mask, 0.5)["fc_layers.0.weight"].flatten().tolist()) for name in SCORES}
    assert len(masks) == len(SCORES)


def test_scoring_leaves_the_network_as_it_was(trained, prunable):
    before = {name: value.clone() for name, value in trained.state_dict().items()}
    for name in SCORES:
        prune(name, trained, Mask.ones(prunable_shapes(prunable(trained))))
    assert all(value.equal(before[name]) for name, value in trained.state_dict().items())


def remark(name, model, before, after, fraction=0.2, ignored=OUTPUT):
    hparams = GlobalPruningHparams(pruning_strategy=name, pruning_fraction=fraction, pruning_layers_to_ignore=ignored)
    return STRATEGIES.get(name).remark(hparams, model, before, after)


def test_a_pruning_says_how_far_std_spreads_and_how_much_of_the_mask_magnitude_would_have_kept(trained, prunable):
    before = Mask.ones(prunable_shapes(prunable(trained)))
    after, by_magnitude = (prune(f"sparse_global_{score}", trained, before) for score in ("snr", "mu"))
    same = sum(int((after[name] * by_magnitude[name]).sum()) for name in after) / after.unpruned
    gone = sum(int(((1 - after[name]) * (1 - by_magnitude[name])).sum()) for name in after) / (
        after.total - after.unpruned
    )
    layers = [module._weight_log_std.detach().flatten() for module in (trained.fc_layers[0], trained.fc)]

    def ratio(log_stds):
        low, high = torch.cat(log_stds).double().quantile(torch.tensor([0.1, 0.9], dtype=torch.float64))
        return float((high - low).exp())

    everywhere, within = ratio(layers), ratio([one - one.mean() for one in layers])
    assert same < 0.95
    assert remark("sparse_global_snr", trained, before, after) == [
        f"σ spreads by {everywhere:.2f} (90th over 10th percentile), within layers by {within:.2f}; "
        f"|μ| would have kept {100 * same:.1f} % of the same weights, and pruned {100 * gone:.1f} %"
    ]


def test_std_that_only_differs_between_layers_is_warned_of(trained, prunable):
    with torch.no_grad():
        for tensor, log_std in zip(variational_tensors(trained), (-5.0, -5.0, -1.0, -1.0), strict=True):
            tensor.log_std.fill_(log_std)
    before = Mask.ones(prunable_shapes(prunable(trained)))
    [said, warning] = remark("sparse_global_snr", trained, before, prune("sparse_global_snr", trained, before))
    assert "within layers by 1.00" in said
    assert warning.startswith("Warning: σ says next to nothing of single weights")


def test_pruned_weights_have_no_std_to_speak_of(trained, prunable):
    mask = Mask.ones(prunable_shapes(prunable(trained)))
    mask["fc_layers.0.weight"] = torch.zeros_like(mask["fc_layers.0.weight"])
    apply_mask(prunable(trained), mask)
    [said] = remark("sparse_global_snr", trained, mask, mask, ignored="fc_layers.0.weight")
    assert "inf" not in said and "nan" not in said
    nothing = Mask({name: torch.zeros_like(kept) for name, kept in mask.items()})
    apply_mask(prunable(trained), nothing)
    with pytest.raises(UserError, match="no weight is left"):
        remark("sparse_global_snr", trained, nothing, nothing)


def test_scores_without_std_have_nothing_to_say(trained, prunable):
    before = Mask.ones(prunable_shapes(prunable(trained)))
    assert remark("sparse_global_mu", trained, before, before) == remark("sparse_random", trained, before, before) == []


def test_std_of_other_weights_of_the_layer_is_a_control(trained, prunable):
    mask = Mask.ones(prunable_shapes(prunable(trained)))
    mask["fc_layers.0.weight"][:, ::2] = 0
    apply_mask(prunable(trained), mask)
    generators = [torch.Generator().manual_seed(seed) for seed in (0, 0, 1)]
    one, same, other = (strategies.signal_to_shuffled_noise(trained, mask, generator) for generator in generators)
    for tensor in variational_tensors(trained):
        if tensor.is_weight:
            kept = mask[tensor.name] == 1
            noise = (tensor.mean.abs() / one[tensor.name])[kept].sort().values
            torch.testing.assert_close(noise, tensor.log_std.exp()[kept].sort().values, rtol=1e-4, atol=0)
            assert torch.equal(one[tensor.name][kept], same[tensor.name][kept])
            assert not torch.equal(one[tensor.name][kept], other[tensor.name][kept])


@pytest.mark.parametrize("of_filters", [False, True])
def test_geometric_means_of_the_std_of_layers_and_of_filters_are_controls(trained, prunable, of_filters):
    mask = Mask.ones(prunable_shapes(prunable(trained)))
    mask["fc_layers.0.weight"][:, ::2] = 0
    mask["fc_layers.0.weight"][1] = 0  # a filter without a weight
    apply_mask(prunable(trained), mask)
    score = strategies.signal_to_noise_of_filters if of_filters else strategies.signal_to_noise_of_layers
    scores = score(trained, mask, torch.Generator())
    for tensor in variational_tensors(trained):
        if tensor.is_weight:
            kept, found = mask[tensor.name] == 1, scores[tensor.name]
            groups = range(len(found)) if of_filters else [slice(None)]
            for group in (group for group in groups if kept[group].any()):
                own = kept[group]
                expected = tensor.mean[group][own].abs() / gmean(tensor.log_std[group][own].detach().exp())
                torch.testing.assert_close(found[group][own], expected.float(), rtol=1e-4, atol=0)


def test_equal_stds_in_a_layer_make_all_controls_signal_to_noise(make_network, prunable):
    model = make_network("cifar_resnet_8_4")
    with torch.no_grad():
        for number, tensor in enumerate(variational_tensors(model)):
            tensor.log_std.fill_(-3.0 - 0.1 * number)
    ones = Mask.ones(prunable_shapes(prunable(model)))
    names = ("snr", "snr_shuffled", "snr_of_layers", "snr_of_filters")
    snr, *others = (prune(f"sparse_global_{name}", model, ones, 0.5) for name in names)
    assert max(sum(int((snr[name] != other[name]).sum()) for name in snr) for other in others) <= 2  # ties by rounding


def test_signal_to_noise_is_scaled_magnitude_as_long_as_std_has_learned_nothing(make_network, prunable):
    """So their masks are the same, though those of |mean| are others."""
    model = make_network("cifar_resnet_8_4")
    with torch.no_grad():
        for tensor in variational_tensors(model):
            tensor.log_std.fill_(-0.5 * math.log(tensor.mean[0].numel()) - 4 if tensor.is_weight else -4)
    ones = Mask.ones(prunable_shapes(prunable(model)))
    names = ("sparse_global_snr", "sparse_global_mu_scaled", "sparse_global_mu", "sparse_global_snr_shuffled")
    snr, scaled, plain, shuffled = (prune(name, model, ones, 0.5) for name in names)
    differing = [sum(int((snr[name] != other[name]).sum()) for name in snr) for other in (scaled, shuffled, plain)]
    assert max(differing[:2]) <= 2 and differing[2] > 100


def test_means_are_pruned_layer_by_layer_and_by_layer_adaptive_magnitude(trained, prunable):
    ones = Mask.ones(prunable_shapes(prunable(trained)))
    assert prune("sparse_layerwise_mu", trained, ones, 0.3, None).densities == pytest.approx(
        {"fc_layers.0.weight": 0.7, OUTPUT: 0.7}, abs=0.01
    )
    means = {tensor.name: tensor.mean.detach().abs() for tensor in variational_tensors(trained) if tensor.is_weight}
    expected = prune_lowest_globally(layer_adaptive(means, ones), ones, 0.3)
    found = prune("sparse_lamp_mu", trained, ones, 0.3, None)
    assert all(torch.equal(found[name], expected[name]) for name in found)
