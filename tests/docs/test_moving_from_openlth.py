"""The page on moving from OpenLTH: its commands on a directory that OpenLTH wrote, and its code, installed and run."""

from __future__ import annotations

import ast
import hashlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import cli
from foundations.storage import load_tensors
from open_lth.branch import Branch
from open_lth.results.replicates import find_replicates
from pruning import Strategy
from tests.docs.pages import DOCS, blocks, commands, files
from tests.examples.plugins import Shell, plant
from tests.open_lth.conftest import mnist, openlth_trunk  # noqa: F401 - fixtures
from tests.open_lth.running import Outcome, Trunk, density, mask, snapshot, weights

PAGE = "moving_from_openlth.md"
OWN = [words for words in commands(PAGE) if "--default_hparams=mnist_tanh" in words]
ON_A_DIRECTORY = [words for words in commands(PAGE) if words not in OWN]
BEFORE = {name: block for block in blocks(PAGE, "python") for name in re.findall(r"^# before: (\S+)\n", block)}
LAYERS = ("fc_layers.0.weight", "fc_layers.1.weight", "fc.weight")


@pytest.fixture
def run(openlth_trunk: Trunk, monkeypatch, capsys):  # noqa: F811
    """Run a command of the page on a copy of OpenLTH's directory, which the environment names."""
    monkeypatch.setenv("OPEN_LTH_ROOT", str(openlth_trunk.workplace.root))
    monkeypatch.setenv("OPEN_LTH_DATASETS", str(openlth_trunk.workplace.dataset_root))

    def run_one(words: list[str]) -> str:
        assert cli.main(words) == 0, capsys.readouterr().err
        captured = capsys.readouterr()
        assert captured.err == ""
        return str(captured.out)

    return run_one


def named(command: str, wanted: str) -> list[str]:
    """Return the page's one command of a kind on a directory with this word, that does more than say where it would."""
    fitting = [words for words in ON_A_DIRECTORY if words[0] == command and wanted in words]
    [found] = [words for words in fitting if "--display_output_location" not in words]
    return found


def test_the_directory_is_listed_and_shown(run, openlth_trunk):  # noqa: F811
    [experiment] = find_replicates(openlth_trunk.workplace.root)
    assert f"{experiment.paths.name}  1          mnist_lenet_12_8" in run(["runs"])
    [show] = [words for words in ON_A_DIRECTORY if words[:2] == ["runs", "show"]]
    assert "    * training_steps => 2ep" in run(show) and "OpenLTH does not" in run(show)


def test_its_flags_lead_to_it(run, openlth_trunk):  # noqa: F811
    [where] = [words for words in ON_A_DIRECTORY if "--display_output_location" in words]
    [experiment] = find_replicates(openlth_trunk.workplace.root)
    assert Path(run(where).strip()) == experiment.paths.level(0).directory


def test_the_command_that_made_it_does_nothing_again(run, openlth_trunk):  # noqa: F811
    before = snapshot(openlth_trunk.workplace.root)
    run(named("lottery", "--levels=2"))
    assert snapshot(openlth_trunk.workplace.root) == before


def test_more_levels_continue_it(run, openlth_trunk):  # noqa: F811
    run(named("lottery", "--levels=3"))
    assert density(mask(openlth_trunk.level(3))) == pytest.approx(0.512, abs=1e-3)


def test_branches_start_from_it_and_it_is_evaluated(run, openlth_trunk):  # noqa: F811
    run(named("lottery_branch", "randomly_prune"))
    run(named("lottery_branch", "transplant"))
    [evaluation] = [words for words in ON_A_DIRECTORY if words[0] == "evaluate"]
    run(evaluation)
    [experiment] = find_replicates(openlth_trunk.workplace.root)
    kinds = sorted(name.removeprefix("lottery_branch_").rpartition("_")[0] for name in experiment.branches)
    assert kinds == ["randomly_prune", "randomly_prune", "randomly_reinitialize", "transplant"]
    assert all((openlth_trunk.level(level) / "evaluation.json").exists() for level in range(3))
    initial = weights(openlth_trunk.level(0), "ep0_it0")
    [shuffled] = openlth_trunk.level(2).parent.glob("lottery_branch_randomly_prune_*")
    start, kept = weights(shuffled, "ep0_it0"), mask(shuffled)
    assert all(torch.equal(start[name], initial[name] * kept[name]) for name in LAYERS), "the fixed fault"


