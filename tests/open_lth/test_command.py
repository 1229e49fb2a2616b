"""Subcommands, whoever brings them: listed at once, imported once they are asked for."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

import cli
from foundations.errors import InvalidValue, UserError
from foundations.extension import EXTENSIONS, extends
from foundations.hparams import Hparams, hparam
from foundations.registry import registering
from open_lth.command import COMMANDS, Command, read_command, read_flags
from open_lth.evaluation_request import EvaluationRequest
from training import TrainingHparams

PROJECT = Path(__file__).parent.parent.parent


@pytest.fixture
def greet(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A plugin's command, `greet NAME`, in a module of the plugin's."""

    def add_flags(parser, argv):
        parser.add_argument("name")
        parser.add_argument("--loudly", action="store_true", help="say it loudly")

    def execute(args, argv):
        print(f"hello {args.name}{'!' if args.loudly else ''} {argv}")

    module = ModuleType("a_plugin.greeting")
    module.add_flags, module.execute = add_flags, execute
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(COMMANDS, "_entries", dict(COMMANDS._entries))
    COMMANDS.register("greet")(Command("say hello to somebody", module.__name__))
    return module


@pytest.mark.usefixtures("greet")
def test_a_plugins_command_is_listed_explained_and_run(capsys):
    assert cli.main([]) == 1
    assert re.search("^ +greet +say hello to somebody$", capsys.readouterr().out, re.MULTILINE)
    with pytest.raises(SystemExit):
        cli.main(["greet", "--help"])
    out = capsys.readouterr().out
    assert out.startswith("usage: open_lth.py greet [flags]") and "say hello to somebody" in out
    assert re.search("--loudly +say it loudly", out)
    assert cli.main(["greet", "Ada", "--loudly"]) == 0
    assert capsys.readouterr().out == "hello Ada! ['Ada', '--loudly']\n"


def test_a_plugins_field_that_is_called_as_another_flag_is_left_out_and_stops_nothing(monkeypatch, caplog):
    @dataclass(frozen=True, kw_only=True)
    class Own(Hparams):
        levels: int = hparam("how many", 3)

    monkeypatch.setattr(EXTENSIONS, "_entries", {})
    with registering("my_plugin"):
        extends(TrainingHparams)(Own)
    args = read_flags(("lottery", "--default_hparams=mnist_lenet_8", "--levels=2"))
    assert args.levels == "2"
    assert caplog.messages == [
        "the plugin my_plugin: what it adds to TrainingHparams is left out, since there is another flag --levels"
    ]


@pytest.mark.usefixtures("greet")
def test_what_stands_for_no_training_runs_cannot_be_measured(capsys):
    with pytest.raises(UserError, match=r"^greet: stands for no training runs$"):
        read_command(("greet", "Ada"))
    assert cli.main(["evaluate", "greet", "Ada"]) == 2
    assert capsys.readouterr().err == "error: --command=greet: valid values are train, lottery, lottery_branch\n"


def test_a_command_that_stands_for_training_runs_can_be_measured(capsys, greet):
    greet.trainings = lambda args, argv: []
    assert read_command(("greet", "Ada")) == ([], EvaluationRequest())
    assert cli.main(["evaluate", "greet", "Ada"]) == 2
    assert "error: greet Ada: trains no network that could be measured" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["evaluate", "--help"])
    assert "train, lottery, lottery_branch, greet" in " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("greet")
def test_flags_that_a_command_does_not_have_say_that_it_runs_here_and_measures_nothing():
    args = read_flags(("greet", "Ada"), program=("python", "program.py"), plugins=("tides",))
    assert (args.platform, args.display_output_location, args.dry_run) == ("local", False, False)
    assert COMMANDS.get("greet").evaluation(args, ["Ada"], []).passes == 0
    assert (args.command_line, args.program) == (("greet", "Ada"), ("python", "program.py"))
    assert args.plugins == ("tides",)


def test_an_unknown_command_is_named_with_those_that_there_are():
    with pytest.raises(InvalidValue, match="=learn: valid values are train, lottery, "):
        read_command(("learn", "--levels=1"))


@pytest.mark.parametrize("words", [[], ["--help"], ["learn"]])
def test_a_list_of_the_commands_does_not_wait_for_torch(words):
    without_plugins = "import importlib.metadata as m; m.entry_points = lambda **_: ()"
    program = f"import sys; {without_plugins}; import cli; cli.main({words}); print('torch' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, timeout=120, check=True
    )
    assert "lottery_branch" in result.stdout and result.stdout.endswith("\nFalse\n")


@pytest.mark.usefixtures("greet")
def test_the_module_of_a_command_is_imported_once_it_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "a_plugin.greeting", None)
    assert COMMANDS.get("greet").description == "say hello to somebody"
    with pytest.raises(ImportError):
        read_flags(("greet", "Ada"))


def test_the_beginning_of_a_flag_that_no_other_has_stands_for_it_whatever_it_brings(capsys):
    words = ("lottery", "--default_h=mnist_lenet_12", "--bayesian", "--bayesian_sam=3", "--level=2", "--root=r")
    args = read_flags(words)
    assert args.bayesian_samples == 3 and args.levels == "2" and args.model_name == "mnist_lenet_12"
    whole = (
        "lottery",
        "--default_hparams=mnist_lenet_12",
        "--bayesian",
        "--bayesian_samples=3",
        "--levels=2",
        "--root=r",
    )
    assert args.command_line == whole
    assert [run.paths for run in read_command(words)[0]] == [run.paths for run in read_command(whole)[0]]
    with pytest.raises(UserError, match=r"^--pruning: is the beginning of --pruning_fraction, --pruning_layers_to_ig"):
        read_flags(("lottery", "--default_hparams=mnist_lenet_12", "--pruning=0.2"))


def test_what_runs_is_the_command_spelled_out(tmp_path, capsys):
    words = ["--default_h=mnist_lenet_12", "--dataset_name=digits", "--batch_size=256", "--training_st=1ep", "--qu"]
    assert cli.main(["lottery", *words, "--level=0", f"--root={tmp_path}"]) == 0
    [command] = tmp_path.rglob("command.json")
    assert "--levels=0" in command.read_text() and "--default_hparams=mnist_lenet_12" in command.read_text()


def test_a_flag_of_another_command_is_not_taken_for_one_of_reproduce():
    with pytest.raises(UserError, match=r"^--replicate=2: no such flag; did you mean --replicates\?$"):
        read_flags(("reproduce", "--scale=paper", "--replicate=2"))
