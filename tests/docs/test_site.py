"""What the site's own code makes of the project: `scripts/docs`, in continuous integration, builds the whole."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import runpy
import sys
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from foundations.hparams import hparam
from open_lth.branch import BRANCHES, Branch
from open_lth.command import COMMANDS
from pruning import STRATEGIES, Mask, Strategy
from pruning.strategy import PruningHparams
from tests.docs.blocks import PROJECT
from tests.open_lth.running import Workplace

pytest.importorskip("sphinx", reason="Sphinx is not installed (pip install -e '.[docs]')")
sys.path.append(str(PROJECT / "docs" / "_ext"))
import generated
import page_sources
import plain_docstrings


def page(name: str) -> str:
    return generated.filled_in(name, (PROJECT / "docs" / f"{name}.md").read_text(encoding="utf-8"))


@pytest.fixture
def workplace(tmp_path):
    return Workplace(tmp_path / "root", tmp_path / "datasets")


@pytest.fixture
def plugin(monkeypatch):
    """A strategy with a flag of its own and a branch, registered for the time of a test."""

    @dataclass(frozen=True, kw_only=True)
    class PlankHparams(PruningHparams):
        title: ClassVar[str] = "Plank Hyperparameters"
        planks: int = hparam("how many planks", 7)

    class Plank(Strategy):
        description = "weights that walk the plank"

        @staticmethod
        def get_pruning_hparams() -> type[PruningHparams]:
            return PlankHparams

        @staticmethod
        def prune(pruning_hparams: Any, trained_model: nn.Module, current_mask: Mask, generator: torch.Generator):
            return current_mask

    class Sail(Branch):
        @staticmethod
        def name() -> str:
            return "sail"

        @staticmethod
        def description() -> str:
            return "sail away"

        def branch_function(self, wind: float = 3.5) -> None:
            """Sail.

            Args:
                wind: how much | wind there is.
            """

    for registry in (STRATEGIES, BRANCHES):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    STRATEGIES.register("plank")(Plank)
    BRANCHES.register("sail")(Sail)


def test_conf_uses_what_is_tested_here():
    settings = runpy.run_path(str(PROJECT / "docs" / "conf.py"))
    assert {"generated", "page_sources", "plain_docstrings"} <= set(settings["extensions"])


@pytest.mark.parametrize("name", generated.PAGES)
def test_every_part_of_a_generated_page_has_its_place(name):
    text = (PROJECT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    assert sorted(generated._PLACE.findall(text)) == sorted(generated.PAGES[name])
    assert "<!-- generated" not in page(name)


def test_a_place_without_a_name_is_refused():
    with pytest.raises(KeyError, match="parrots"):
        generated.filled_in("hyperparameters", "<!-- generated: parrots -->\n")


@pytest.mark.parametrize(
    "row",
    [
        "| `--lr` | float | required | the learning rate |",
        "| `--batchnorm_frozen` | bool | off | do not train BatchNorm weights and biases |",
        "| `--bayesian_samples` | int | `10` | samples of all weights for each batch, in training and in evaluation |",
        r"| `sparse_global_snr` | the smallest \|mean\| / std | bayesian |",
        "| `--warmup_steps` |  |  |  |  | `5ep` |  |  |  |",
        "| `--retrain_t_...` | group |  | how to train: the Training Hyperparameters under this prefix |",
        "| `--objective` | `cross_entropy` |",
        "### `randomly_prune` or `shuffle`",
    ],
)
def test_hyperparameters_are_listed(row):
    assert row in page("hyperparameters").splitlines()


@pytest.mark.parametrize("name", generated.PAGES)
def test_nothing_is_written_that_only_python_can_read(name):
    assert not re.findall(r"<\w+ [^>]*\bat 0x|<class '|<function |\bMISSING\b", page(name))


@pytest.mark.parametrize(
    ("flag", "listed"),
    [
        ("model_init", "kaiming_normal, kaiming_uniform"),
        ("batchnorm_init", "uniform, fixed"),
        ("optimizer_name", "sgd, adam"),
        ("bayesian_estimator", "weights, antithetic"),
    ],
)
def test_an_explanation_that_depends_on_what_is_registered_is_written_out(flag, listed):
    [row] = [row for row in page("hyperparameters").splitlines() if row.startswith(f"| `--{flag}` | str |")]
    assert listed in row


@pytest.mark.usefixtures("plugin")
def test_what_a_plugin_registers_is_listed():
    listed = page("hyperparameters").splitlines()
    assert "| `plank` | weights that walk the plank | deterministic |" in listed
    assert "| `--planks` | int | `7` | how many planks |" in listed
    assert "### `sail`" in listed and r"| `--wind` | float | `3.5` | how much \| wind there is. |" in listed
    assert "### lottery_branch sail" in page("command_line").splitlines()


def test_every_subcommand_and_branch_has_its_help():
    text = page("command_line")
    for name in COMMANDS.names():
        assert f"## {name}\n" in text and f"usage: open_lth.py {name}" in text
    assert "--retrain_t_lr FLOAT" in text and text.count("--training_steps STR") == 3


def test_help_does_not_say_whose_machine_made_it(monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    text = page("command_line")
    assert "somebody" not in text and "(default: ~/open_lth_data)" in " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See [the rules](../CONTRIBUTING.md#style).", "See the rules."),
        ("See [others](../benchmarks).", "See others."),
        ("See [scales](reproducing.md#scales).", "See [scales](reproducing.md#scales)."),
        ("See [nothing](../nothing.md).", "See [nothing](../nothing.md)."),
        ("See [there](https://pypi.org/project/torch-blue/).", "See [there](https://pypi.org/project/torch-blue/)."),
    ],
)
def test_links_out_of_the_site_are_words_if_they_lead_anywhere(text, expected):
    docs = PROJECT / "docs"
    assert page_sources.without_links_out(text, docs / "page.md", docs) == expected


@pytest.mark.parametrize(
    ("docstring", "expected"),
    [
        ("Use `name`.", "Use ``name``."),
        ("Plain `nn.Module`s.", r"Plain ``nn.Module``\ s."),
        ("Over `two\n    lines` here.", "Over ``two lines`` here."),
        ("Return |μ| by `|w|`.", r"Return \|μ\| by ``|w|``."),
        ("A ``literal`` stays.", "A ``literal`` stays."),
        (r"    .. math:: p(y \mid x) |q|", r"    .. math:: p(y \mid x) |q|"),
    ],
)
def test_docstrings_become_restructured_text(docstring, expected):
    assert plain_docstrings.as_restructured_text(docstring) == expected


def test_the_files_by_which_the_code_is_explained_are_there():
    text = (PROJECT / "docs" / "concepts.md").read_text(encoding="utf-8").partition("## The code")[2]
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    assert len(named) > 25 and not [file for file in named if not (PROJECT / file).is_file()]


def test_the_modules_whose_reference_is_shown_are_there():
    pages = (PROJECT / "docs" / "api").glob("*.md")
    shown = [word for page in pages for word in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8"))]
    assert len(shown) > 50 and not [module for module in shown if importlib.util.find_spec(module) is None]


def test_the_name_on_the_pages_is_that_of_the_first_lottery(workplace):
    started, concepts = (
        (PROJECT / "docs" / f"{name}.md").read_text(encoding="utf-8") for name in ("getting_started", "concepts")
    )
    command = re.search(r"^python open_lth.py (lottery .* --levels=3)$", started, re.MULTILINE)
    assert command is not None
    name = workplace.place(*command[1].split()).parent.name
    assert set(re.findall(r"lottery_[0-9a-f]{32}", started + concepts)) == {name}
    assert f"runs show {name.partition('_')[2][:7]}\n" in started
    (text,) = re.findall(r"^Hparams\(.*$", concepts, re.MULTILINE)
    assert hashlib.md5(text.encode()).hexdigest() == name.partition("_")[2]
