"""Compacted networks compute what the wide ones do, and have lost what can be lost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from foundations.errors import UserError
from open_lth.compaction import TOLERANCE, compact
from open_lth.compaction.compact import largest_accepted
from open_lth.compaction.narrowing import narrowed
from open_lth.compaction.reading import read_structure
from open_lth.compaction.removal import narrow_state, possible_removals
from open_lth.compaction.rules import rule_of
from tests.open_lth.compaction.networks import FAMILIES, disturb, images_of, needed_by_trial, parameters, prune, pruned


@torch.no_grad()
def difference(left: nn.Module, right: nn.Module, images: Tensor) -> float:
    return float((left(images) - right(images)).abs().max())


@settings(max_examples=8)
@given(density=st.sampled_from([0.0, 0.01, 0.03, 0.1, 0.5, 1.0]), seed=st.integers(0, 1000))
@pytest.mark.parametrize("name", FAMILIES)
def test_whatever_the_mask_the_rules_alone_leave_the_outputs_as_they_were(name, density, seed):
    model, images = pruned(name, density, seed)
    structure = read_structure(model, images[:1], rule_of)
    narrow = narrowed(model, *narrow_state(model, structure, possible_removals(structure))).eval()
    assert difference(narrow, model, images) <= TOLERANCE
    assert parameters(narrow) <= parameters(model)


def test_the_blocks_of_deep_residual_networks_lose_inner_channels_at_both_places():
    model, images = pruned("imagenet_resnet_50_4", density=0.02, seed=0)
    compacted = compact(model, lambda: [images])
    block = compacted.network.model.layer4[2]
    assert compacted.deviation <= TOLERANCE
    assert block.conv1.out_channels == block.conv2.in_channels < 32
    assert block.conv2.out_channels == block.conv3.in_channels < 32
    assert block.conv1.in_channels == block.conv3.out_channels < 128
    assert block.conv1.bias is not None  # there are constant channels in what it reads


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_with_all_its_weights_stays_as_it_is(name):
    model, images = pruned(name, density=1.0, seed=0)
    compacted = compact(model, lambda: [images])
    assert compacted.attention == {}
    assert {k: v.shape for k, v in compacted.network.state_dict().items()} == {
        k: v.shape for k, v in model.state_dict().items()
    }


@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_without_weights_is_left_with_a_unit_a_layer_and_its_embeddings(name):
    model, images = pruned(name, density=0.0, seed=0)
    compacted = compact(model, lambda: [images])
    narrow = compacted.network
    embedded = sum(p.numel() for key, p in narrow.named_parameters() if "embed" in key or "token" in key)
    layers = [one for one in narrow.modules() if isinstance(one, nn.Linear | nn.Conv2d)]
    assert compacted.deviation <= TOLERANCE
    assert parameters(narrow) - embedded < (100 + 4 * 32) * len(layers)  # ten classes; 32 is the width of the ViT


class Chain(nn.Sequential):
    """Layers one after another, whose activations never saturate to a constant."""

    def __init__(self, *layers: nn.Module, density: float, seed: int) -> None:
        torch.manual_seed(seed)
        super().__init__(*layers)
        disturb(self)
        prune(self, density, whole=str(len(layers) - 1))
        self.eval()


def linear_chain(seed: int) -> nn.Module:
    layers = (nn.Linear(36, 12), nn.Tanh(), nn.Linear(12, 9), nn.Tanh(), nn.Linear(9, 3))
    return Chain(nn.Flatten(), *layers, density=0.04, seed=seed)


def conv_chain(seed: int, padding: int) -> nn.Module:
    block = [nn.Conv2d(1, 8, 3, padding=padding), nn.BatchNorm2d(8), nn.Tanh()]
    block += [nn.Conv2d(8, 8, 3, padding=padding), nn.BatchNorm2d(8), nn.Tanh()]
    return Chain(*block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3), density=0.06, seed=seed)


@pytest.mark.parametrize("seed", range(8))
def test_of_linear_layers_exactly_the_units_go_that_are_found_by_trial(seed):
    model, images = linear_chain(seed), torch.randn(16, 1, 6, 6)
    narrow = compact(model, lambda: [images]).network
    inputs = needed_by_trial(model, "0", images)
    first, second = needed_by_trial(model, "2", images), needed_by_trial(model, "4", images)
    assert torch.equal(narrow[1].inputs, inputs.nonzero()[:, 0])
    assert 0 < len(narrow[1].inputs) <= 18
    assert (narrow[1].out_features, narrow[3].out_features) == (int(first.sum()), int(second.sum()))
    assert int(inputs.sum()) < 36 and int(first.sum()) < 12


@pytest.mark.parametrize(("read", "selected"), [(18, True), (19, False)])
def test_pixels_are_selected_where_no_more_than_half_of_them_are_read(read, selected):
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 4)).eval()
    with torch.no_grad():
        model[1].weight[:, read:] = 0.0
    layer = compact(model, images_of(4, 1, 6, 6)).network[1]
    assert layer.in_features == (read if selected else 36)
    assert hasattr(layer, "inputs") == selected


@pytest.mark.parametrize("seed", range(8))
def test_of_convolutions_without_padding_exactly_the_units_go_that_are_found_by_trial(seed):
    model, images = conv_chain(seed, padding=0), torch.randn(16, 1, 8, 8)
    narrow = compact(model, lambda: [images]).network
    first, second = needed_by_trial(model, "2", images), needed_by_trial(model, "5", images)
    assert (narrow[0].out_channels, narrow[3].out_channels) == (max(1, int(first.sum())), max(1, int(second.sum())))
    assert (narrow[1].num_features, narrow[4].num_features) == (narrow[0].out_channels, narrow[3].out_channels)


@pytest.mark.parametrize("seed", range(8))
def test_under_padding_one_constant_unit_stays_for_all_of_them(seed):
    model, images = conv_chain(seed, padding=1), torch.randn(16, 1, 8, 8)
    compacted = compact(model, lambda: [images])
    first = needed_by_trial(model, "2", images)
    assert compacted.network[0].out_channels in (int(first.sum()), int(first.sum()) + 1)
    assert compacted.deviation <= TOLERANCE


def test_a_constant_unit_becomes_part_of_the_next_bias():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)).eval()
    model.load_state_dict(
        {
            "0.weight": torch.tensor([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]]),
            "0.bias": torch.tensor([5.0, 0.5]),
            "2.weight": torch.tensor([[2.0, 1.0], [-1.0, 1.0]]),
            "2.bias": torch.tensor([0.25, 0.0]),
        }
    )
    narrow = compact(model, images_of(4, 3)).network
    assert narrow[0].weight.tolist() == [[1.0, 2.0, 3.0]]
    assert narrow[2].weight.tolist() == [[1.0], [1.0]]
    assert narrow[2].bias.tolist() == [10.25, -5.0]


def test_under_padding_the_weights_of_constant_units_are_added_in_proportion_to_one_that_stays():
    layers = (nn.Conv2d(1, 3, 1), nn.Tanh(), nn.Conv2d(3, 1, 3, padding=1, bias=False))
    model = nn.Sequential(*layers).eval()
    with torch.no_grad():
        model[0].weight[:2] = 0.0
        model[0].bias[:2] = torch.tensor([-0.5, -1.0])
    narrow = compact(model, images_of(4, 1, 5, 5)).network
    smaller, greater = torch.tensor([-0.5, -1.0]).tanh()
    assert torch.equal(narrow[0].bias, model[0].bias[1:])
    expected = model[2].weight[0, 1] + smaller / greater * model[2].weight[0, 0]
    assert torch.allclose(narrow[2].weight[0, 0], expected)
    assert torch.equal(narrow[2].weight[0, 1], model[2].weight[0, 2])


def test_a_layer_without_bias_is_given_one_for_constant_units():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2, bias=False)).eval()
    with torch.no_grad():
        model[0].weight[0], model[0].bias[0] = 0.0, 2.0
    narrow = compact(model, images_of(4, 3)).network
    assert torch.allclose(narrow[1].bias, 2.0 * model[1].weight[:, 0])


class Residual(nn.Module):
    """Two convolutions around which the input is carried, and a layer that reads some of the channels."""

    def __init__(self, unread: list[int], only_written_within: list[int]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, bias=False)
        self.inner = nn.Conv2d(6, 6, 3, padding=1)
        self.outer = nn.Conv2d(6, 6, 3, padding=1)
        self.fc = nn.Linear(6, 2)
        with torch.no_grad():
            self.stem.weight[only_written_within] = 0.0
            for layer in (self.inner, self.fc):
                layer.weight[:, unread] = 0.0

    def forward(self, images: Tensor) -> Tensor:
        stream = F.relu(self.stem(images))
        stream = stream + self.outer(F.relu(self.inner(stream)))
        return self.fc(stream.mean((2, 3)))


def test_a_residual_channel_goes_if_all_who_read_it_can_do_without():
    model = Residual(unread=[1, 4], only_written_within=[2]).eval()
    narrow = compact(model, images_of(4, 1, 6, 6)).network
    assert narrow.stem.out_channels == narrow.outer.out_channels == narrow.fc.in_features == 4
    assert narrow.inner.out_channels == 6


def test_a_residual_channel_stays_if_one_of_its_readers_needs_it():
    model = Residual(unread=[1], only_written_within=[]).eval()
    with torch.no_grad():
        model.inner.weight[0, 1, 0, 0] = 1.0
    assert compact(model, images_of(4, 1, 6, 6)).network.stem.out_channels == 6


class MixesChannels:
    """A hook that says of itself what is not so: it adds the channels' mean to each."""

    keeps_channels = True

    def __call__(self, module: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        return inputs[0] + inputs[0].mean(dim=1, keepdim=True)


def test_units_without_which_the_outputs_differ_stay_whatever_the_rules_say():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    with torch.no_grad():
        model[2].weight[:, [1, 3]] = 0.0
        model[4].weight[:, [0, 5, 6]] = 0.0
    model[2].register_forward_pre_hook(MixesChannels())
    compacted = compact(model, images_of(6, 5))
    assert (compacted.network[0].out_features, compacted.network[2].out_features) == (8, 5)
    assert compacted.deviation <= TOLERANCE


def test_units_that_reach_an_unknown_operation_stay():
    class Sorted(nn.Module):
        def forward(self, features: Tensor) -> Tensor:
            return features.sort(dim=1).values

    model = nn.Sequential(nn.Linear(3, 4), Sorted(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)).eval()
    with torch.no_grad():
        model[2].weight[:, 0] = 0.0
        model[4].weight[:, 0] = 0.0
    narrow = compact(model, images_of(4, 3)).network
    assert (narrow[0].out_features, narrow[2].out_features) == (4, 3)


class Twice(nn.Module):
    """A layer that is applied to an image and to its negative, with one unit that no later layer reads both times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.left, self.right = nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(4, 2)
        with torch.no_grad():
            self.left.weight[:, 0] = 0.0
            self.right.weight[:, 1] = 0.0
            self.layer.weight[:, 1] = 0.0

    def forward(self, features: Tensor) -> Tensor:
        return self.left(F.relu(self.layer(features))) + self.right(F.relu(self.layer(-features)))


def test_a_layer_that_is_used_twice_keeps_its_units():
    model, images = Twice().eval(), torch.randn(4, 4)
    structure = read_structure(model, images, rule_of)
    assert "layer" in structure.layers and possible_removals(structure) == []
    assert parameters(compact(model, lambda: [images]).network) == parameters(model)


def test_a_network_whose_operations_depend_on_the_images_is_refused_in_one_line():
    class Choosing(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images if images.sum() > 0 else -images

    with pytest.raises(UserError, match="cannot be compacted") as refused:
        compact(Choosing(), lambda: [torch.ones(1, 2)])
    assert "\n" not in str(refused.value)


@given(bad=st.sets(st.integers(0, 40)), count=st.integers(0, 40))
def test_what_is_accepted_together_is_all_but_the_items_that_are_at_fault(bad, count):
    def accept(items: Sequence[int]) -> bool:
        return not bad & set(items)

    assert largest_accepted(range(count), accept) == [item for item in range(count) if item not in bad]


def test_one_trial_is_enough_where_nothing_is_at_fault():
    trials: list[int] = []
    assert len(largest_accepted(range(1000), lambda items: not trials.append(len(items)))) == 1000
    assert trials == [1000]
