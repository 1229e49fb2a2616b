"""The command line as a whole: subcommands, plugins, silence, and where it works from."""

from __future__ import annotations

import contextlib
import importlib.metadata
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import cli
from foundations.interruption import Interrupted
from open_lth.command import COMMANDS, command_line

PROJECT = Path(__file__).parent.parent
LENET = ("--default_hparams=mnist_lenet_12", "--dataset_name=digits", "--batch_size=256", "--training_steps=1ep")


def places(root: Path) -> list[str]:
    return [f"--root={root / 'results'}", f"--dataset_root={root / 'data'}"]


@pytest.fixture
def fresh(monkeypatch) -> None:
    """Let only plugins that were never loaded be loaded."""
    monkeypatch.setattr(cli, "_loaded", dict(cli._loaded))


def install(monkeypatch, name: str, load) -> None:
    """Make an entry point of a plugin that is not really installed."""

    class EntryPoint:
        dist = SimpleNamespace(name=f"open-lth-{name}", version="0.3")

        def __init__(self) -> None:
            self.name = name

        def load(self):
            return load()

    found = importlib.metadata.entry_points

    def entry_points(**query):
        return [EntryPoint()] if query == {"group": "open_lth.plugins"} else found(**query)

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)


@pytest.mark.parametrize("words", [[], ["learn"], ["--levels=3"], ["lotery", "--levels=1"]])
def test_without_a_known_subcommand_they_are_listed_with_a_description_each(capsys, words):
    assert cli.main(words) == 1
    out = capsys.readouterr().out
    for name, command in COMMANDS.items():
        assert re.search(rf"^ +{name} +{re.escape(command.description)}$", out, re.MULTILINE)
        assert len(command.description.split()) >= 3
    assert {"train", "lottery", "lottery_branch"} <= set(COMMANDS.names())


def test_an_unknown_subcommand_is_named(capsys):
    cli.main(["learn"])
    assert capsys.readouterr().err == "error: learn is no subcommand\n"


def test_no_subcommand_is_no_complaint(capsys):
    cli.main([])
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_help_lists_the_subcommands_and_is_a_success(capsys, word):
    assert cli.main([word]) == 0
    captured = capsys.readouterr()
    assert "lottery_branch" in captured.out and captured.err == ""


@pytest.mark.parametrize("command", COMMANDS.names())
def test_every_subcommand_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as leaving:
        cli.main([command, "--help"])
    assert leaving.value.code == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"usage: open_lth.py {command}")
    assert captured.err == ""


