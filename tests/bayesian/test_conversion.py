"""Which layers of one's own networks become random, what is said of the rest, and what is refused."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from bayesian.adapter import variational_tensors, weights_in_place
from bayesian.conversion import describe_conversion, make_bayesian, parameters_left
from bayesian.posterior import Posterior
from bayesian.tickets import distribution_state, mean_state, restore_distribution
from bayesian.variant import Bayesian
from foundations.errors import InvalidValue, UserError
from models import prunable_tensor_names
from pruning import Mask, apply_mask, prunable_shapes


class Attention(nn.Module):
    """Self-attention over the rows of an image."""

    def __init__(self, **settings: object) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(6, 2, batch_first=True, **settings)

    def forward(self, rows):
        return self.attention(rows, rows, rows, need_weights=False)[0]


class Recurrent(nn.Module):
    """A recurrent layer before an output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(6, 4, batch_first=True)
        self.norm = nn.LayerNorm(4)
        self.fc = nn.Linear(4, 3)

    def forward(self, rows):
        return self.fc(self.norm(self.lstm(rows)[0][:, -1]))


class Tied(nn.Module):
    """Two layers of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.fc = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)
        self.second.weight = self.first.weight

    def forward(self, rows):
        return self.fc(torch.tanh(self.second(torch.tanh(self.first(rows)))))


CONVERTED = {
    "linear": (lambda: nn.Linear(6, 3), (2, 6)),
    "1d": (lambda: nn.Conv1d(4, 6, 3, padding="same", groups=2), (2, 4, 9)),
    "3d": (lambda: nn.Conv3d(2, 3, 2, stride=2), (2, 2, 4, 4, 4)),
    "transposed 1d": (lambda: nn.ConvTranspose1d(4, 3, 3, stride=2), (2, 4, 5)),
    "transposed 2d": (lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2, output_padding=1), (2, 4, 5, 5)),
    "transposed 3d": (lambda: nn.ConvTranspose3d(2, 3, 2), (2, 2, 3, 3, 3)),
    "attention": (Attention, (2, 5, 6)),
    "attention with dropout and biases of keys": (lambda: Attention(dropout=0.5, add_bias_kv=True), (2, 5, 6)),
    "attention without biases": (lambda: Attention(bias=False), (2, 5, 6)),
}


@pytest.fixture(params=CONVERTED.values(), ids=CONVERTED)
def converted(request, make_hparams):
    """A deterministic network in evaluation mode, the same one converted, and images."""
    make, shape = request.param
    torch.manual_seed(0)
    deterministic = make().eval()
    model = copy.deepcopy(deterministic)
    make_bayesian(model, make_hparams(init_std=0.5))
    return deterministic, model, torch.randn(shape)


def test_every_parameter_becomes_random_and_the_mean_network_is_the_deterministic_one(converted):
    deterministic, model, images = converted
    tensors = variational_tensors(model)
    assert {tensor.name for tensor in tensors} == {name for name, _ in deterministic.named_parameters()}
    with weights_in_place(tensors, [tensor.mean for tensor in tensors]):
        assert torch.equal(model(images), deterministic(images))
    count = sum(parameter.numel() for parameter in deterministic.parameters())
    assert describe_conversion(model) == f"{count:,} of {count:,} parameters are random"
    assert parameters_left(model) == []


def test_a_sample_of_the_weights_is_what_the_network_computes_with(converted):
    deterministic, model, images = converted
    posterior = Posterior.of(model)
    sample = posterior.draw(torch.Generator().manual_seed(1))
    values = dict(zip([t.name for t in posterior.tensors], posterior.split(sample), strict=True))
    with posterior.weights(sample):
        drawn = model(images)
    expected = torch.func.functional_call(deterministic, values, (images,))
    torch.testing.assert_close(drawn, expected)
    assert not torch.allclose(drawn, deterministic(images))


def test_masks_have_the_same_tensors_in_both_kinds_of_network(converted, make_hparams):
    deterministic, model, _ = converted
    prunable = Bayesian(make_hparams()).prunable(model)
    assert list(prunable) == prunable_tensor_names(deterministic)
    mask = Mask({name: torch.zeros(shape) for name, shape in prunable_shapes(prunable).items()})
    apply_mask(prunable, mask)
    state = mean_state(model, None)
    assert state.keys() == deterministic.state_dict().keys()
    assert not any(bool(state[name].any()) for name in mask)


def test_what_stays_deterministic_is_named_or_refused(make_hparams):
    model = Recurrent()
    make_bayesian(model, make_hparams())
    assert [tensor.name for tensor in variational_tensors(model)] == ["fc.weight", "fc.bias"]
    names = "lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0"
    assert describe_conversion(model) == f"15 of 215 parameters are random; deterministic: normalisation, {names}"
    with pytest.raises(InvalidValue) as caught:
        make_bayesian(Recurrent(), make_hparams(partial="refuse"))
    assert str(caught.value) == f"--bayesian_partial=refuse: these would stay deterministic: {names}"


def test_many_names_are_cut_short(make_hparams):
    model = nn.ModuleDict({f"gru{index}": nn.GRU(2, 2) for index in range(3)} | {"fc": nn.Linear(2, 2)})
    make_bayesian(model, make_hparams())
    assert describe_conversion(model).endswith("gru1.weight_ih_l0 and 7 more")


def test_layers_that_share_a_weight_share_its_distribution_and_its_mask(make_hparams):
    torch.manual_seed(0)
    deterministic = Tied()
    model = copy.deepcopy(deterministic)
    make_bayesian(model, make_hparams(init_std=0.5))
    tensors = {tensor.name: tensor for tensor in variational_tensors(model)}
    assert set(tensors) == {"first.weight", "first.bias", "second.bias", "fc.weight", "fc.bias"}
    assert prunable_tensor_names(deterministic) == ["first.weight", "fc.weight"]
    assert list(Bayesian(make_hparams()).prunable(model)) == ["first.weight", "fc.weight"]
    assert model.second._weight_mean is model.first._weight_mean
    assert model.second._weight_log_std is model.first._weight_log_std
    posterior, rows = Posterior.of(model), torch.randn(4, 6)
    values = {t.name: v for t, v in zip(posterior.tensors, posterior.split(posterior.flat()[0]), strict=True)}
    with posterior.weights(posterior.flat()[0]):
        torch.testing.assert_close(model(rows), deterministic(rows))
    sample = posterior.draw(torch.Generator().manual_seed(0))
    values = {t.name: v for t, v in zip(posterior.tensors, posterior.split(sample), strict=True)}
    with posterior.weights(sample):
        drawn = model(rows)
    values["second.weight"] = values["first.weight"]
    torch.testing.assert_close(drawn, torch.func.functional_call(deterministic, values, (rows,), tie_weights=False))


def test_shared_weights_are_taken_apart_and_put_together_again(make_hparams):
    torch.manual_seed(0)
    deterministic = Tied()
    model, other = copy.deepcopy(deterministic), Tied()
    make_bayesian(model, make_hparams(init_std=0.5))
    make_bayesian(other, make_hparams())
    state = mean_state(model, None)
    assert state.keys() == deterministic.state_dict().keys()
    restore_distribution(other, state, distribution_state(model))
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], tensor)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (lambda: parametrizations.spectral_norm(nn.Linear(4, 4)), "its weight is computed from other tensors"),
        (lambda: parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), "its weight is computed from other tensors"),
        (lambda: torch.nn.utils.weight_norm(nn.Linear(4, 4)), "its weight is computed from other tensors"),
        (lambda: nn.LazyLinear(4), "is a LazyLinear, whose shape is not known"),
        (lambda: nn.LazyConv2d(4, 3), "is a LazyConv2d, whose shape is not known"),
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_layers_without_a_weight_of_their_own_are_refused_in_one_line(layer, reason, make_hparams):
    model = nn.Sequential(nn.Linear(4, 4), layer())
    with pytest.raises(UserError) as caught:
        make_bayesian(model, make_hparams())
    assert str(caught.value).startswith(f"--bayesian: 1: {reason}") and "\n" not in str(caught.value)
    with pytest.raises(UserError, match=f"^1: {reason}"):
        prunable_tensor_names(model)


def test_a_network_without_such_a_layer_is_refused(make_hparams):
    with pytest.raises(UserError, match="--bayesian: the network has no linear, convolutional or attention layer"):
        make_bayesian(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4)), make_hparams())
