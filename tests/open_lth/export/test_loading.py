"""Tickets come back from their files as they were."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch import nn

from foundations.errors import InvalidValue, UserError
from open_lth.export import load_ticket
from pruning import Mask, prunable_shapes
from training import VARIANTS, measure


def predicted(run, network) -> torch.Tensor:
    """The predictive distribution as the run's own variant has it."""
    prediction, _ = run.evaluator().predict(copy.deepcopy(network), run.end)
    log_probabilities: torch.Tensor = prediction.log_probabilities
    return log_probabilities


def test_the_network_predicts_as_it_did(run, place):
    ticket = load_ticket(place.directory)
    assert torch.allclose(predicted(run, ticket.network), predicted(run, run.load_network(run.end)), atol=1e-5)


def test_its_pruned_weights_are_pruned(run, place):
    ticket = load_ticket(place.directory)
    prunable = run.variant.prunable(ticket.network)
    assert prunable_shapes(prunable) == {name: kept.shape for name, kept in ticket.mask.items()}
    for name, parts in prunable.items():
        for part in parts:
            pruned = part.parameter[ticket.mask[name] == 0]
            assert torch.equal(pruned, torch.full_like(pruned, part.pruned_value))


def test_the_mask_and_the_card_come_along(run, place):
    ticket = load_ticket(str(place.directory))
    assert ticket.mask.digest() == Mask.load(run.paths.mask).digest() == ticket.card["mask"]["digest"]
    assert ticket.directory == place.directory


def test_the_deterministic_network_is_a_plain_one(place):
    network = load_ticket(place.directory, "deterministic").network
    assert {type(module) for module in network.modules()} >= {nn.Linear}
    assert not network.training


def test_the_compact_network_computes_what_the_deterministic_one_does(run, compacted):
    wide = load_ticket(compacted.directory, "deterministic").network
    narrow = load_ticket(compacted.directory, "compact").network
    for images, _ in run.evaluator().test:
        assert torch.allclose(wide(images), narrow(images), atol=1e-5)
    assert sum(p.numel() for p in narrow.parameters()) < sum(p.numel() for p in wide.parameters()) / 2


def test_the_card_of_the_compact_network_tells_what_became_of_each_layer(compacted):
    card = json.loads(compacted.compact_card.read_text())
    narrow = load_ticket(compacted.directory, "compact").network
    assert 0 <= card["deviation"] <= card["tolerance"] == 1e-5
    [wide, shape] = card["layers"]["fc_layers.0.weight"]
    assert wide == [12, 784] and shape == list(narrow.fc_layers[0].weight.shape)
    assert card["parameters"]["compacted"] == sum(p.numel() for p in narrow.parameters())


def test_a_ticket_that_was_not_compacted_has_no_compact_form(place):
    with pytest.raises(UserError, match="--compact"):
        load_ticket(place.directory, "compact")


def test_without_the_plugin_the_deterministic_network_is_loaded_with_a_word(place, kind, monkeypatch, caplog):
    if kind == "deterministic":
        pytest.skip("needs no plugin")
    monkeypatch.delitem(VARIANTS._entries, kind)
    ticket = load_ticket(place.directory)
    [message] = caplog.messages
    assert f"no variant {kind} is registered" in message
    assert type(ticket.network.fc) is nn.Linear


def test_an_unknown_form_is_refused(place):
    with pytest.raises(InvalidValue, match="own, deterministic, compact"):
        load_ticket(place.directory, "tiny")


@pytest.mark.parametrize("name", ["weights", "mask", "further", "compact"])
def test_a_damaged_file_is_named(compacted, name, kind):
    path = getattr(compacted, name)
    if not path.exists():
        pytest.skip(f"a {kind} network has no such file")
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UserError, match=f"{path.name}: its SHA-256 is not"):
        load_ticket(compacted.directory, "compact" if name == "compact" else "own")


@pytest.mark.parametrize("name", ["weights", "mask", "card"])
def test_a_missing_file_is_named(place, name):
    getattr(place, name).unlink()
    with pytest.raises(UserError, match=f"{getattr(place, name).name}: [nN]o such file"):
        load_ticket(place.directory)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2, "library": {"version": "9.0"}}, "newer version of this project, 9.0"),
        ({"digests": None}, "is not the card of a ticket"),
        ({"network": {}}, "does not fit the network on its card"),
    ],
)
def test_a_card_that_cannot_be_right_is_refused_in_one_line(place, change, said):
    card = json.loads(place.card.read_text())
    place.card.write_text(json.dumps({**card, **change}))
    with pytest.raises(UserError, match=said) as refused:
        load_ticket(place.directory)
    assert "\n" not in str(refused.value)


def test_the_measures_of_the_compact_network_are_those_of_the_deterministic_one(run, compacted):
    network, test = load_ticket(compacted.directory, "deterministic").network, run.evaluator().test
    logits = torch.cat([network(images).detach() for images, _ in test])
    expected = measure(logits.log_softmax(dim=1), test.labels)
    assert json.loads(compacted.compact_card.read_text())["measures"] == pytest.approx(expected, abs=1e-4)


def test_the_mean_network_is_about_as_good_as_the_distribution(run, compacted):
    own = run.evaluator().evaluate(load_ticket(compacted.directory).network, run.end)
    mean = json.loads(compacted.compact_card.read_text())["measures"]
    assert abs(own["accuracy"] - mean["accuracy"]) < 0.05
