"""What is refused before anything is submitted, and what a command is split into; without a Slurm."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace

import pytest

import cli
from foundations.errors import UserError
from open_lth.cluster import submission
from open_lth.flags.running import without_platform_flags
from open_lth.results import read_runs
from tests.open_lth.commands.test_reproduce import written
from tests.open_lth.running import LENET, snapshot

LOTTERY = ("lottery", "--levels=1", *LENET)
SUBMITTED = "--platform=slurm"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[tuple[str, ...]], str]]:
    """What would be sent to sbatch: the commands of each array, and its dependency."""
    found: list[tuple[list[tuple[str, ...]], str]] = []

    def submit_array(commands: Sequence[tuple[str, ...]], *rest: object) -> list[str]:
        found.append((list(commands), str(rest[-1])))
        number = len(found)
        return [f"{number}_{index}" for index in range(len(commands))] if len(commands) > 1 else [str(number)]

    monkeypatch.setattr(submission, "submit_array", submit_array)
    monkeypatch.setattr(submission, "check_sbatch", lambda root: None)
    monkeypatch.setattr(submission, "job_states", lambda jobs, root: {})
    return found


def test_a_job_runs_the_same_command_without_the_flags_of_the_platform(sent, workplace):
    flags = ("--slurm_time", "30", "--slurm_extra=exclusive", "--slurm_extra", "qos=x", "--slurm_gpus=2")
    workplace.done(*LOTTERY, *flags, "--platform", "slurm", "--quiet")
    [([command], dependency)] = sent
    assert command == (*LOTTERY, "--quiet", f"--root={workplace.root}", f"--dataset_root={workplace.dataset_root}")
    assert dependency == ""


def test_no_flag_of_the_platform_is_left_whatever_stands_around_it():
    words = [
        "lottery_branch",
        "shuffle",
        "--seed",
        "-1",
        "--slurm_cpus",
        "4",
        "--levels",
        "1-2",
        "--platform=slurm",
        "--quiet",
    ]
    assert without_platform_flags(words) == ("lottery_branch", "shuffle", "--seed", "-1", "--levels", "1-2", "--quiet")


def test_the_place_is_the_same_with_and_without_the_flags(workplace):
    assert workplace.place(*LOTTERY, SUBMITTED, "--slurm_gpus=2") == workplace.place(*LOTTERY)


def test_a_branch_is_an_array_over_its_levels_or_one_job_that_trains_several_at_a_time(sent, trunk_of):
    trunk = trunk_of()
    words = ("lottery_branch", "reinit", "--levels=0-2", *trunk.words, SUBMITTED)
    out = trunk.workplace.done(*words, "--jobs=3").out
    assert len(sent[0][0]) == 1 and "--jobs=3" in sent[0][0][0] and "--levels=0-2" in sent[0][0][0]
    trunk.workplace.done(*words)
    assert [command[-1] for command in sent[1][0]] == ["--levels=0", "--levels=1", "--levels=2"]
    assert "submitted: job 1, lottery_branch" in out


def test_only_levels_that_are_not_done_are_submitted(sent, trunk_of):
    trunk = trunk_of()
    trunk.branch("reinit", levels="1")
    trunk.workplace.done("lottery_branch", "reinit", "--levels=0-2", *trunk.words, SUBMITTED)
    assert [command[-1] for command in sent[0][0]] == ["--levels=0", "--levels=2"]


def test_a_gpu_that_only_the_node_has_is_no_mistake(sent, workplace):
    workplace.done(*LOTTERY, SUBMITTED, "--device=cuda:3")
    assert "--device=cuda:3" in sent[0][0][0]


def test_reproduce_splits_into_the_experiments(sent, workplace, tmp_path):
    scale = written(tmp_path / "tiny.json")
    workplace.done("reproduce", f"--scale={scale}", SUBMITTED, "--slurm_parallel=3", "--device=cuda")
    trunks, branch = sent
    assert [command[0] for command in trunks[0]] == ["lottery", "lottery"] and trunks[1] == ""
    assert [command[:2] for command in branch[0]] == [("lottery_branch", "transplant")] and branch[1] == "afterok:1_0"
    words = [word for commands, _ in sent for command in commands for word in command]
    assert "--device=cuda" in words and not [word for word in words if "--slurm" in word]


def test_a_dry_run_prints_commands_without_the_flags(workplace, tmp_path):
    scale = written(tmp_path / "tiny.json")
    out = workplace.done("reproduce", f"--scale={scale}", SUBMITTED, "--slurm_gpus=1", "--dry_run").out
    assert out.count("python open_lth.py ") == 3 and "--slurm" not in out and "--platform" not in out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("train", *LENET, SUBMITTED, "--lr=much"), "--lr=much: must be a number"),
        (("lottery", *LENET, SUBMITTED), "--levels is required"),
        (("lottery", "--levels=1", *LENET, SUBMITTED, "--device=abacus"), "--device=abacus: must be auto, cpu, cuda"),
        (("train", *LENET, SUBMITTED, "--slurm_time=soon"), "--slurm_time=soon: must be a time as sbatch takes it"),
        (
            ("train", *LENET, SUBMITTED, "--slurm_partitions=x"),
            "--slurm_partitions=x: no such flag; did you mean --slurm_partition",
        ),
        (("train", *LENET, "--platform=pbs"), "--platform=pbs: valid values are local, slurm"),
        (("train", *LENET, "--slurm_gpus=2"), "--slurm_gpus: has no effect without --platform=slurm"),
        (("reproduce", "--scale=small", "--slurm_gpus=2"), "--slurm_gpus: has no effect without --platform=slurm"),
        (("reproduce", "--scale=small", "--jobs=2", SUBMITTED), "--jobs=2: with --platform=slurm, --slurm_parallel"),
        (
            ("lottery_branch", "reinit", "--levels=1", *LENET, SUBMITTED),
            "lottery_branch reinit, level 1: needs lottery_3a6a47824d0b8bbd15b1212481c7bf0d/replicate_1/level_1/main, "
            "which is not finished",
        ),
        (("evaluate", "train", *LENET, SUBMITTED), "evaluate: needs train_"),
        (("evaluate", "train", *LENET, SUBMITTED, "--passes=0"), "--passes=0: must be at least 1"),
    ],
)
def test_a_mistake_comes_out_before_anything_is_submitted(sent, workplace, words, complaint):
    assert workplace.refused(*words).startswith(f"error: {complaint}")
    assert not sent
    assert not list(workplace.root.glob("slurm/*/*"))


def test_what_is_done_is_not_submitted(sent, trunk_of):
    trunk = trunk_of()
    before = snapshot(trunk.workplace.root)
    out = trunk.workplace.done("lottery", "--levels=2", *trunk.words, SUBMITTED).out
    assert (out, sent) == ("everything is done already\n", [])
    assert snapshot(trunk.workplace.root) == before


def test_quiet_prints_nothing(sent, workplace):
    assert workplace.done(*LOTTERY, SUBMITTED, "--quiet").out == ""
    assert len(sent) == 1


def test_runs_and_tables_of_runs_pass_over_the_folder_of_logs(sent, workplace, capsys):
    workplace.done(*LOTTERY, SUBMITTED)
    assert (workplace.root / "slurm").is_dir()
    with pytest.raises(UserError, match="holds no results"):
        read_runs(workplace.root)
    assert cli.main(["runs", f"--root={workplace.root}"]) == 0


def test_without_slurm_the_way_out_is_named(workplace, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert "there is no Slurm (sbatch) on this machine" in workplace.refused(*LOTTERY, SUBMITTED)
    assert not workplace.root.exists()


def test_a_root_in_which_slurm_could_not_write_logs_is_refused(workplace, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    strange = replace(workplace, root=workplace.root / "a\\b")
    line = strange.refused(*LOTTERY, SUBMITTED)
    assert line == f"error: --platform=slurm: {strange.root}: Slurm takes no backslash in the path of a log"
    assert not strange.root.exists()
