"""The files of finished runs: OpenLTH's, in OpenLTH's places and formats."""

from __future__ import annotations

import hashlib
import json
import re

import pytest
import torch

from tests.open_lth.running import INPUT, KINDS, LENET, OUTPUT, Trunk, mask, measures, weights

OPENLTH = {"checkpoint.pth", "logger", "mask.pth", "model_ep0_it0.pth", "model_ep2_it0.pth", "sparsity_report.json"}
RUN = OPENLTH | {"timing.json", "command.json"}
ORIGIN = {"hparams.log"}
NAME = "lottery_3a6a47824d0b8bbd15b1212481c7bf0d"


def test_a_lottery_leaves_exactly_openlths_files_and_where_they_come_from_and_how_long_they_took(trunk):
    name = trunk.directory.parent.name
    base = f"{name}/replicate_1"
    expected = {f"{base}/level_{k}/main/{file}" for k in range(3) for file in RUN}
    assert trunk.workplace.files() == expected | {f"{base}/level_0/main/{file}" for file in ORIGIN}


def test_a_training_run_leaves_its_files_in_main_and_no_mask(workplace):
    workplace.done("train", *LENET, "--quiet")
    [name] = [path.name for path in workplace.root.iterdir()]
    assert re.fullmatch("train_[0-9a-f]{32}", name)
    files = (RUN | ORIGIN) - {"mask.pth", "sparsity_report.json"}
    assert workplace.files() == {f"{name}/replicate_1/main/{file}" for file in files}


def test_a_branch_leaves_a_runs_files_beside_its_levels_main(trunk):
    before = trunk.workplace.files()
    directory = trunk.branch("reinit", levels="1,2")
    new = trunk.workplace.files() - before
    base = f"{trunk.directory.parent.name}/replicate_1"
    assert new == {f"{base}/level_{k}/{directory.name}/{file}" for k in (1, 2) for file in RUN | ORIGIN}


def test_rewinding_adds_a_level_called_pretrain(finished):
    files = finished("--rewinding_steps=1ep").workplace.files()
    pretraining = {file.rpartition("/")[2] for file in files if "/level_pretrain/main/" in file}
    assert pretraining == {
        "checkpoint.pth",
        "command.json",
        "logger",
        "timing.json",
        "model_ep0_it0.pth",
        "model_ep1_it0.pth",
    }


def test_every_file_has_its_checksum_in_the_format_of_sha256sum(trunk):
    for file in trunk.workplace.files():
        path = trunk.workplace.root / file
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        head = f"# of {path.parent.relative_to(trunk.workplace.root).as_posix()}\n"
        assert path.with_name(f".{path.name}.sha256").read_text() == f"{head}{digest}  {path.name}\n"


def test_no_temporary_file_and_no_name_of_a_process_stays_behind(trunk):
    names = {path.name for path in trunk.workplace.root.rglob("*") if path.is_file()}
    assert names <= RUN | ORIGIN | {".lock"} | {f".{name}.sha256" for name in RUN | ORIGIN}
    assert all(path.stat().st_size == 0 for path in trunk.workplace.root.rglob(".lock"))


def test_hparams_log_is_openlths_to_the_byte(workplace, mnist, openlth_trunk):
    theirs = (openlth_trunk.level(0) / "hparams.log").read_bytes()
    ours = Trunk(type(workplace)(workplace.root.parent / "ours", mnist), openlth_trunk.words)
    ours.find_tickets(levels=0)
    assert (ours.level(0) / "hparams.log").read_bytes() == theirs


def test_hparams_log_lists_the_bayesian_group_as_well(finished):
    text = (finished(*KINDS["bayesian"]).level(0) / "hparams.log").read_text()
    assert "\nBayesian Hyperparameters\n    * variant_name => bayesian\n    * samples => 2\n" in text


def test_a_branchs_hparams_log_holds_its_own_arguments(trunk):
    directory = trunk.branch("shuffle", "--seed=4", "--strategy=even")
    text = (directory / "hparams.log").read_text()
    assert text.startswith("Branch Hyperparameters\n    * seed => 4\n    * strategy => even\n")


def test_the_logger_holds_name_iteration_and_value_for_every_epoch(trunk):
    for level in range(3):
        lines = (trunk.level(level) / "logger").read_text().splitlines()
        assert all(re.fullmatch(r"(test|train)_[a-z_]+,\d+,-?\d+(\.\d+)?(e-?\d+)?", line) for line in lines)
        taken = {
            name: [i for n, i, _ in measures(trunk.level(level)) if n == name]
            for name in ("test_loss", "test_accuracy", "test_examples", "train_loss")
        }
        assert taken["test_loss"] == taken["test_accuracy"] == taken["test_examples"] == [0, 6, 12]
        assert taken["train_loss"] == [6, 12]


def test_the_logger_counts_all_test_images_and_accuracy_is_a_fraction(trunk):
    values = measures(trunk.level(2))
    assert {value for name, _, value in values if name == "test_examples"} == {360.0}
    assert all(0 <= value <= 1 for name, _, value in values if name == "test_accuracy")


def test_evaluating_at_the_end_only_leaves_the_start_and_the_end_in_the_logger(workplace):
    trunk = Trunk(workplace, (*LENET, "--evaluate_only_at_end"))
    trunk.find_tickets(levels=0)
    assert [i for name, i, _ in measures(trunk.level(0)) if name == "test_accuracy"] == [0, 12]


def test_what_is_evaluated_changes_nothing_in_what_is_learned(workplace, finished, kind):
    trunk = Trunk(workplace, (*LENET, *KINDS[kind], "--evaluate_only_at_end"))
    trunk.find_tickets(levels=0)
    usual = finished(*KINDS[kind]).level(0)
    assert (trunk.level(0) / "model_ep2_it0.pth").read_bytes() == (usual / "model_ep2_it0.pth").read_bytes()


def test_masks_are_int_tensors_of_zeros_and_ones_for_the_prunable_weights_only(trunk):
    for level in range(3):
        saved = mask(trunk.level(level))
        assert {name: tuple(tensor.shape) for name, tensor in saved.items()} == {INPUT: (12, 784), OUTPUT: (10, 12)}
        assert all(tensor.dtype == torch.int32 for tensor in saved.values())
        assert all(set(tensor.unique().tolist()) <= {0, 1} for tensor in saved.values())


def test_the_sparsity_report_counts_the_mask(trunk):
    for level in range(3):
        saved = mask(trunk.level(level))
        report = json.loads((trunk.level(level) / "sparsity_report.json").read_text())
        assert report == {"total": 9408 + 120, "unpruned": sum(int(tensor.sum()) for tensor in saved.values())}


def test_a_deterministic_networks_state_has_openlths_names(finished):
    state = weights(finished().level(1), "ep2_it0")
    assert list(state) == ["fc_layers.0.weight", "fc_layers.0.bias", "fc.weight", "fc.bias"]


def test_command_json_turns_the_hash_back_into_the_command(trunk):
    kept = json.loads((trunk.level(0) / "command.json").read_text())
    assert trunk.workplace.place(*kept["command"]) == trunk.directory
    assert {"torch", "numpy"} <= set(kept["packages"])


@pytest.mark.parametrize("words", [("--training_steps=1ep3it",), ("--training_steps=9it",)])
def test_models_are_named_after_epoch_and_iteration(workplace, words):
    trunk = Trunk(workplace, (*LENET, *words))
    trunk.find_tickets(levels=0)
    assert {path.name for path in trunk.level(0).glob("model_*")} == {"model_ep0_it0.pth", "model_ep1_it3.pth"}
