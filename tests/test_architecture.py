"""The rules of the house that import-linter's layers cannot say: about the two scripts, and what nobody may do."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
CORE = ("foundations", "datasets", "models", "pruning", "training", "open_lth")
SCRIPTS = ("cli.py", "open_lth.py", "setup.py")
SUBCOMMANDS = ("train", "lottery", "lottery_branch")
PAPER = "Bayesian Lottery Ticket Hypothesis"


def files(*places: str) -> list[Path]:
    """The Python files in these folders and scripts of the project."""
    found = [PROJECT / place for place in places if place.endswith(".py")]
    folders = [PROJECT / place for place in places if not place.endswith(".py")]
    return sorted(path for path in found if path.exists()) + sorted(p for f in folders for p in f.rglob("*.py"))


def name(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


def syntax(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Every import, also inside functions, as the name that it binds here and what that name is."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield (alias.asname, alias.name) if alias.asname else (alias.name.split(".")[0],) * 2
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            for alias in node.names:
                yield alias.asname or alias.name, f"{node.module}.{alias.name}"


def uses(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Every name and attribute, spelled out from where it was imported: `t.load` after `import torch as t`."""
    imported = dict(imports(tree))

    def spelled_out(node: ast.AST) -> str:
        if isinstance(node, ast.Name):
            return imported.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{spelled_out(node.value)}.{node.attr}"
        return "?"

    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            yield node, spelled_out(node)


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    spelled = {id(node): what for node, what in uses(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, spelled.get(id(node.func), "?")


def reads_the_command_line(tree: ast.AST) -> bool:
    if any(what == "sys.argv" for _, what in [*uses(tree), *imports(tree)]):
        return True
    # An argparse parser that is given nothing to parse reads sys.argv, too.
    return any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr in ("parse_args", "parse_known_args")
        and not (call.args or call.keywords)
        for call, _ in calls(tree)
    )


def imports_the_plugin(tree: ast.AST) -> bool:
    if any(what.split(".")[0] == "bayesian" for _, what in imports(tree)):
        return True
    return any(
        what.split(".")[-1] in ("import_module", "__import__")
        and any(isinstance(a, ast.Constant) and str(a.value).split(".")[0] == "bayesian" for a in call.args)
        for call, what in calls(tree)
    )


def loads_anything(tree: ast.AST) -> bool:
    """Whether there is a torch.load that could run what a file holds."""
    return any(
        what == "torch.load"
        and not any(
            keyword.arg == "weights_only" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            for keyword in call.keywords
        )
        for call, what in calls(tree)
    )


@pytest.mark.parametrize(
    ("rule", "source", "broken"),
    [
        (reads_the_command_line, "import sys\nprint(sys.argv[1])", True),
        (reads_the_command_line, "from sys import argv", True),
        (reads_the_command_line, "import argparse\nargparse.ArgumentParser().parse_args()", True),
        (reads_the_command_line, "import sys\nparser.parse_args(words)\nsys.exit(0)", False),
        (imports_the_plugin, "def f():\n    from bayesian.objective import elbo", True),
        (imports_the_plugin, "import bayesian", True),
        (imports_the_plugin, "import importlib\nimportlib.import_module('bayesian')", True),
        (imports_the_plugin, "from training import bayesian_free", False),
        (loads_anything, "import torch as t\nt.load(path)", True),
        (loads_anything, "from torch import load\nload(path, weights_only=False)", True),
        (loads_anything, "import torch\ntorch.load(path, weights_only=True)", False),
        (loads_anything, "import json\njson.load(file)", False),
    ],
)
def test_the_rules_see_what_they_forbid(rule, source, broken):
    assert rule(ast.parse(source)) is broken


def test_only_cli_reads_the_command_line():
    # Benchmarks are scripts of their own; what a subcommand prints has the name by which the program was called.
    everywhere = files(*CORE, *SCRIPTS, "bayesian", "tests")
    found = {name(path) for path in everywhere if reads_the_command_line(syntax(path))}
    assert found <= {"cli.py", "open_lth/command.py"}
    assert (PROJECT / "open_lth" / "command.py").read_text().count("sys.argv") == 1


def test_only_cli_imports_the_bayesian_plugin():
    assert {name(path) for path in files(*CORE, *SCRIPTS) if imports_the_plugin(syntax(path))} <= {"cli.py"}


def test_nothing_loads_files_that_can_run_code():
    assert not [name(path) for path in files(*CORE, *SCRIPTS, "bayesian", "benchmarks") if loads_anything(syntax(path))]


def test_the_core_reads_as_if_bayesian_networks_did_not_exist():
    def speaks_of_them(path: Path) -> bool:
        text = " ".join(path.read_text(encoding="utf-8").split()).replace(PAPER, "")
        return "bayesian" in f"{name(path)} {text}".lower()

    assert not [name(path) for path in files(*CORE) if speaks_of_them(path)]


def test_the_core_names_the_papers_that_it_cites():
    unnamed = re.compile(r"\b(?:the|this|our) paper\b|\bpaper (?:section|figure|table|appendix)\b", re.IGNORECASE)
    assert not [name(path) for path in files(*CORE) if unnamed.search(path.read_text(encoding="utf-8"))]


def test_the_script_only_calls_cli():
    script = PROJECT / "open_lth.py"
    assert len(script.read_text(encoding="utf-8").splitlines()) <= 8
    assert {what.split(".")[0] for _, what in imports(syntax(script))} <= {"cli", "sys"}


def test_the_package_beats_the_script_of_its_name():
    assert (PROJECT / "open_lth" / "__init__.py").read_bytes() == b""
    spec = importlib.util.find_spec("open_lth")
    assert spec is not None
    assert spec.origin == str(PROJECT / "open_lth" / "__init__.py")


@pytest.fixture(scope="module")
def core(tmp_path_factory) -> Path:
    """A copy of the project with `bayesian/` deleted."""
    copy: Path = tmp_path_factory.mktemp("core")
    for package in CORE:
        shutil.copytree(PROJECT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for script in ("cli.py", "open_lth.py"):
        shutil.copy(PROJECT / script, copy)
    return copy


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        ([], 1, [rf"^\s*{subcommand}\b" for subcommand in SUBCOMMANDS]),
        (
            ["lottery", "--default_hparams=mnist_lenet_300_100", "--levels=1", "--display_output_location"],
            0,
            [r"lottery_[0-9a-f]{32}"],
        ),
    ],
    ids=["subcommands", "lottery"],
)
def test_the_core_works_without_the_plugin(core, words, code, expected):
    # Runs the script as `python open_lth.py` would, in the copy, where an installed plugin is out of reach as well.
    run_script = "import runpy, sys; sys.modules['bayesian'] = None; runpy.run_path('open_lth.py', run_name='__main__')"
    result = subprocess.run(
        [sys.executable, "-c", run_script, *words], cwd=core, capture_output=True, text=True, timeout=120, check=False
    )
    output = result.stdout + result.stderr
    assert result.returncode == code, output
    assert "Traceback" not in output
    for pattern in expected:
        assert re.search(pattern, output, re.MULTILINE), output


def test_each_package_imports_only_what_lies_below_it():
    pytest.importorskip("importlinter", reason="import-linter is not installed (pip install -e '.[dev]')")
    lint = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run(
        [sys.executable, "-c", lint, "--no-cache", "--no-logo"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
