"""The example plugin, installed as a package of its own, under every command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.examples.plugins import PROJECT, Shell
from tests.open_lth.running import Outcome, Tensors, Workplace, mask, results, weights

LENET = ("--default_hparams=mnist_lenet_12", "--dataset_name=digits", "--batch_size=256", "--training_steps=2ep")
DROPOUT = ("--mc_dropout", "--mc_dropout_rate=0.3", "--mc_dropout_samples=3")
LOTTERY = ("lottery", "--levels=2", *LENET)
QUIET = (*LOTTERY, *DROPOUT, "--quiet")
BRANCHES = {
    "shuffle": ("--seed=0", "--strategy=global"),
    "reinit": (),
    "retrain": (
        "--retrain_d_dataset_name=digits",
        "--retrain_d_batch_size=128",
        "--retrain_t_lr=0.01",
        "--retrain_t_optimizer_name=sgd",
        "--retrain_t_training_steps=1ep",
    ),
    "transplant": ("--bayesian_samples=2",),
}
TINY = {
    "mc_dropout": {
        "networks": {"LeNet-12": " ".join(LENET)},
        "flags": " ".join(DROPOUT[1:]),
        "levels": 1,
        "passes": 2,
    },
    "figures": {"mc_dropout": {}},
}

COMMANDS = {
    "lottery": QUIET,
    "again": (*QUIET, "--root=again"),
    "rate 0": (*LOTTERY, "--mc_dropout", "--mc_dropout_rate=0", "--quiet", "--root=rate 0"),
    "deterministic": (*LOTTERY, "--quiet", "--root=deterministic"),
    "evaluate": ("evaluate", *QUIET, "--passes=4"),
    **{name: ("lottery_branch", name, "--levels=2", *QUIET[2:], *words) for name, words in BRANCHES.items()},
    "train": ("train", *LENET, *DROPOUT, "--quiet"),
    "runs": ("runs",),
    "plugins": ("plugins",),
    "help": ("lottery", "--help"),
    "its help": ("lottery", "--mc_dropout", "--help"),
    "where": (*LOTTERY, "--display_output_location", "--root=anywhere"),
    "dry": ("reproduce", "--scale=mc_dropout_small", "--dry_run"),
    "dry paper": ("reproduce", "--scale=small", "--dry_run"),
    # What `reproduce` finds done it does not start a process for.
    "tiny deterministic": ("lottery", "--levels=1", *LENET, "--root=tiny", "--quiet"),
    "tiny": ("lottery", "--levels=1", *LENET, *DROPOUT, "--root=tiny", "--quiet"),
    "reproduce": ("reproduce", "--scale=tiny.json", "--root=tiny", "--jobs=2", "--threads=1", "--quiet"),
    "plot": ("plot", "--scale=tiny.json", "--root=tiny", "--output=figures"),
}
REFUSED = (*QUIET, "--pruning_strategy=sparse_global_snr")


@pytest.fixture(scope="module")
def outcomes(mc_dropout: Shell) -> dict[str, Outcome]:
    """What became of every command; those that must succeed did so without a word of complaint."""
    (mc_dropout.place / "tiny.json").write_text(json.dumps(TINY))
    found = mc_dropout.commands([*COMMANDS.values(), REFUSED])
    named = dict(zip([*COMMANDS, "refused"], found, strict=True))
    for name in COMMANDS:
        assert (named[name].code, named[name].err) == (0, ""), f"{name}: {named[name].err}"
    return named


@pytest.fixture
def lottery(mc_dropout: Shell, outcomes: dict[str, Outcome]) -> Path:
    """The replicate of the lottery that everything starts from."""
    return replicate(mc_dropout, "results")


def replicate(shell: Shell, root: str) -> Path:
    [found] = (shell.place / root).glob("lottery_*/replicate_1")
    return found


def kept(tensors: Tensors) -> int:
    return sum(int(one.sum()) for one in tensors.values())


def lottery_results(directory: Path) -> dict[str, bytes]:
    return {path: content for path, content in results(directory).items() if "branch" not in path}


def test_its_own_tests_pass(mc_dropout, tmp_path):
    tests = shutil.copytree(PROJECT / "examples" / "mc_dropout" / "tests", tmp_path / "tests")
    result = Shell(mc_dropout.packages, tmp_path).python("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests))
    assert result.returncode == 0, result.stdout


def test_its_flags_are_there_once_it_is_asked_for(outcomes):
    assert "--mc_dropout " in outcomes["help"].out and "--mc_dropout_rate" not in outcomes["help"].out
    assert "MC Dropout Hyperparameters:" in outcomes["its help"].out
    assert all(f"--mc_dropout_{flag}" in outcomes["its help"].out for flag in ("rate FLOAT", "samples INT"))


def test_a_lottery_without_it_keeps_its_name(mc_dropout, outcomes, tmp_path):
    without_plugin = Workplace(tmp_path, tmp_path).place(*LOTTERY)
    place = Path(outcomes["where"].out.strip()).relative_to(mc_dropout.place / "anywhere")
    assert place == without_plugin.relative_to(tmp_path) / "level_0" / "main"
    assert without_plugin.parent.name != replicate(mc_dropout, "results").parent.name


def test_a_lottery_prunes_by_magnitude_and_rewinds(lottery):
    initial, ticket = (weights(lottery / f"level_{level}" / "main", "ep0_it0") for level in (0, 2))
    trained, pruned = weights(lottery / "level_0" / "main", "ep2_it0"), mask(lottery / "level_1" / "main")
    layer = "fc_layers.0.weight"
    assert trained[layer][pruned[layer] == 1].abs().min() > trained[layer][pruned[layer] == 0].abs().max()
    for name, one in mask(lottery / "level_2" / "main").items():
        assert bool((ticket[name] == initial[name] * one).all()) and bool((one == 0).any() or name == "fc.weight")


def test_its_tensors_have_the_deterministic_names(mc_dropout, lottery):
    theirs = weights(replicate(mc_dropout, "deterministic") / "level_0" / "main", "ep0_it0")
    assert list(weights(lottery / "level_0" / "main", "ep0_it0")) == list(theirs)


def test_the_same_command_gives_the_same_bits(mc_dropout, lottery):
    again = lottery_results(replicate(mc_dropout, "again"))
    assert again and again == lottery_results(lottery)


def test_at_rate_0_it_is_the_deterministic_network_bit_by_bit(mc_dropout, lottery):
    plain = results(replicate(mc_dropout, "deterministic"))
    assert results(replicate(mc_dropout, "rate 0")) == plain
    trained = "level_0/main/model_ep2_it0.pth"
    assert plain[trained] != results(lottery)[trained], "dropout changes nothing"


def test_passes_over_the_test_set_differ(lottery):
    for level in range(3):
        evaluation = json.loads((lottery / f"level_{level}" / "main" / "evaluation.json").read_text())
        losses = evaluation["final"]["loss"]
        assert len(set(losses["values"])) == 4 and losses["std"] > 0


@pytest.mark.parametrize(
    ("branch", "name"),
    [
        ("shuffle", "randomly_prune"),
        ("reinit", "randomly_reinitialize"),
        ("retrain", "retrain"),
        ("transplant", "transplant"),
    ],
)
def test_branches_start_from_its_tickets(lottery, branch, name):
    [directory] = (lottery / "level_2").glob(f"lottery_branch_{name}_*")
    old, new = mask(lottery / "level_2" / "main"), mask(directory)
    assert (directory / "logger").exists() and kept(new) == kept(old)
    assert any(bool((new[name] != old[name]).any()) for name in old) is (branch == "shuffle")


def test_runs_and_plugins_know_it(outcomes):
    rows = [line.split() for line in outcomes["runs"].out.splitlines()]
    assert [row[4] for row in rows] == ["variant", "mc_dropout", "mc_dropout"]
    listed = [line.split() for line in outcomes["plugins"].out.splitlines()]
    assert ["mc_dropout", "open-lth-mc-dropout", "0.1.0", "loaded"] in listed
    assert ["variant", "mc_dropout", "mc_dropout"] in listed


def test_strategies_for_other_kinds_of_network_are_refused(outcomes):
    outcome = outcomes["refused"]
    assert outcome.code == 2 and outcome.err.count("\n") == 1
    of_magnitude = "sparse_global, sparse_random, sparse_global_scaled, sparse_lamp, sparse_layerwise"
    names = f"{of_magnitude}, sparse_snip, sparse_grasp, sparse_synflow"
    assert outcome.err.endswith(f"valid values for a mc_dropout network are {names}\n")


def test_its_figure_is_reproduced_and_plotted_at_a_scale_of_its_own(mc_dropout, outcomes):
    figures = mc_dropout.place / "figures"
    assert {path.name for path in figures.iterdir()} == {f"mc_dropout.{kind}" for kind in ("png", "pdf", "csv", "md")}
    table = [line.split(",") for line in (figures / "mc_dropout.csv").read_text().splitlines()]
    assert [row[1:3] for row in table[1:]] == [
        [method, level] for method in ("deterministic", "MC dropout") for level in ("0", "1")
    ]
    assert "Missing" not in (figures / "mc_dropout.md").read_text()


def test_its_named_scale_has_its_commands_and_leaves_the_papers_alone(outcomes):
    commands = outcomes["dry"].out.splitlines()
    assert len(commands) == 12 and sum("--mc_dropout_rate=0.2" in command for command in commands) == 6
    assert "mc_dropout" not in outcomes["dry paper"].out
