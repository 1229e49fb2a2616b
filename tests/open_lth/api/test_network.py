"""A network of one's own through the whole cycle, against the project's own parts."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bayesian.adapter import variational_tensors
from foundations.errors import UserError
from open_lth.api import Network
from pruning import prune_lowest_globally
from training import measure

torch.manual_seed(0)
IMAGES = torch.randn(96, 1, 6, 6)
LABELS = (IMAGES.flatten(1)[:, :3].argmax(dim=1)).long()
TRAIN = DataLoader(TensorDataset(IMAGES[:64], LABELS[:64]), batch_size=24)
TEST = DataLoader(TensorDataset(IMAGES[64:], LABELS[64:]), batch_size=20)
KINDS = {
    "deterministic": ({}, "sparse_global"),
    "bayesian": ({"samples": 2, "std_lr_factor": 10.0}, "sparse_global_snr"),
    "ivon": (
        {"samples": 1, "bayesian_optimizer": "ivon", "ivon_lr": 0.1, "init_std": 0.5, "steps": 120},
        "sparse_global_snr",
    ),
}


class Own(nn.Module):
    """Nothing that a registry knows: a shared layer, BatchNorm, dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.bn = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.twice, self.out, self.drop = nn.Linear(64, 64), nn.Linear(64, 3), nn.Dropout(0.2)

    def forward(self, images):
        features = self.bn(self.conv(images)).relu().flatten(1)
        return self.out(self.drop(self.twice(self.twice(features).relu())))


def own():
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Own()


def make(kind="deterministic", **more):
    variant = "deterministic" if kind == "deterministic" else "bayesian"
    return Network(own(), TRAIN, **{"variant": variant, "lr": 0.01, "device": "cpu", **KINDS[kind][0], **more})


@pytest.fixture(params=list(KINDS))
def kind(request):
    return request.param


def test_the_whole_cycle_and_what_is_pruned_stays_pruned(kind):
    given = own()
    before = {name: tensor.clone() for name, tensor in given.state_dict().items()}
    network = make(kind)
    for level in range(3):
        terms = network.train(epochs=3)
        assert math.isfinite(terms["loss"]) and 0 <= terms["accuracy"] <= 1
        assert network.level == level and network.density == pytest.approx(0.5**level, rel=0.02)
        network.prune(KINDS[kind][1], 0.5)
        network.rewind()
    network.train()
    parts = network.variant.prunable(network.model)
    for name, kept in network.mask.items():
        for part in parts[name]:
            assert torch.equal(part.parameter == part.pruned_value, kept == 0)
    assert all(torch.equal(before[name], tensor) for name, tensor in given.state_dict().items())


def test_it_learns_and_measures_as_the_measures_do(kind):
    network = make(kind)
    network.train(epochs=40)
    found = network.measure(TRAIN)
    labels = torch.cat([labels for _, labels in TRAIN])
    assert found["accuracy"] > 0.8
    assert found == measure(network.predict(TRAIN).log_probabilities, labels)
    assert network.measure(TEST)["loss"] > 0


def test_the_same_seed_gives_the_same_bits_and_another_other_ones(kind):
    def trained(seed):
        network = make(kind, seed=seed)
        network.train(epochs=2)
        return next(network.model.parameters())

    assert torch.equal(trained(3), trained(3)) and not torch.equal(trained(3), trained(4))


def test_rewinding_is_to_the_first_weights_or_those_that_were_kept():
    network = make()
    first = network.model.out.weight.detach().clone()
    network.train()
    later = network.model.out.weight.detach().clone()
    network.rewind()
    assert torch.equal(network.model.out.weight, first)
    network.train()
    network.keep()
    kept = network.model.out.weight.detach().clone()
    network.train(epochs=2)
    network.rewind()
    assert torch.equal(kept, later) and torch.equal(network.model.out.weight, kept)


