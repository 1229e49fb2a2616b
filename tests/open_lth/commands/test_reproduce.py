"""The subcommand `reproduce`: the experiments of figures, printed or run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from open_lth.jobs import JobsRunner
from tests.open_lth.running import Workplace, snapshot

TINY: dict[str, Any] = {
    "networks": {"LeNet": "--default_hparams=mnist_lenet_12"},
    "flags": "--dataset_name=digits --batch_size=512 --model_init=kaiming_uniform --optimizer_name=adam --lr=0.01 "
    "--momentum=0 --weight_decay=0 --training_steps=1ep --pruning_layers_to_ignore=fc.weight",
    "bayesian": "--bayesian_samples=2",
    "levels": 1,
    "passes": 2,
    "figures": {"5": {}},
}


def written(path: Path, **changes: object) -> str:
    path.write_text(json.dumps({**TINY, **changes}))
    return str(path)


@pytest.fixture
def scale(tmp_path: Path) -> str:
    return written(tmp_path / "tiny.json")


def dry_run(workplace: Workplace, *words: str) -> list[list[str]]:
    """Return the commands that a dry run prints, as words after the program."""
    lines = workplace.done("reproduce", "--dry_run", *words).out.splitlines()
    assert all(line.startswith("python open_lth.py ") for line in lines)
    return [shlex.split(line)[2:] for line in lines]


def begun(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what will hold the commands of the jobs that would be begun, which are not."""
    found: list[str] = []
    monkeypatch.setattr(JobsRunner, "run", lambda self: found.extend(shlex.join(job.command) for job in self._waiting))
    return found


def test_a_dry_run_prints_the_commands_in_order_and_touches_nothing(workplace, scale):
    commands = dry_run(workplace, "--scale", scale)
    places = [f"--root={workplace.root}", f"--dataset_root={workplace.dataset_root}"]
    assert [command[-3:] for command in commands] == [["--replicate=1", *places]] * 3
    assert [command[:2] for command in commands] == [
        ["lottery", "--default_hparams=mnist_lenet_12"],
        ["lottery", "--default_hparams=mnist_lenet_12"],
        ["lottery_branch", "transplant"],
    ]
    assert ["--bayesian" in command for command in commands] == [False, True, False]
    assert not workplace.root.exists()


def test_the_printed_commands_make_what_the_reproduction_would(workplace, scale, capsys):
    for command in dry_run(workplace, "--scale", scale, "--figure=9", "--quiet"):
        workplace.done(*command)
    outcome = workplace.done("reproduce", "--scale", scale, "--figure", "9", "5")
    assert outcome.out == (f"3 experiments, 1 at a time; results in {workplace.root}\n3 of 3 are done already\n")


def test_what_fails_takes_only_what_needs_it_along_and_the_same_command_makes_up_for_it(workplace, scale):
    trunk, bayesian, _ = dry_run(workplace, "--scale", scale)
    damaged = workplace.place(*trunk) / "level_0" / "main" / "mask.pth"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no mask")

    outcome = workplace.run("reproduce", f"--scale={scale}", "--jobs=2", "--threads=1")
    assert outcome.code == 2
    heading, lottery, to_repeat, transplant, to_repeat_it = outcome.err.splitlines()[-5:]
    assert heading == "error: 2 of 3 failed, the others are done"
    assert str(damaged) in lottery
    assert to_repeat == f"    to repeat: python open_lth.py {shlex.join([*trunk[:-2], '--threads=1', *trunk[-2:]])}"
    assert "not begun, since lottery" in transplant and "lottery_branch transplant" in to_repeat_it
    bayesian_files = snapshot(workplace.place(*bayesian))
    assert any("level_1/main/logger" in path for path in bayesian_files)

    damaged.unlink()
    outcome = workplace.done("reproduce", f"--scale={scale}", "--threads=1")
    assert "1 of 3 are done already" in outcome.out and "done (3 of 3)" in outcome.out
    assert snapshot(workplace.place(*bayesian)) == bayesian_files
    assert list(workplace.root.glob("*/replicate_1/level_1/lottery_branch_transplant_*/logger"))
    assert "test  ep" not in outcome.out  # one line an experiment, not one an evaluation


def test_measures_count_as_done_once_they_have_the_passes(workplace, scale, monkeypatch):
    commands = dry_run(workplace, "--scale", scale, "--figure=1")
    for command in commands[:4]:
        workplace.done(*command, "--quiet")
    waiting = begun(monkeypatch)
    workplace.done("reproduce", "--scale", scale, "--figure=1")
    assert waiting == [shlex.join(command) for command in commands[4:]]

    waiting.clear()
    workplace.done("reproduce", "--scale", written(Path(scale), passes=5), "--figure=1")
    (again,) = [command for command in waiting if "snr" in command]
    assert again.startswith("evaluate lottery ") and "--passes=5" in again


