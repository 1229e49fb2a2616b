"""`--tensorboard` and `--wandb`: everywhere, in no name, and in nobody's way."""

from __future__ import annotations

import importlib.util
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import wandb

from foundations.flags import flag
from foundations.sink import SinkKind, SinkRun
from foundations.step import Step
from open_lth.results import read_runs
from open_lth.results.replicates import find_replicates
from tests.open_lth.running import BAYESIAN, LENET, Outcome, Trunk, Workplace, measures, results
from tests.training.sinks.written import (
    tensorboard_values,
    wandb_config,
    wandb_files,
    wandb_run,
    wandb_values,
)
from training import SINKS

PROJECT = Path(__file__).parent.parent.parent.parent
SINK_FLAGS = ("--tensorboard", "--wandb", "--wandb_project=tickets")
COMMANDS = {
    "train": (),
    "lottery": ("--levels=1",),
    "lottery_branch": ("reinit", "--levels=1"),
}
IN_LEVEL_0 = 40


@pytest.fixture(autouse=True)
def wandb_offline(monkeypatch) -> None:
    for name in ("WANDB_DIR", "WANDB_PROJECT", "WANDB_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")


@pytest.fixture(scope="module")
def watched(tmp_path_factory) -> Iterator[Trunk]:
    """A lottery of two levels with a branch, all watched; it is not to be changed."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("WANDB_MODE", "offline")
        environment.delenv("WANDB_DIR", raising=False)
        place = tmp_path_factory.mktemp("watched")
        trunk = Trunk(Workplace(place / "results", place / "data"), (*LENET, *SINK_FLAGS))
        trunk.find_tickets(levels=1)
        trunk.branch("shuffle", "--seed=3")
        wandb.teardown()
        yield trunk


def run_directories(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.rglob("logger"))


@pytest.mark.parametrize("command", COMMANDS)
def test_no_name_changes(workplace, command):
    words = (command, *COMMANDS[command], *LENET)
    assert workplace.place(*words, *SINK_FLAGS) == workplace.place(*words)


@pytest.mark.parametrize("command", [*COMMANDS, "reproduce"])
def test_every_command_that_trains_has_the_flags(workplace, command):
    text = workplace.run(command, "--help").out
    assert all(f"\n  --{flag} " in text for flag in ("tensorboard", "wandb", "wandb_project TEXT"))


def test_reproduce_hands_the_flags_on(workplace):
    words = ("reproduce", "--scale=small", "--figure=1", "--dry_run", "--tensorboard", "--wandb", "--wandb_project=p")
    commands = workplace.done(*words).out.splitlines()
    assert commands and all("--tensorboard --wandb --wandb_project=p" in command for command in commands)


def test_every_level_and_branch_is_a_run_of_its_own(watched):
    directories = run_directories(watched.workplace.root)
    assert len(directories) == 3
    for directory in directories:
        logged = {(name, iteration): value for name, iteration, value in measures(directory)}
        assert tensorboard_values(directory) == pytest.approx(logged, rel=1e-6)
        [file] = wandb_files(directory)
        assert wandb_values(file) == logged
        name = directory.relative_to(watched.workplace.root).as_posix()
        found = wandb_run(file)
        assert (found.display_name, found.run_group, found.project) == (name, name.split("/")[0], "tickets")
    assert len({wandb_run(file).run_id for file in wandb_files(watched.workplace.root)}) == 3


def test_the_configuration_has_every_hyperparameter(watched):
    [level_1] = wandb_files(watched.level(1))
    config = wandb_config(level_1)
    assert (config["replicate"], config["level"]) == (1, 1)
    assert config["pruning_hparams"]["pruning_fraction"] == 0.2
    assert config["training_hparams"]["training_steps"] == "2ep"
    [branch] = [file for file in wandb_files(watched.workplace.root) if "lottery_branch_randomly_prune" in str(file)]
    assert wandb_config(branch)["branch_hparams"]["seed"] == 3
    assert wandb_config(branch)["pruning_hparams"] == config["pruning_hparams"]


def test_results_and_their_readers_are_as_without(watched, finished):
    plain = {path: content for path, content in results(finished().directory).items() if "level_2" not in path}
    found = {path: content for path, content in results(watched.directory).items() if "lottery_branch" not in path}
    assert found == plain
    table = read_runs(watched.workplace.root)
    assert list(zip(table["level"], table["kind"], strict=True)) == [(0, "main"), (1, "randomly_prune"), (1, "main")]
    [experiment] = find_replicates(watched.workplace.root)
    assert (experiment.levels, len(experiment.branches), len(list(experiment.runs()))) == ([0, 1], 1, 3)


def test_what_is_finished_is_not_watched_again(watched):
    before = sorted(watched.workplace.root.rglob("*"))
    watched.find_tickets(levels=1)
    assert sorted(watched.workplace.root.rglob("*")) == before


@pytest.mark.parametrize(("flag", "package"), [("tensorboard", "tensorboard"), ("wandb", "wandb")])
def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(workplace, monkeypatch, flag, package):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == package else found(name, *rest)
    )
    said = workplace.refused("train", *LENET, f"--{flag}")
    assert said == f"error: --{flag}: needs a package that is not installed: pip install {package}"
    assert not workplace.root.exists()
    workplace.done("train", *LENET, "--quiet")


def test_a_setting_without_its_sink_is_refused(workplace):
    said = workplace.refused("train", *LENET, "--wandb_project=tickets")
    assert said == "error: --wandb_project=tickets: has no effect without --wandb"


def test_a_refused_run_leaves_nothing(workplace):
    words = ("--default_hparams=imagenet_resnet_18", *SINK_FLAGS)
    assert "imagenet" in workplace.refused("train", *words, "--quiet")
    assert not list(workplace.root.rglob("*"))


def test_a_plugin_adds_a_sink_with_flags_of_its_own(workplace, monkeypatch):
    told: list[tuple[str, int, float]] = []

    @dataclass(frozen=True)
    class Notebook(SinkKind):
        description = "write a notebook"
        package = "pytest"
        colour: str = flag("of the pencil", "blue", metavar="TEXT")

        def open(self, run: SinkRun):
            told.append((self.colour, 0, 0.0))
            return self

        def add(self, name: str, step: Step, value: float) -> None:
            told.append((name, step.iteration, value))

        def flush(self) -> None: ...

        def close(self, is_done: bool) -> None:
            assert is_done

    monkeypatch.setattr(SINKS, "_entries", {**SINKS._entries, "notebook": Notebook})
    assert "--notebook_colour TEXT" in workplace.run("train", "--help").out
    workplace.done("train", *LENET, "--quiet", "--notebook", "--notebook_colour=red")
    [directory] = run_directories(workplace.root)
    assert told == [("red", 0, 0.0), *measures(directory)]


def in_a_process(workplace: Workplace, function: str, *arguments: object, flags: tuple[str, ...]) -> Outcome:
    """Run a function of `processes` on a lottery in an interpreter of its own, whose exit runs all that exits run."""
    places = (f"--root={workplace.root}", f"--dataset_root={workplace.dataset_root}")
    words = ["lottery", "--levels=1", "--quiet", *LENET, *flags, *places]
    script = f"import tests.open_lth.processes as p; p.{function}({words!r}, {', '.join(map(repr, arguments))})"
    ended = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, timeout=180, check=False
    )
    return Outcome(ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_a_stopped_run_says_so_and_goes_on_to_the_same_bits(workplace, finished, number, code):
    flags = ("--wandb", "--tensorboard")
    ended = in_a_process(workplace, "run_and_be_signalled", IN_LEVEL_0, int(number), flags=flags)
    assert (ended.code, ended.out) == (code, "")
    first, again = ended.err.splitlines()
    assert first.startswith(f"stopped by {number.name} in ") and first.endswith("; everything up to there is saved")
    assert again.startswith("to go on: python open_lth.py lottery ")
    trunk = Trunk(workplace, (*LENET, *flags))
    trunk.find_tickets(levels=1)
    plain = {path: content for path, content in results(finished().directory).items() if "level_2" not in path}
    assert results(trunk.directory) == plain
    for level in (0, 1):
        logged = {(name, iteration): value for name, iteration, value in measures(trunk.level(level))}
        assert tensorboard_values(trunk.level(level)) == pytest.approx(logged, rel=1e-6)
        assert wandb_values(wandb_files(trunk.level(level))[-1]) == logged


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds wandb's process through /proc")
def test_the_death_of_wandbs_process_costs_the_rest_of_one_run_and_nothing_else(workplace, finished):
    ended = in_a_process(workplace, "run_and_lose_wandb", IN_LEVEL_0, flags=("--wandb",))
    assert (ended.code, ended.out) == (0, "")
    assert ended.err.startswith("warning: --wandb is switched off for lottery_")
    assert ended.err.count("\n") == 1, ended.err
    trunk = Trunk(workplace, LENET)
    plain = {path: content for path, content in results(finished().directory).items() if "level_2" not in path}
    assert results(trunk.directory) == plain
    [file] = wandb_files(trunk.level(1))
    assert wandb_values(file) == {(name, it): value for name, it, value in measures(trunk.level(1))}


def test_terms_of_other_kinds_of_network_are_handed_on_as_well(workplace):
    workplace.done("train", *LENET, *BAYESIAN, "--quiet", "--tensorboard")
    [directory] = run_directories(workplace.root)
    assert {"train_kl", "train_data_fit"} <= {name for name, _ in tensorboard_values(directory)}