def test_the_analysis_reads_what_openlth_wrote(openlth_trunk):  # noqa: F811
    analysis: dict[str, Any] = {}
    exec(files(PAGE)["analysis.py"], analysis)
    root = openlth_trunk.workplace.root
    accuracies, kept, network = analysis["ticket"](root, "lottery_10ded", 2)
    runs, curves = analysis["tables"](root)
    assert sorted(accuracies) == [0, 20]
    assert all(torch.equal(kept[name], mask(openlth_trunk.level(2))[name].int()) for name in LAYERS)
    assert all(
        torch.equal(network.state_dict()[name], weights(openlth_trunk.level(2), "ep2_it0")[name]) for name in LAYERS
    )
    [level_2] = runs[(runs["level"] == 2) & (runs["kind"] == "main")].to_dict("records")
    assert level_2["density"] == pytest.approx(kept.density) and level_2["final_accuracy"] == accuracies[20]
    assert set(curves.loc[curves["level"] == 2, "iteration"]) == {0, 20}


def test_every_command_of_the_page_is_tested():
    tested = [
        ["runs"],
        named("lottery", "--levels=2"),
        named("lottery", "--levels=3"),
        named("lottery_branch", "randomly_prune"),
        named("lottery_branch", "transplant"),
    ]
    others = [words for words in ON_A_DIRECTORY if words not in tested]
    assert [words[0] for words in others] == ["runs", "lottery", "evaluate"] and len(OWN) == 2


@pytest.fixture(scope="module")
def shell(tmp_path_factory) -> Shell:
    """A place where the page's package is a plugin."""
    place = tmp_path_factory.mktemp("moved")
    for name, content in files(PAGE).items():
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(content)
    plant(place, "moved")
    return Shell(place, place)


@pytest.fixture(scope="module")
def outcomes(shell: Shell) -> list[Outcome]:
    return shell.commands(OWN)


@pytest.fixture
def level_1(shell: Shell, outcomes: list[Outcome]) -> Path:
    assert [(outcome.code, outcome.err) for outcome in outcomes] == [(0, "")] * 2
    [found] = (shell.place / "results").glob("lottery_*/replicate_1/level_1")
    return found


def test_the_moved_model_and_strategy_prune_below_the_threshold(level_1):
    trained = weights(level_1.parent / "level_0" / "main", "ep2_it0")
    kept = mask(level_1 / "main")
    assert set(kept) == {"hidden.weight", "fc.weight"} and density(kept) < 1
    assert all(torch.equal(kept[name] == 1, trained[name].abs() >= 0.02) for name in kept)


def test_the_moved_branch_starts_from_noisy_weights_in_the_directory_that_openlth_would_name(level_1):
    digest = hashlib.md5(b"Hparams(noise=0.5, seed=0)", usedforsecurity=False).hexdigest()
    branch = level_1 / f"lottery_branch_perturb_{digest}"
    start, ticket = load_tensors(branch / "model_ep0_it0.pth"), weights(level_1 / "main", "ep0_it0")
    kept = mask(branch)["hidden.weight"] == 1
    noise = (start["hidden.weight"] - ticket["hidden.weight"])[kept]
    assert noise.std().item() == pytest.approx(0.5 * ticket["hidden.weight"].std().item(), rel=0.05)
    assert not bool(start["hidden.weight"][~kept].any())


@pytest.mark.parametrize("name", BEFORE)
def test_what_was_before_is_python_and_defines_openlths_extension_points(name):
    tree = ast.parse(BEFORE[name])
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    needed = {
        "models": {
            "is_valid_model_name",
            "get_model_from_name",
            "default_hparams",
            "output_layer_names",
            "loss_criterion",
        },
        "pruning": {"get_pruning_hparams", "prune"},
        "lottery": {"branch_function", "name", "description"},
    }
    assert needed[name.partition("/")[0]] <= defined


def test_what_stays_is_what_the_base_classes_ask_for():
    assert {"name", "description"} <= Branch.__abstractmethods__
    assert {"get_pruning_hparams", "prune"} == Strategy.__abstractmethods__
    assert list(inspect.signature(Strategy.prune).parameters)[3:] == ["generator"]


def test_the_links_lead_to_headings_that_there_are():
    headings = {
        re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
        for title in re.findall(r"^## (.*)$", (DOCS / "extending.md").read_text(), re.MULTILINE)
    }
    linked = re.findall(r"\(extending\.md#([\w-]+)\)", (DOCS / PAGE).read_text())
    assert linked and {*linked} <= headings
