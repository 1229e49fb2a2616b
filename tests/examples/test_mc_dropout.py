"""The example plugin, installed as a package of its own, under every command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.examples.conftest import PROJECT, Shell
from tests.open_lth.running import mask, results, weights

LENET = ("--default_hparams=mnist_lenet_12", "--dataset_name=digits", "--batch_size=256", "--training_steps=2ep")
DROPOUT = ("--mc_dropout", "--mc_dropout_rate=0.3", "--mc_dropout_samples=3")
LOTTERY = ("lottery", "--levels=2", *LENET)


def shell_in(mc_dropout: Path, place: Path) -> Shell:
    place.mkdir(exist_ok=True)
    return Shell(mc_dropout, place)


@pytest.fixture(scope="module")
def lottery(mc_dropout, tmp_path_factory) -> Shell:
    """A finished lottery of levels 0 to 2; it is not to be changed."""
    shell = shell_in(mc_dropout, tmp_path_factory.mktemp("lottery"))
    shell.done(*LOTTERY, *DROPOUT, "--quiet")
    return shell


@pytest.fixture
def shell(lottery, tmp_path) -> Shell:
    """A copy of it, to branch off and to measure."""
    shutil.copytree(lottery.place, tmp_path / "place")
    return Shell(lottery.packages, tmp_path / "place")


def replicate(shell: Shell) -> Path:
    [found] = (shell.place / "results").glob("lottery_*/replicate_1")
    return found


def test_its_own_tests_pass(mc_dropout, tmp_path):
    tests = shutil.copytree(PROJECT / "examples" / "mc_dropout" / "tests", tmp_path / "tests")
    result = Shell(mc_dropout, tmp_path).run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests))
    assert result.returncode == 0, result.stdout


def test_its_flags_are_there_once_it_is_asked_for(lottery):
    plain, asked = lottery.done("lottery", "--help"), lottery.done("lottery", "--mc_dropout", "--help")
    assert "--mc_dropout " in plain and "--mc_dropout_rate" not in plain
    assert "MC Dropout Hyperparameters:" in asked
    assert "--mc_dropout_rate FLOAT" in asked and "--mc_dropout_samples INT" in asked


def test_a_lottery_without_it_keeps_its_name(mc_dropout, tmp_path):
    words = (*LOTTERY, "--display_output_location")
    with_plugin = Shell(mc_dropout, tmp_path).done(*words)
    assert with_plugin == Shell(tmp_path, tmp_path).done(*words)
    assert with_plugin != Shell(mc_dropout, tmp_path).done(*words, "--mc_dropout")


def test_a_lottery_prunes_by_magnitude_and_rewinds(lottery):
    dense, sparse = (replicate(lottery) / f"level_{level}" / "main" for level in (0, 2))
    initial, ticket = weights(dense, "ep0_it0"), weights(sparse, "ep0_it0")
    kept = mask(sparse)
    assert 0.6 < sum(int(one.sum()) for one in kept.values()) / sum(one.numel() for one in kept.values()) < 0.7
    assert all(bool((ticket[name] == initial[name] * one).all()) for name, one in kept.items())
    assert ticket.keys() == {f"{layer}.{part}" for layer in ("fc_layers.0", "fc") for part in ("weight", "bias")}


def test_the_same_command_gives_the_same_bits(lottery, tmp_path):
    again = shell_in(lottery.packages, tmp_path / "again")
    again.done(*LOTTERY, *DROPOUT, "--quiet")
    assert results(replicate(again)) == results(replicate(lottery))


def test_at_rate_0_it_is_the_deterministic_network_bit_by_bit(lottery, tmp_path):
    found = {}
    for name, words in {"rate 0": ("--mc_dropout", "--mc_dropout_rate=0"), "deterministic": ()}.items():
        shell = shell_in(lottery.packages, tmp_path / name)
        shell.done(*LOTTERY, *words, "--quiet")
        found[name] = results(replicate(shell))
    assert found["rate 0"] == found["deterministic"]
    trained = next(path for path in found["rate 0"] if path.startswith("level_0") and "ep2" in path)
    assert found["rate 0"][trained] != results(replicate(lottery))[trained], "dropout changes nothing"


def test_passes_over_the_test_set_differ(shell):
    shell.done("evaluate", *LOTTERY, *DROPOUT, "--passes=4", "--quiet")
    for level in range(3):
        path = replicate(shell) / f"level_{level}" / "main" / "evaluation.json"
        losses = json.loads(path.read_text())["final"]["loss"]
        assert len(set(losses["values"])) == 4 and losses["std"] > 0


@pytest.mark.parametrize(
    ("branch", "words"),
    [
        ("shuffle", ("--seed=0", "--strategy=global")),
        ("reinit", ()),
        ("retrain", ("--retrain_d_dataset_name=digits", "--retrain_d_batch_size=128", "--retrain_t_lr=0.01")),
        ("transplant", ("--bayesian_samples=2",)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_branches_start_from_its_tickets(shell, branch, words):
    shell.done("lottery_branch", branch, "--levels=2", *LENET, *DROPOUT, *words, "--quiet")
    [directory] = (replicate(shell) / "level_2").glob("lottery_branch_*")
    old, new = mask(replicate(shell) / "level_2" / "main"), mask(directory)
    assert (directory / "logger").exists()
    assert sum(int(one.sum()) for one in new.values()) == sum(int(one.sum()) for one in old.values())
    assert any(bool((new[name] != old[name]).any()) for name in old) is (branch == "shuffle")


def test_train_and_runs_know_it(shell):
    shell.done("train", *LENET, *DROPOUT, "--quiet")
    rows = [line.split() for line in shell.done("runs").splitlines()]
    assert {row[0].partition("_")[0]: row[4] for row in rows} == {
        "name": "plugin", "lottery": "mc_dropout", "train": "mc_dropout",
    }  # fmt: skip


def test_strategies_for_other_kinds_of_network_are_refused(lottery):
    words = (str(PROJECT / "open_lth.py"), *LOTTERY, *DROPOUT, "--pruning_strategy=sparse_global_snr")
    result = lottery.run(*words)
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert result.stderr.endswith("valid values for a mc_dropout network are sparse_global, sparse_random\n")


def test_its_figure_is_reproduced_and_plotted_at_a_scale_of_its_own(mc_dropout, tmp_path):
    scale = {
        "mc_dropout": {"networks": {"LeNet-12": " ".join(LENET)}, "flags": " ".join(DROPOUT[1:]),
                       "levels": 1, "passes": 2},
        "figures": {"mc_dropout": {}},
    }  # fmt: skip
    (tmp_path / "tiny.json").write_text(json.dumps(scale))
    shell = Shell(mc_dropout, tmp_path)
    shell.done("reproduce", "--scale=tiny.json", "--jobs=2", "--threads=1", "--quiet")
    shell.done("plot", "--scale=tiny.json", "--output=figures")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        f"mc_dropout.{kind}" for kind in ("png", "pdf", "csv", "md")
    }
    table = (tmp_path / "figures" / "mc_dropout.csv").read_text().splitlines()
    assert [line.split(",")[1:3] for line in table[1:]] == [
        [method, level] for method in ("deterministic", "MC dropout") for level in ("0", "1")
    ]


def test_its_named_scale_prints_its_commands_and_leaves_the_papers_alone(lottery):
    commands = lottery.done("reproduce", "--scale=mc_dropout_small", "--dry_run").splitlines()
    assert len(commands) == 12 and sum("--mc_dropout_rate=0.2" in command for command in commands) == 6
    assert "mc_dropout" not in lottery.done("reproduce", "--scale=small", "--dry_run")
