"""The page with the paper's experiments as commands says what `reproduce` does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pytest

from open_lth.command import read_command
from open_lth.suites import SUITES, Scale, Series
from open_lth.suites.scales import read_scale
from tests.docs import commands
from tests.docs.blocks import PROJECT, Block, blocks
from tests.docs.commands import Outcome, own_words
from tests.docs.shell import Shell

PAGE = "docs/experiments.md"
PANELS = {"paper": "ResNet-20", "small": "VGG (digits)"}
"""The network of each size that the page has."""

TINY = """
common="--dataset_name=digits --training_steps=2it --batch_size=256"
posterior="--bayesian_samples=2"
deterministic="--default_hparams=mnist_lenet_12 $common"
bayesian="--default_hparams=mnist_lenet_12 --bayesian $common $posterior"
larger_deterministic="--default_hparams=mnist_lenet_14 $common"
larger_bayesian="--default_hparams=mnist_lenet_14 --bayesian $common $posterior"
informative="--bayesian_std_lr_factor=10" uniform="--bayesian_std_lr_factor=1"
rate="--lr=0.003" lower_rate="--lr=0.001" warmup="--lr=0.003 --warmup_steps=1it"
levels=1 branch_levels=1 passes=2
"""

Measured = set[tuple[str, int]]
"""Run directories, and with how many passes each is measured."""


def sections() -> dict[str, list[Block]]:
    """Return the page's blocks by heading."""
    text = (PROJECT / PAGE).read_text(encoding="utf-8")
    headings = [(text.count("\n", 0, m.start()) + 1, m[1]) for m in re.finditer(r"^## (.+)$", text, re.MULTILINE)]
    found: dict[str, list[Block]] = {heading: [] for _, heading in headings}
    for block in blocks(PAGE):
        above = [heading for line, heading in headings if line < block.line]
        if above:
            found[above[-1]].append(block)
    return found


SIZES = dict(zip(PANELS, sections()["Sizes"], strict=True))
FIGURES = {
    heading.partition(":")[0].lower().removeprefix("figure ").replace(" ", ""): figure
    for heading, (figure, *_) in sections().items()
    if heading not in ("Sizes", "Drawing")
}


def test_every_figure_has_its_commands():
    # An ensemble needs several replicates, and this page is of one; other methods are not the paper's.
    beyond = ["optimizers", "shift", "pruning", "stability"]
    controls = ["layer_scale", "whole_output", "random_transplants", "ensemble", "settings"]
    assert [*FIGURES, *beyond, *controls] == SUITES.names()


@pytest.mark.parametrize("scale", PANELS)
@pytest.mark.parametrize("figure", FIGURES)
def test_the_commands_of_a_figure_make_the_runs_of_reproduce(figure, scale, tmp_path, monkeypatch):
    made: list[Sequence[str]] = []

    def note(words: Sequence[str], mode: str | None, directory: Path) -> Outcome:
        made.append(own_words(words) or [])
        return Outcome("parse")

    assert not Shell(tmp_path, monkeypatch, note).run([SIZES[scale], FIGURES[figure]]).complaints
    monkeypatch.setenv("HOME", str(tmp_path))
    assert runs_of(made) == runs_of(
        words for one in SUITES.get(figure).series(scale_of(scale, figure)) for words in first_replicate(one)
    )


def scale_of(name: str, figure: str) -> Scale:
    """Return a scale whose figure has the network that the page has, and no others."""
    return Scale({**read_scale(name), "figures": {figure: {"networks": [PANELS[name]]}}}, name)


def first_replicate(series: Series) -> Iterable[Sequence[str]]:
    """Return the command of the first replicate, and those that it comes after."""
    experiment = series.experiments[0]
    return *(earlier.command for earlier in experiment.after), experiment.command


def runs_of(every: Iterable[Sequence[str]]) -> Measured:
    """Return what commands make."""
    read = (read_command(tuple(words)) for words in every)
    return {(str(run.paths.directory), passes) for trainings, passes in read for run in trainings}


def test_all_of_it_runs_in_the_order_of_the_page(tmp_path, monkeypatch):
    def run(words: Sequence[str], mode: str | None, directory: Path) -> Outcome:
        return commands.tested([*words, "--quiet"], mode, directory)

    session = Shell(tmp_path, monkeypatch, run).run([Block(PAGE, 0, TINY, None), *FIGURES.values()])
    assert not session.complaints
    assert session.count("run") == len(session.outcomes) > 50
