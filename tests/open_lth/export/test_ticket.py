"""What `export` writes of a run."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file

from foundations.errors import UserError
from foundations.paths import RunPaths
from foundations.storage import load_tensors
from open_lth.export.paths import TicketPaths
from open_lth.export.ticket import export_ticket
from open_lth.results.trainings import training_of
from pruning import Mask
from tests.open_lth.running import OUTPUT, means, snapshot, weights


def test_the_weights_are_those_at_the_end_and_pruned_ones_are_exactly_0(run, place):
    trained, mask = weights(run.paths.directory, "ep2_it0"), load_tensors(run.paths.mask)
    exported = load_file(place.weights)
    assert exported.keys() >= mask.keys()
    for name, kept in mask.items():
        assert torch.equal(exported[name], means(trained, name) * kept)
        assert torch.equal(exported[name] != 0, kept == 1)


def test_other_programs_find_the_deterministic_network_under_its_own_names(run, place, kind):
    exported = load_file(place.weights)
    expected = {f"{layer}.{what}" for layer in ("fc_layers.0", "fc") for what in ("weight", "bias")}
    assert exported.keys() == expected
    assert all(tensor.dtype == torch.float32 for tensor in exported.values())


def test_the_mask_is_the_runs(run, place):
    mask = load_file(place.mask)
    assert {tensor.dtype for tensor in mask.values()} == {torch.uint8}
    assert Mask(mask).digest() == Mask.load(run.paths.mask).digest()


def test_a_network_of_numbers_has_nothing_further_and_a_distribution_has_its_stds(run, place, kind):
    assert place.further.exists() == (kind == "bayesian")
    if kind == "bayesian":
        stds, mask = load_file(place.further), load_file(place.mask)
        trained = weights(run.paths.directory, "ep2_it0")
        assert torch.equal(stds["fc_layers.0.weight.std"] == 0, mask["fc_layers.0.weight"] == 0)
        assert torch.equal(stds["fc.weight.std"], trained["fc._weight_log_std"].exp())


def test_the_card_says_what_it_is_and_how_it_came_about(run, place, kind):
    card = json.loads(place.card.read_text())
    assert card["license"] == "mit"
    assert card["run"]["level"] == 2 and card["run"]["replicate"] == 1 and card["run"]["kind"] == "main"
    assert card["run"]["experiment"] == run.paths.directory.parents[2].name
    assert card["mask"]["kept"] / card["mask"]["total"] == card["mask"]["density"] < 0.05
    assert card["mask"]["digest"] == Mask.load(run.paths.mask).digest()
    assert card["measures"]["final_accuracy"] > 0.15 and card["measures"]["test_examples"] == 360
    assert card["hyperparameters"]["pruning_hparams"]["pruning_fraction"] == 0.8
    assert card["provenance"]["command"][0] == "lottery"
    assert card["network"]["variant"] == kind
    assert card["data"] == {
        "name": "digits",
        "image_shape": [1, 28, 28],
        "mean": card["data"]["mean"],
        "std": card["data"]["std"],
    }


def test_the_card_has_the_digest_of_every_other_file(place, kind):
    import hashlib

    digests = json.loads(place.card.read_text())["digests"]
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in place.directory.iterdir()}
    assert digests == {name: digest for name, digest in files.items() if name.endswith("safetensors")}
    assert len(digests) == (3 if kind == "bayesian" else 2)
    assert all(digest in place.readme.read_text() for digest in digests.values())


def test_people_and_the_hub_can_read_the_card(run, place, kind):
    text = place.readme.read_text()
    head = text.split("---")[1].splitlines()
    assert {"license: mit", "library_name: open-lth", "- lottery-ticket", f"- {kind}"} <= set(head)
    assert "python open_lth.py lottery --levels=2" in text
    assert f"`{OUTPUT}`" not in text and "| `training_hparams.lr` |" in text


def test_what_is_there_is_not_written_again(run, place):
    before = snapshot(place.directory)
    export_ticket(run, place, "apache-2.0")
    assert snapshot(place.directory) == before


def test_a_ticket_without_its_card_is_written_again_to_the_same_bits(run, place):
    before = {path.name: path.read_bytes() for path in place.directory.iterdir()}
    place.card.unlink()
    place.mask.unlink()
    export_ticket(run, place, "mit")
    assert {path.name: path.read_bytes() for path in place.directory.iterdir()} == before


def test_a_run_that_is_not_finished_is_refused(trunk, tmp_path):
    directory = trunk.level(1)
    run = training_of(RunPaths(directory))
    (directory / "logger").unlink()
    with pytest.raises(UserError, match="not finished"):
        export_ticket(run, TicketPaths(tmp_path / "ticket"), "mit")
    assert not (tmp_path / "ticket").exists()


def test_a_mask_of_another_network_is_refused(trunk, tmp_path):
    run = training_of(RunPaths(trunk.level(1)))
    mask = Mask.load(run.paths.mask)
    shutil.rmtree(trunk.level(2))
    Mask({name: tensor[:1] for name, tensor in mask.items()}).save(RunPaths(trunk.level(1)))
    with pytest.raises(UserError, match="does not fit the network"):
        export_ticket(run, TicketPaths(tmp_path / "ticket"), "mit")