def test_replicates_and_whatever_says_how_to_run_are_passed_on(workplace, scale, monkeypatch):
    waiting = begun(monkeypatch)
    words = ("--replicates=2", "--jobs=3", "--device", "cpu", "--threads=1", "--checkpoint_minutes=5")
    workplace.done("reproduce", f"--scale={scale}", *words)
    assert [command.split("--replicate=")[1][0] for command in waiting] == ["1", "1", "1", "2", "2", "2"]
    ending = shlex.join(["--device", "cpu", "--threads=1", "--checkpoint_minutes=5", f"--root={workplace.root}"])
    assert all(ending in command and "--jobs" not in command for command in waiting)


def test_a_network_of_the_scale_alone_has_the_same_commands_and_no_word_of_it_in_them(workplace):
    def commands(*words: str) -> list[str]:
        return workplace.done("reproduce", "--scale=small", "--figure", "4", "6", "--dry_run", *words).out.splitlines()

    alone = commands("--network", "ViT (digits)")
    assert alone == [command for command in commands() if "_vit_" in command]
    assert not any("--network" in command for command in alone)
    assert {*commands("--network", "ViT (digits)", "VGG (digits)")} > {*alone}


def test_jobs_are_called_after_the_first_curve_that_they_are_in_or_that_needs_them(workplace, scale, monkeypatch):
    labels: list[str] = []
    monkeypatch.setattr(JobsRunner, "run", lambda self: labels.extend(job.label for job in self._jobs))
    workplace.done("reproduce", f"--scale={scale}", "--figure=5")
    workplace.done("reproduce", f"--scale={scale}", "--figure=1", "--replicates=2")
    assert labels[:3] == [
        "lottery: LeNet, deterministic, replicate 1",
        "lottery: LeNet, Bayesian, |μ|/σ, replicate 1",
        "lottery_branch: LeNet, transplanted, replicate 1",
    ]
    assert labels[3:5] == [f"{name}: LeNet, deterministic, replicate 1" for name in ("lottery", "evaluate")]
    assert len(set(labels[3:])) == len(labels[3:]) == 16


SCALES = "valid values are paper, small, medium, gpu, methods or the path of a JSON file"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), f"error: --scale is required: {SCALES}"),
        (("--scale=none.json",), f"error: --scale=none.json: {SCALES}"),
        (("--scale=paper", "--figure=10"), "error: --figure=10: valid values are 1, 2, 3, 4, 5, 6, 7, 8, 9, table1"),
        (("--scale=paper", "--network=ResNet"), "error: --network=ResNet: did you mean 'ResNet-20'? valid"),
        (
            ("--scale=small", "--figure", "7", "--network", "ViT (digits)"),
            "error: --network=ViT (digits): --scale=small has no figure 7 for it",
        ),
        (("--scale=paper", "--replicates=0"), "error: --replicates=0: must be a whole number of at least 1"),
        (("--scale=paper", "--jobs=two"), "error: --jobs=two: must be a whole number of at least 1"),
        (("--scale=paper", "--replicate=2"), "error: --replicate=2: no such flag; did you mean --replicates?"),
        (("--scale=paper", "--evaluate_only_at_end"), "error: --evaluate_only_at_end: no such flag"),
        (("--scale=paper", "--lr=2"), "error: --lr=2: no such flag"),
    ],
)
def test_a_mistake_ends_in_one_line(workplace, words, complaint):
    assert workplace.refused("reproduce", *words).startswith(complaint)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"flags": "--lr=much"}, "--lr=much: must be a number"),
        ({"flags": "--rate=1"}, "--rate=1: no such flag"),
        ({"networks": {"LeNet": "--default_hparams=lenet"}}, "--default_hparams=lenet: "),
        ({"bayesian": "--bayesian_samples=0"}, "--bayesian_samples=0: must be at least 1"),
    ],
)
@pytest.mark.parametrize("how", ["--dry_run", "--quiet"])
def test_flags_of_a_scale_that_are_wrong_come_out_before_anything_is_run(workplace, tmp_path, how, changes, complaint):
    path = written(tmp_path / "wrong.json", **changes)
    line = workplace.refused("reproduce", f"--scale={path}", how)
    assert line.startswith(f"error: --scale={path}: lottery") and complaint in line
    assert not workplace.root.exists()


def test_branches_beyond_the_last_level_come_out_before_anything_is_run(workplace, tmp_path):
    path = written(tmp_path / "wrong.json", levels=2, branch_levels="1-3")
    line = workplace.refused("reproduce", f"--scale={path}")
    assert line == f"error: --scale={path}: branch_levels: 1-3 reaches beyond levels, which is 2"
    assert not workplace.root.exists()


def test_a_figure_that_a_scale_says_nothing_about_is_refused(workplace, scale):
    line = workplace.refused("reproduce", f"--scale={scale}", "--figure", "6")
    assert line == f"error: --scale={scale}: has no experiments for figure 6"
