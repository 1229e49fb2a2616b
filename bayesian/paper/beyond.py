"""Suites beyond the paper: scores as released, optimisers, shift, pruning in one shot, and stability."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from bayesian.paper import methods
from bayesian.paper.figures import figure, series_of, tickets
from bayesian.paper.scale import PaperScale, Words
from bayesian.paper.trunk import Trunk, bayesian, deterministic, ensemble_of
from open_lth.suites import Experiment, Series


@figure("scores", "The scores as the paper has them and as its released code has them")
def scores(scale: PaperScale) -> Iterable[Series]:
    """All five scores, while the standard deviations are uniform and once they are informative."""
    for label, network in scale.networks.items():
        for state, words in scale.std_learning_rates.items():
            for method, strategy in {**methods.SCORES, **methods.RELEASED_SCORES}.items():
                yield tickets(f"{label}, {state}", method, bayesian(scale, network, words, strategy))


@figure("optimizers", "What fits the distribution, at one to ten gradients a step")
def optimizers(scale: PaperScale) -> Iterable[Series]:
    """Bayes by Backprop with several numbers of samples, and IVON, beside the deterministic network."""
    for panel, network in scale.networks.items() if scale.optimizers else ():
        yield series_of(panel, methods.DETERMINISTIC, (trunk.evaluation(1) for trunk in deterministic(scale, network)))
        for method, words in scale.optimizers.items():
            trunks = bayesian(scale, network, words)
            yield series_of(panel, method, (trunk.evaluation(1) for trunk in trunks))


@figure("shift", "Shifted test images")
def shift(scale: PaperScale) -> Iterable[Series]:
    """Both kinds of network, and ensembles of the deterministic replicates, which any Bayesian claim must beat."""
    words = (f"--shift={scale.shift}", f"--ood={scale.ood}")
    for panel, network in scale.networks.items():
        trunks = deterministic(scale, network)
        yield series_of(panel, methods.DETERMINISTIC, (trunk.evaluation(1, *words) for trunk in trunks))
        if len(trunks) > 1:
            yield series_of(panel, methods.ENSEMBLE, [ensemble_of(trunks, *words)])
        for method, own in (scale.optimizers or {methods.BAYESIAN: ()}).items():
            yield series_of(panel, method, (trunk.evaluation(1, *words) for trunk in bayesian(scale, network, own)))


@figure("pruning", "Pruning before training, in one shot, and iteratively")
def pruning(scale: PaperScale) -> Iterable[Series]:
    """Each way to a mask, then the same masks shuffled within layers, and new weights under them."""
    for label, network in scale.networks.items() if scale.one_shot else ():
        for state, control in CONTROLS.items():
            panel, trunks = f"{label}, {state}", deterministic(scale, network)
            yield _found(panel, control, trunks)
            for method, words in scale.one_shot.items():
                yield series_of(panel, method, (_one_shot(trunk, words, control) for trunk in trunks))


CONTROLS: Mapping[str, str] = {
    "masks as found": "none",
    "masks shuffled within layers": "shuffle",
    "new weights under the masks": "reinit",
}
"""Row of the figure -> what becomes of the masks (Frankle et al. 2021)."""


def _found(panel: str, control: str, trunks: Sequence[Trunk]) -> Series:
    """Return the curve of the lotteries' own masks."""
    if control == "none":
        return tickets(panel, methods.ITERATIVE, trunks)
    words = {"shuffle": ("shuffle", "--strategy=layerwise"), "reinit": ("reinit",)}[control]
    return series_of(panel, methods.ITERATIVE, (trunk.randomisation(*words) for trunk in trunks))


def _one_shot(trunk: Trunk, words: Words, control: str) -> Experiment:
    seed = (f"--seed={trunk.replicate}",) if control == "shuffle" else ()
    return trunk.branch("oneshot", *words, f"--control={control}", *seed)


@figure("stability", "Are tickets stable to the noise of SGD?")
def stability(scale: PaperScale) -> Iterable[Series]:
    """The line between two copies of every ticket, from several rewinding steps, in both kinds of network."""
    for label, network in scale.networks.items():
        for rewinding, words in scale.rewinding.items():
            for kind, trunks in (
                ("deterministic", deterministic(scale, network, words)),
                ("Bayesian", bayesian(scale, network, words)),
            ):
                connected = (_connected(trunk) for trunk in trunks)
                yield series_of(f"{label}, {kind}", rewinding, connected)


def _connected(trunk: Trunk) -> Experiment:
    levels = f"0,{trunk.scale.branch_levels}"
    copies, line = trunk.branch("fork", levels=levels), trunk.branch("connect", levels=levels)
    return replace(line, after=(copies,))
