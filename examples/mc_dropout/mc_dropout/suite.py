"""The figure `mc_dropout`: its experiments, how it is drawn, and the scale `mc_dropout_small`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from foundations.errors import UserError
from open_lth.suites import PLOTS, SCALES, STYLES, SUITES, Experiment, Plot, Scale, Series, Style, Suite
from open_lth.suites.styles import PURPLE

FIGURE = "mc_dropout"


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
        UserError: if the scale lacks something.
    """
    if FIGURE not in scale:
        return []
    try:
        own = scale[FIGURE]
        networks = {label: shlex.split(flags) for label, flags in own["networks"].items()}
        dropout, levels, passes = shlex.split(own.get("flags", "")), int(own["levels"]), int(own["passes"])
        replicates = range(1, int(scale.get("replicates", 1)) + 1)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise UserError(
            f"--scale: {FIGURE} must be an object of networks (flags by name), levels, passes and perhaps flags"
        ) from None
    found = []
    for panel, network in networks.items():
        for method, flags, times in (
            ("deterministic", [], 1),
            ("MC dropout", ["--mc_dropout", *dropout], passes),
        ):
            words = [*network, *flags, f"--levels={levels}"]
            found.append(Series(panel, method, tuple(_measured(words, number, times) for number in replicates)))
    return found


def _measured(words: list[str], replicate: int, passes: int) -> Experiment:
    """Return repeated evaluation of a lottery, which comes after the lottery itself."""
    command: tuple[Any, ...] = ("lottery", *words, f"--replicate={replicate}")
    return Experiment(("evaluate", *command, f"--passes={passes}"), after=(Experiment(command),))
