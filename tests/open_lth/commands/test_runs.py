"""The subcommand `runs`: what lies under the root, and the command behind a name."""

from __future__ import annotations

import csv
import io
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import cli
from tests.open_lth.running import KINDS, LENET, Trunk, Workplace, measures, snapshot

PROJECT = Path(__file__).parents[3]
COLUMNS = [
    "name",
    "replicate",
    "model",
    "data",
    "variant",
    "strategy",
    "state",
    "levels",
    "branches",
    "best accuracy",
    "MB",
]


def runs(root: Path, capsys, *words: str, said: str = "") -> str:
    """Run the command, which takes no root of data sets.

    Args:
        said: what it says beside its output.
    """
    assert cli.main(["runs", *words, f"--root={root}"]) == 0
    out, err = capsys.readouterr()
    assert err == said
    return str(out)


def refused(root: Path, capsys, *words: str) -> str:
    """Return the one line with which the command is refused."""
    assert cli.main(["runs", *words, f"--root={root}"]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1
    return str(err)


def table(text: str, *more: str) -> list[dict[str, str]]:
    """Return the rows of a listing by column.

    Args:
        more: the columns after those that there always are.
    """
    header, *rows = (re.split(r"  +", line) for line in text.splitlines())
    assert header == [*COLUMNS, *more]
    return [dict(zip(header, row, strict=True)) for row in rows]


def shown_command(text: str) -> list[str]:
    """Return the words after `python open_lth.py` of the command that is shown."""
    [line] = [line for line in text.splitlines() if line.startswith("Command: ")]
    python, script, *words = shlex.split(line.removeprefix("Command: "))
    assert (python, script) == ("python", "open_lth.py")
    return words


def test_a_lottery_is_listed_with_its_hyperparameters_and_its_progress(trunk, kind, capsys):
    trunk.branch("reinit", levels="1,2")
    trunk.branch("shuffle", "--seed=0")
    [row] = table(runs(trunk.workplace.root, capsys))
    size = sum(path.stat().st_size for path in trunk.directory.rglob("*") if path.is_file())
    accuracies = [v for level in range(3) for name, _, v in measures(trunk.level(level)) if name == "test_accuracy"]
    assert row == {
        "name": trunk.directory.parent.name,
        "replicate": "1",
        "model": "mnist_lenet_12",
        "data": "digits",
        "variant": "-" if kind == "deterministic" else "bayesian",
        "strategy": "sparse_global" if kind == "deterministic" else "sparse_global_snr",
        "state": "finished",
        "levels": "0-2",
        "branches": "3",
        "best accuracy": f"{max(accuracies):.4f}",
        "MB": f"{size / 1e6:.1f}",
    }


def test_a_training_run_has_neither_levels_nor_a_strategy(workplace, capsys):
    workplace.done("train", *LENET, "--replicate=2", "--quiet")
    [row] = table(runs(workplace.root, capsys))
    assert row["name"].startswith("train_")
    assert [row[column] for column in ("replicate", "strategy", "levels", "branches")] == ["2", "-", "-", "0"]


def test_levels_with_a_gap_are_listed_one_by_one(trunk, capsys):
    (trunk.level(1) / "logger").unlink()
    assert table(runs(trunk.workplace.root, capsys))[0]["levels"] == "0,2"


@pytest.mark.parametrize("words", [(), ("list",)])
def test_an_empty_root_has_a_header_and_no_rows(tmp_path, capsys, words):
    for root in (tmp_path, tmp_path / "nowhere"):
        assert table(runs(root, capsys, *words, said=f"no experiment lies under {root}\n")) == []
    assert not (tmp_path / "nowhere").exists()


def test_listing_and_showing_write_nothing(trunk, capsys):
    before = snapshot(trunk.workplace.root)
    runs(trunk.workplace.root, capsys)
    runs(trunk.workplace.root, capsys, "show", trunk.directory.parent.name)
    assert snapshot(trunk.workplace.root) == before


def test_experiments_of_openlth_are_listed_and_shown_without_a_command(openlth_trunk, capsys):
    [row] = table(runs(openlth_trunk.workplace.root, capsys))
    assert row["name"] == "lottery_10ded27454e22a1b71fcd332ae4f15d0"
    assert (row["model"], row["data"], row["strategy"]) == ("mnist_lenet_12_8", "mnist", "sparse_global")
    assert (row["levels"], row["branches"]) == ("0-2", "1")
    shown = runs(openlth_trunk.workplace.root, capsys, "show", "10ded")
    assert "    * training_steps => 2ep\n" in shown
    assert "Command: not kept (OpenLTH does not)" in shown


def test_foreign_files_and_half_written_runs_do_no_harm(trunk, capsys):
    root = trunk.workplace.root
    (root / "notes.txt").write_text("a note")
    (root / "figures").mkdir()
    (root / "other" / "replicate_1" / "main").mkdir(parents=True)
    (root / "other" / "replicate_1" / "main" / "logger").write_text("half a li")
    (root / "lottery_0" / "replicate_1" / "level_0" / "main").mkdir(parents=True)
    (root / "lottery_0" / "replicate_1" / "level_0" / "main" / "hparams.log").write_bytes(b"\xff\xfe    * model_na")
    (root / "lottery_0" / "replicate_1" / "level_0" / "main" / "command.json").write_text('{"comm')
    (trunk.level(2) / "logger").write_bytes(b"\xff,1,2")
    rows = {row["name"]: row for row in table(runs(root, capsys))}
    assert set(rows) == {"other", "lottery_0", trunk.directory.parent.name}
    assert (rows["other"]["model"], rows["other"]["best accuracy"]) == ("?", "nan")
    assert float(rows[trunk.directory.parent.name]["best accuracy"]) > 0
    assert "Command: not kept" in runs(root, capsys, "show", "lottery_0")


@pytest.mark.parametrize("length", [len("lottery_") + 32, len("lottery_") + 4])
def test_an_experiment_is_shown_by_its_name_or_the_beginning_of_its_name_or_hash(trunk, capsys, length):
    name = trunk.directory.parent.name
    shown = runs(trunk.workplace.root, capsys, "show", name[:length])
    assert shown == runs(trunk.workplace.root, capsys, "show", name[len("lottery_") : length])
    assert shown.startswith(f"{name} (Replicate 1)\nDataset Hyperparameters\n    * dataset_name => digits\n")
    assert (trunk.level(0) / "hparams.log").read_text() in shown
    assert f"Location: {trunk.directory}\n" in shown


def test_every_replicate_of_an_experiment_is_shown(workplace, capsys):
    for replicate in (2, 10, 1):
        Trunk(workplace, (*LENET, "--training_steps=1it", f"--replicate={replicate}")).find_tickets(levels=0)
    [name] = [path.name for path in workplace.root.iterdir()]
    shown = runs(workplace.root, capsys, "show", name)
    assert re.findall(r"\(Replicate (\d+)\)", shown) == ["1", "2", "10"]
    assert re.findall(r"--replicate=(\d+)", shown) == ["1", "2", "10"]


@pytest.mark.parametrize("command", ["train", "lottery"])
def test_the_command_shown_makes_the_same_and_finds_everything_done(tmp_path, kind, capsys, command):
    workplace = Workplace(tmp_path / "a place with spaces & 'quotes'", tmp_path / "data")
    levels = ("--levels=1",) if command == "lottery" else ()
    workplace.done(command, *levels, *LENET, *KINDS[kind], "--quiet")
    [name] = [path.name for path in workplace.root.iterdir()]
    words = shown_command(runs(workplace.root, capsys, "show", name))
    assert words[0] == command
    before = snapshot(workplace.root)
    assert cli.main(words) == 0
    assert snapshot(workplace.root) == before
    assert cli.main([*words, "--display_output_location"]) == 0
    assert name in capsys.readouterr().out


def test_the_command_shown_makes_the_same_in_another_root(tmp_path, finished, capsys):
    original = finished()
    words = shown_command(runs(original.workplace.root, capsys, "show", "lottery"))
    assert cli.main([*words, f"--root={tmp_path}"]) == 0
    again = tmp_path / original.directory.relative_to(original.workplace.root)
    assert (again / "level_2/main/logger").read_bytes() == (original.level(2) / "logger").read_bytes()


def test_a_beginning_that_several_experiments_share_is_refused_with_their_names(trunk, capsys):
    (trunk.workplace.root / "lottery_0" / "replicate_1").mkdir(parents=True)
    message = refused(trunk.workplace.root, capsys, "show", "lottery")
    assert f"lottery: several experiments begin so: lottery_0, {trunk.directory.parent.name}" in message


@pytest.mark.parametrize("name", ["lottery_zzz", "zzz", "attery"])
def test_a_name_that_nothing_has_is_refused(finished, capsys, name):
    root = finished().workplace.root
    assert refused(root, capsys, "show", name) == (
        f"error: {name}: no experiment under {root} has this name; `runs` lists them\n"
    )


@pytest.mark.parametrize("words", [("show",), ("show", "")])
def test_showing_needs_a_name(finished, capsys, words):
    assert "runs show needs a name" in refused(finished().workplace.root, capsys, *words)


def test_an_unknown_action_is_refused_with_those_there_are(tmp_path, capsys):
    assert "=delete: valid values are list, show" in refused(tmp_path, capsys, "delete")


def test_levels_under_learning_rate_rewinding_are_listed_beside_the_others(trunk, capsys):
    trunk.workplace.done("lottery", *trunk.words, "--levels=2", "--lrr", "--quiet")
    assert table(runs(trunk.workplace.root, capsys))[0]["levels"] == "0-2 lrr 1-2"


def test_hyperparameters_that_differ_have_columns(trunk_of, capsys):
    trunk = trunk_of()
    trunk.workplace.done("lottery", "--levels=0", *trunk.words, "--lr=0.02", "--quiet")
    trunk.workplace.done("lottery", "--levels=0", *trunk.words, "--weight_decay=0.001", "--quiet")
    rows = table(runs(trunk.workplace.root, capsys), "lr", "weight_decay")
    assert sorted((row["lr"], row["weight_decay"]) for row in rows) == [("0.02", "-"), ("0.1", "-"), ("0.1", "0.001")]


def test_those_that_are_so_are_listed_alone(trunk_of, capsys):
    trunk = trunk_of()
    root = trunk.workplace.root
    trunk.workplace.done("lottery", "--levels=0", *trunk.words, "--lr=0.02", "--quiet")
    [row] = table(runs(root, capsys, "--where=lr=0.02,state=finished"))
    assert row["levels"] == "0"
    said = "none of 2 experiments under "
    assert table(runs(root, capsys, "--where=state=diverged", said=f"{said}{root} is so\n")) == []
    assert "--where=lr: must be conditions FIELD=VALUE" in refused(root, capsys, "--where=lr")


def test_programs_read_everything_as_csv_or_json(trunk_of, capsys):
    trunk = trunk_of()
    trunk.workplace.done("lottery", "--levels=0", *trunk.words, "--lr=0.02", "--quiet")
    as_json = json.loads(runs(trunk.workplace.root, capsys, "--format=json"))
    as_csv = list(csv.DictReader(io.StringIO(runs(trunk.workplace.root, capsys, "--format=csv"))))
    assert as_json == as_csv and sorted(row["lr"] for row in as_csv) == ["0.02", "0.1"]
    assert {*COLUMNS, "training_steps", "model_init"} < {*as_csv[0]}
    wrong = refused(trunk.workplace.root, capsys, "--format=jsn")
    assert wrong == "error: --format=jsn: did you mean json? valid values are text, csv, json\n"


def test_a_run_that_was_stopped_diverged_or_goes_on_is_told_from_one_that_is_finished(trunk, capsys):
    def state() -> str:
        return table(runs(trunk.workplace.root, capsys))[0]["state"]

    assert state() == "finished"
    (trunk.level(2) / "logger").unlink()
    assert state() == "interrupted"
    (trunk.level(2) / "diverged.txt").write_text("training diverged\n")
    assert state() == "diverged"
    holder = {"host": platform.node(), "pid": os.getpid(), "started": "2026-01-01T00:00:00+00:00"}
    (trunk.directory / ".lock_holder.json").write_text(json.dumps(holder))
    assert state() == "running"
    (trunk.directory / ".lock_holder.json").write_text(json.dumps({**holder, "host": "node7"}))
    assert state() == "running on node7"
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    (trunk.directory / ".lock_holder.json").write_text(json.dumps({**holder, "pid": int(gone.stdout)}))
    assert state() == "diverged"


def test_showing_has_a_table_of_levels_and_branches(trunk, capsys):
    branch = trunk.branch("reinit", levels="1")
    (trunk.level(2) / "logger").unlink()
    shown = runs(trunk.workplace.root, capsys, "show", trunk.directory.parent.name)
    lines = [re.split(r"  +", line) for line in shown.splitlines()]
    start = lines.index(["level", "density", "accuracy", "NLL", "where"])
    last = {name: value for name, i, value in measures(trunk.level(1)) if i == 12}
    level_1 = ["1", "79.99 %", f"{last['test_accuracy']:.4f}", f"{last['test_loss']:.4f}", "level_1/main"]
    rows = lines[start + 1 : start + 5]
    assert rows[0][:2] == ["0", "100.00 %"] and level_1 in rows
    assert [row[-1] for row in rows] == [
        "level_0/main",
        *sorted((f"level_1/{branch.name}", "level_1/main")),
        "level_2/main",
    ]
    assert rows[3] == ["2", "63.97 %", "not finished", "-", "level_2/main"]


def test_a_branch_of_several_lotteries_is_shown_in_all_of_them(trunk_of, capsys):
    trunk = trunk_of()
    other = Trunk(trunk.workplace, (*trunk.words, "--lr=0.02"))
    other.find_tickets(levels=1)
    branch = trunk.branch("reinit")
    assert other.branch("reinit").name == branch.name
    shown = runs(trunk.workplace.root, capsys, "show", branch.name.rpartition("_")[2])
    names = re.findall(r"^(lottery_\w+) \(Replicate 1\)$", shown, re.MULTILINE)
    assert sorted(names) == sorted((trunk.directory.parent.name, other.directory.parent.name))


@pytest.mark.parametrize("words", [["runs", "--root=nowhere"], ["lotery"], ["--version"]])
def test_neither_a_list_nor_a_mistake_waits_for_torch(tmp_path, words):
    program = f"import sys; sys.modules['torch'] = sys.modules['pandas'] = None; import cli; cli.main({words})"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, "Traceback" in result.stderr) == (0, False), result.stderr
