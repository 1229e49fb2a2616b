"""Every command on the project's pages is run, or at least read by its own parser."""

from __future__ import annotations

import ast
import importlib
import re

import pytest

from tests.docs.blocks import PROJECT, TESTED_ELSEWHERE, Block, blocks, pages
from tests.docs.commands import Outcome
from tests.docs.shell import Session, Shell


def python_of(page: str) -> list[str]:
    text = (PROJECT / page).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


WITH_COMMANDS = [page for page in pages() if blocks(page)]
FIRST = pytest.param("README.md", marks=pytest.mark.smoke)


@pytest.fixture
def shell(tmp_path, monkeypatch) -> Shell:
    return Shell(tmp_path, monkeypatch)


def session_of(shell: Shell, code: str, mode: str | None = None) -> Session:
    return shell.run([Block("page.md", 1, code, mode)])


@pytest.mark.parametrize("page", [FIRST, *(page for page in WITH_COMMANDS if page != "README.md")])
def test_the_commands_of_a_page_work(page, shell, record_property):
    session = shell.run(blocks(page))
    record_property("commands run and parsed", f"{session.count('run')} {session.count('parse')}")
    assert not session.complaints, "\n".join(session.complaints)
    assert session.outcomes or all(block.mode == "syntax" for block in blocks(page))


def test_pages_that_are_tested_elsewhere_are():
    for page in set(pages()) & set(TESTED_ELSEWHERE):
        assert page.removeprefix("docs/") in (PROJECT / TESTED_ELSEWHERE[page]).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [page for page in pages() if page not in TESTED_ELSEWHERE and python_of(page)])
def test_python_on_a_page_is_python_and_what_it_imports_from_the_project_is_there(page):
    ours = {path.name for path in PROJECT.iterdir() if (path / "__init__.py").exists()}
    for code in python_of(page):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in ours:
                module = importlib.import_module(str(node.module))
                assert all(getattr(module, alias.name) is not None for alias in node.names)


def test_a_small_lottery_is_run_and_what_follows_finds_its_results(shell, tmp_path):
    flags = "--default_hparams=mnist_lenet_12 --dataset_name=digits"
    session = session_of(
        shell,
        f"""
        flags="{flags}"
        python open_lth.py lottery $flags --levels=20 --training_steps=40ep
        place=$(python open_lth.py lottery $flags --levels=20 --display_output_location)
        python open_lth.py evaluate lottery $flags --levels=20 --training_steps=40ep --passes=10
    """,
    )
    assert not session.complaints
    assert [outcome.how for _, _, outcome in session.outcomes] == ["run"] * 3
    (directory,) = (tmp_path / "open_lth_data").iterdir()
    assert sorted(path.parent.parent.name for path in directory.rglob("evaluation.json")) == ["level_0", "level_1"]


def test_a_large_lottery_is_parsed(shell, tmp_path):
    session = session_of(shell, "python open_lth.py lottery --default_hparams=cifar_resnet_20 --levels=20 --bayesian")
    assert [outcome for _, _, outcome in session.outcomes] == [Outcome("parse")]
    assert not session.complaints and not (tmp_path / "open_lth_data").exists()


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (
            "python open_lth.py lottery --default_hparams=cifar_resnet_20 --levls=20",
            "--levls=20: no such flag",
        ),
        ("python open_lth.py lottery --default_hparams=cifar_resnet_21 --levels=1", "--default_hparams=cifar_resnet_2"),
        ("python open_lth.py lottery_branch shuffel --default_hparams=mnist_lenet_12 --levels=1", "branch=shuffel"),
        ("sbatch --wrap 'python open_lth.py lottery --levels=1'", "is required"),
        ("torchrun --nproc_per_node=2 open_lth.py tain", "tain: no such subcommand"),
        ("python open_lth.py tain", "tain: no such subcommand"),
        ("for flag in --root --rot; do python open_lth.py plot --scale=small $flag=there; done", "--rot=there"),
        ("python open_lth.py reproduce --scale=large", "--scale=large"),
        ("python benchmarks/sampling.py --rond 1", "has no --rond"),
        ("python benchmarks/sample.py", "not in the project"),
        ("python -m open_lhs", "no module open_lhs"),
        ("python -c 'print('", "was never closed"),
        ("scripts/tests", "scripts/tests"),
        ("bash scripts/tests", "scripts/tests"),
        ("source .venv/bin/activat", "activat"),
        ("frobnicate --levels=1", "no rule"),
        ("python open_lth.py runs | frobnicate", "no rule"),
        ("python open_lth.py runs show nothing", "ended with 2"),
        ("for x in", "syntax error"),
    ],
)
def test_what_is_wrong_or_has_no_rule_is_found(shell, code, complaint):
    assert complaint in "\n".join(session_of(shell, code).complaints)


def test_blocks_are_found_with_their_modes():
    page = """
<!-- test: parse -->
```bash
python open_lth.py runs
```

1. in a list

   ```console
   $ python open_lth.py \\
   > runs
   name
   ```

    python benchmarks/sampling.py

```python
import torch
```
Type `python open_lth.py runs show`; `python open_lth.py lottery ...` is a template.
"""
    first, second, third, fourth = blocks("page.md", page)
    assert (first.line, first.mode, first.code) == (3, "parse", "python open_lth.py runs\n")
    assert (second.mode, second.code) == (None, "python open_lth.py \\\nruns\n")
    assert (third.mode, third.code) == ("parse", "python benchmarks/sampling.py\n")
    assert (fourth.mode, fourth.code) == ("parse", "python open_lth.py runs show\n")


def test_a_marker_that_means_nothing_is_refused():
    with pytest.raises(ValueError, match="pars"):
        blocks("page.md", "<!-- test: pars -->\n```bash\nls\n```\n")