def test_pruning_is_the_strategys(kind):
    network = make("deterministic")
    network.train()
    scores = {name: network.model.get_parameter(name).detach().abs() for name in network.mask}
    expected = prune_lowest_globally(scores, network.mask, 0.3, ["out.weight"])
    found = network.prune("sparse_global", 0.3, ignore=["out.weight"])
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("strategy", ["sparse_snip", "sparse_grasp", "sparse_synflow", "sparse_random"])
def test_strategies_that_look_at_the_data_can(kind, strategy):
    network = make(kind)
    before = {name: tensor.clone() for name, tensor in network.model.state_dict().items()}
    network.prune(strategy, 0.4)
    assert network.density <= 0.61
    network.rewind()
    assert set(network.model.state_dict()) == set(before)


def test_a_layer_that_is_used_twice_has_one_posterior():
    network = make("bayesian")
    assert len([t for t in variational_tensors(network.model) if t.name.startswith("twice.weight")]) == 1
    assert "all layers" in network.diagnostics() and not make().diagnostics()


def test_more_samples_can_be_asked_for():
    network = make("bayesian")
    few, many = network.predict(IMAGES[:4], samples=1), network.predict(IMAGES[:4], samples=8)
    assert few.sample_entropies is None and many.sample_entropies is not None
    assert many.log_probabilities.exp().sum(dim=1) == pytest.approx(torch.ones(4))


def test_it_is_saved_and_loaded(kind, tmp_path):
    network = make(kind)
    network.train()
    network.prune(KINDS[kind][1], 0.5)
    network.save(tmp_path / "deep" / "ticket.pt")
    other = make(kind)
    other.load(tmp_path / "deep" / "ticket.pt")
    assert other.level == 1 and other.density == network.density
    assert torch.equal(other.predict(IMAGES).log_probabilities, network.predict(IMAGES).log_probabilities)
    network.rewind()
    other.rewind()
    assert torch.equal(next(other.model.parameters()), next(network.model.parameters()))


@pytest.mark.parametrize(
    ("do", "message"),
    [
        (lambda: make(variant="bayes"), "--variant=bayes: .*bayesian"),
        (lambda: make(wieght_decay=1e-4), "wieght_decay"),
        (lambda: make(optimizer="lion"), "--optimizer_name=lion"),
        (lambda: make().prune("sparse_global_snr"), "is for bayesian networks"),
        (lambda: make().prune("sparse_global", 1.5), "pruning_fraction"),
        (lambda: make().prune("sparse_global", ignore=["head"]), "--pruning_layers_to_ignore=head"),
        (lambda: make("bayesian").load("/no/such.pt"), "no such file"),
        (lambda: Network(own(), [(IMAGES, LABELS)]), "num_examples"),
        (lambda: Network(own(), [], num_examples=1).train(), "no training batches"),
        (lambda: Network(nn.Sequential(nn.ReLU()), TRAIN, variant="bayesian"), "no linear, convolutional"),
    ],
)
def test_mistakes_are_errors_in_one_line(do, message):
    with pytest.raises(UserError, match=message):
        do()


def test_a_file_of_another_network_is_refused(tmp_path):
    make().save(tmp_path / "a.pt")
    with pytest.raises(UserError, match="is of a deterministic network"):
        make("bayesian").load(tmp_path / "a.pt")
    with pytest.raises(UserError, match="does not fit this network"):
        Network(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)), TRAIN).load(tmp_path / "a.pt")


def test_training_that_diverges_is_said():
    network = Network(own(), TRAIN, optimizer="sgd", lr=1e20, device="cpu")
    with pytest.raises(UserError, match="diverged"):
        network.train(epochs=3)


def test_a_strategy_that_asks_for_gradients_gets_their_mean_over_batches():
    network = Network(nn.Sequential(nn.Flatten(), nn.Linear(36, 3)), TRAIN, device="cpu")
    found = network._circumstances().gradients(network.model, 3)["1.weight"]
    expected = torch.zeros(3, 36)
    for images, labels in TRAIN:
        residuals = network.model(images).softmax(dim=1) - nn.functional.one_hot(labels, 3)
        expected += (residuals.T @ images.flatten(1) / len(images)).detach() / 3
    torch.testing.assert_close(found, expected)
    assert network.model[1].weight.grad is None
