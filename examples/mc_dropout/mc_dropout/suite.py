"""The figure `mc_dropout`: its experiments, how it is drawn, and the scale `mc_dropout_small`."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from foundations.flags import Count
from foundations.settings import STRICT
from open_lth.suites import PLOTS, SCALES, STYLES, SUITES, Experiment, Plot, Scale, Series, Style, Suite
from open_lth.suites.styles import PURPLE

FIGURE = "mc_dropout"


@dataclass(frozen=True, kw_only=True)
class Experiments:
    """What the figure is drawn from.

    Args:
        networks: their flags by the names that people read.
        passes: how often the test set is passed with dropout.
        flags: those of the networks with dropout.
    """

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    networks: Mapping[str, str]
    levels: Count
    passes: Count
    flags: str = ""


@dataclass(frozen=True, kw_only=True)
class DropoutScale:
    """A whole file. All others of its keys are refused, and their values must have these types."""

    __pydantic_config__: ClassVar[Mapping[str, Any]] = STRICT

    mc_dropout: Experiments
    replicates: Count = 1
    figures: Mapping[str, Any] = field(default_factory=dict)
    description: str = ""


def register_suite() -> None:
    """Register what `reproduce` runs, what `plot` draws, and how large it is."""
    SUITES.register(FIGURE)(Suite("Accuracy and calibration of networks with MC dropout", series))
    PLOTS.register(FIGURE)(Plot((FIGURE,), options={"measures": ("accuracy", "mace"), "pass_bars": True}))
    STYLES.register("MC dropout")(Style(PURPLE, "D"))
    SCALES.register("mc_dropout_small")(Path(__file__).parent / "scales" / "mc_dropout_small.json")


def series(scale: Scale) -> list[Series]:
    """Return two curves for each network of a scale: deterministic, and with MC dropout.

    Both share all other flags, and so, in one replicate, initial weights and the order of the data. A scale without
    the key `mc_dropout` has nothing to say here, and is not this plugin's.

    Raises:
        UserError: naming what the scale lacks, or what is not as it must be.
    """
    if FIGURE not in scale:
        return []
    read = scale.read(DropoutScale)
    own, found = read.mc_dropout, []
    for panel, network in own.networks.items():
        for method, flags, times in (("deterministic", "", 1), ("MC dropout", f"--mc_dropout {own.flags}", own.passes)):
            words = [*shlex.split(network), *shlex.split(flags), f"--levels={own.levels}"]
            numbers = range(1, read.replicates + 1)
            found.append(Series(panel, method, tuple(_measured(words, number, times) for number in numbers)))
    return found


def _measured(words: list[str], replicate: int, passes: int) -> Experiment:
    """Return repeated evaluation of a lottery, which comes after the lottery itself."""
    command: tuple[Any, ...] = ("lottery", *words, f"--replicate={replicate}")
    return Experiment(("evaluate", *command, f"--passes={passes}"), after=(Experiment(command),))