@pytest.mark.parametrize("command", COMMANDS.names())
def test_every_subcommand_refuses_an_unknown_flag_in_one_line(capsys, command):
    first = {"lottery_branch": ["reinit"], "evaluate": ["train"], "export": ["RUN"]}.get(command, [])
    assert cli.main([command, *first, "--no_such_flag=1"]) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and "--no_such_flag=1" in captured.err
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [["train"], ["lottery", "--levels=1"], ["lottery_branch", "reinit", "--levels=1"]],
    ids=lambda words: words[0],
)
def test_quiet_runs_print_nothing(capsys, tmp_path, command):
    if command[0] == "lottery_branch":
        assert cli.main(["lottery", "--levels=1", *LENET, "--quiet", *places(tmp_path)]) == 0
    assert cli.main([*command, *LENET, "--quiet", *places(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert list((tmp_path / "results").rglob("logger"))


def test_otherwise_a_run_says_what_it_does_where_and_how_well(capsys, tmp_path):
    assert cli.main(["lottery", "--levels=1", *LENET, *places(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    [name] = [path.name for path in (tmp_path / "results").iterdir()]
    assert f"Output Location: {tmp_path / 'results' / name / 'replicate_1'}\n" in captured.out
    assert "Lottery Ticket Experiment (Replicate 1)\n" in captured.out
    assert "    * model_name => mnist_lenet_12\n" in captured.out
    for level in (0, 1):
        assert len(re.findall(rf"^level_{level}/main +test .*accuracy +[\d.]+ %", captured.out, re.MULTILINE)) == 2


def test_the_roots_can_be_set_by_the_environment(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("OPEN_LTH_ROOT", str(tmp_path / "by environment"))
    words = ["lottery", "--levels=1", *LENET, "--display_output_location"]
    assert cli.main(words) == 0
    assert capsys.readouterr().out.startswith(str(tmp_path / "by environment" / "lottery_"))
    assert cli.main([*words, f"--root={tmp_path / 'by flag'}"]) == 0
    assert capsys.readouterr().out.startswith(str(tmp_path / "by flag" / "lottery_"))
    monkeypatch.setenv("OPEN_LTH_DATASETS", str(tmp_path / "no data"))
    assert cli.main(["train", "--default_hparams=imagenet_resnet_18", f"--root={tmp_path / 'r'}", "--quiet"]) == 2
    assert str(tmp_path / "no data" / "imagenet") in capsys.readouterr().err


def test_otherwise_they_lie_in_the_home_directory(monkeypatch, capsys, tmp_path):
    monkeypatch.delenv("OPEN_LTH_ROOT", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.main(["lottery", "--levels=1", *LENET, "--display_output_location"]) == 0
    assert capsys.readouterr().out.startswith(str(tmp_path / "open_lth_data" / "lottery_"))


def test_a_home_in_a_flag_is_expanded(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cli.main(["train", *LENET, "--root=~/here", "--display_output_location"]) == 0
    assert capsys.readouterr().out.startswith(str(tmp_path / "here" / "train_"))


def test_the_script_works_from_any_directory(tmp_path):
    words = [
        sys.executable,
        str(PROJECT / "open_lth.py"),
        "lottery",
        "--levels=0",
        *LENET,
        "--quiet",
        "--root=results",
        "--dataset_root=data",
    ]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert len(list((tmp_path / "results").glob("lottery_*/replicate_1/level_0/main/logger"))) == 1


def test_the_script_hands_the_exit_code_on(tmp_path):
    words = [sys.executable, str(PROJECT / "open_lth.py")]
    result = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 1
    assert "lottery_branch" in result.stdout
    assert not list(tmp_path.iterdir())


def broken_at_import():
    raise ImportError("No module named 'quantum'")


def broken_at_registration():
    def register():
        raise ValueError("--branch: retrain is registered twice")

    return register


def ending_the_program():
    sys.exit(0)


@pytest.mark.parametrize(
    ("load", "reason"),
    [
        (ending_the_program, r"it ends the program \(sys.exit\(0\)\), as modules do without a main guard"),
        (broken_at_import, "No module named 'quantum'"),
        (broken_at_registration, "--branch: retrain is registered twice"),
        (lambda: "not a function", r"TypeError: 'str' object is not callable \(cli\.py, line \d+\)"),
    ],
    ids=["exit", "import", "registration", "no function"],
)
def test_a_broken_plugin_is_reported_by_name_and_is_not_fatal(monkeypatch, capsys, tmp_path, fresh, load, reason):
    install(monkeypatch, "quantum_tickets", load)
    assert cli.main(["train", *LENET, "--quiet", *places(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.fullmatch(f"warning: the plugin quantum_tickets could not be loaded: {reason}\n", captured.err)


def test_a_plugin_is_registered_once_before_flags_are_read(monkeypatch, capsys, tmp_path, fresh):
    calls = []
    install(monkeypatch, "good", lambda: lambda: calls.append("registered"))
    for _ in range(2):
        assert cli.main(["train", *LENET, "--display_output_location", *places(tmp_path)]) == 0
    assert calls == ["registered"]


def test_the_bayesian_plugin_comes_along(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    assert "--bayesian" in capsys.readouterr().out


def test_main_reads_the_process_arguments_if_it_is_given_none(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["open_lth.py", "unheard_of"])
    # The process is taken to end with the command: signals shall not change its exit code. This one goes on.
    monkeypatch.setattr(cli, "stopping_at_once", lambda ends_here: contextlib.nullcontext())
    assert cli.main() == 1
    assert "unheard_of is no subcommand" in capsys.readouterr().err


def test_a_mistake_of_ours_is_not_dressed_up_as_the_users(monkeypatch, tmp_path):
    """Only UserErrors end in one line; anything else keeps its traceback."""

    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("open_lth.runners.train.TrainRunner.run", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main(["train", *LENET, "--quiet", *places(tmp_path)])


def test_warnings_are_one_line_without_a_place_in_the_code(monkeypatch, capsys, tmp_path):
    """A layer that is pruned away whole is the user's to know."""
    words = ["lottery", "--levels=1", *LENET, "--quiet", "--pruning_fraction=0.999", *places(tmp_path)]
    assert cli.main([*words, "--pruning_layers_to_ignore=fc_layers.0.weight"]) == 0
    assert capsys.readouterr().err == "warning: level_1/main: pruned away whole: fc.weight\n"


def test_a_library_that_stumbles_over_a_request_to_stop_does_not_hide_it(monkeypatch, capsys):
    def stumble(*_: object) -> None:
        try:
            raise Interrupted(signal.SIGUSR1, "level_0 at 1ep0it")
        finally:
            threading.RLock().release()

    monkeypatch.setattr("open_lth.commands.runs.execute", stumble)
    assert cli.main(["runs"]) == 75
    assert capsys.readouterr().err.startswith("stopped by SIGUSR1 in level_0 at 1ep0it")


def test_versions_are_told(capsys):
    assert cli.main(["--version"]) == 0
    own, torch = (importlib.metadata.version(name) for name in ("open-lth", "torch"))
    assert capsys.readouterr().out.startswith(f"open-lth {own} (torch {torch}, torch-blue ")


@pytest.mark.parametrize(
    ("called", "name"),
    [
        ("/somewhere/open_lth.py", "python open_lth.py"),
        ("/venv/bin/open-lth", "open-lth"),
        ("C:/venv/Scripts/open-lth.exe", "open-lth"),
        ("/somewhere/open_lth/__main__.py", "python -m open_lth"),
        ("/venv/lib/pytest/__main__.py", "python open_lth.py"),
    ],
)
def test_the_program_is_called_as_the_user_called_it(monkeypatch, capsys, called, name):
    monkeypatch.setattr("sys.argv", [called])
    assert cli.main([]) == 1
    assert capsys.readouterr().out.startswith(f"usage: {name} SUBCOMMAND ...\n")
    with pytest.raises(SystemExit):
        cli.main(["runs", "--help"])
    assert capsys.readouterr().out.startswith(f"usage: {name.rpartition(' ')[2]} runs ")
    assert command_line(["runs", "show", "a b"]) == f"{name} runs show 'a b'"


def test_the_package_is_a_program(tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "open_lth", "runs", *places(tmp_path)[:1]], cwd=PROJECT, capture_output=True, check=False
    )
    assert (result.returncode, b"no experiment lies under" in result.stderr) == (0, True)


def test_what_ends_the_program_amid_its_work_is_no_success(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("open_lth.runners.train.TrainRunner.run", lambda self: sys.exit(0))
    assert cli.main(["train", *LENET, "--quiet", *places(tmp_path)]) == 2
    assert capsys.readouterr().err == "error: the program was ended by sys.exit(0) before the work was done\n"
