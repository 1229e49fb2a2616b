"""The suites: figures 1 to 9 and table 1 of the paper, and `scores` and `shift` beyond it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from bayesian.paper import methods
from bayesian.paper.scale import PaperScale
from bayesian.paper.trunk import Trunk, bayesian, deterministic
from open_lth.suites import Experiment, Scale, Series, Suite

FIGURES: dict[str, Suite] = {}
"""By name on the command line."""

Figure = Callable[[PaperScale], Iterable[Series]]


def _figure(name: str, title: str) -> Callable[[Figure], Figure]:
    def decorate(figure: Figure) -> Figure:
        def series(scale: Scale) -> list[Series]:
            return list(figure(PaperScale.read(scale, name)))

        FIGURES[name] = Suite(title, series)
        return figure

    return decorate


def _series(panel: str, method: str, experiments: Iterable[Experiment]) -> Series:
    return Series(panel, method, tuple(experiments))


def _tickets(panel: str, method: str, trunks: Iterable[Trunk]) -> Series:
    return _series(panel, method, (trunk.tickets() for trunk in trunks))


@_figure("1", "Accuracy and calibration by score (section 5)")
def accuracy_by_score(scale: PaperScale) -> Iterable[Series]:
    """Magnitude in deterministic networks, three scores in Bayesian ones, with repeated stochastic passes."""
    for panel, network in scale.networks.items():
        once = (trunk.evaluation(passes=1) for trunk in deterministic(scale, network))
        yield _series(panel, methods.DETERMINISTIC, once)
        for method, strategy in methods.SCORES.items():
            trunks = bayesian(scale, network, strategy=strategy)
            yield _series(panel, method, (trunk.evaluation(scale.passes) for trunk in trunks))


@_figure("2", "Sparsity by layer at the last level (section 6)")
def sparsity_by_layer(scale: PaperScale) -> Iterable[Series]:
    """Tickets of both variants."""
    for panel, network in scale.networks.items():
        yield _tickets(panel, methods.DETERMINISTIC, deterministic(scale, network))
        yield _tickets(panel, methods.BAYESIAN, bayesian(scale, network))


@_figure("3", "Randomisations of a ticket (section 7)")
def randomisations(scale: PaperScale) -> Iterable[Series]:
    """One deterministic ticket of the first network; figure 4 has the same runs."""
    panel, network = next(iter(scale.networks.items()))
    yield from _randomised(panel, methods.DETERMINISTIC, deterministic(scale, network)[:1])


@_figure("4", "New weights and shuffled masks (section 7)")
def accuracy_of_randomisations(scale: PaperScale) -> Iterable[Series]:
    """Tickets, new weights and three shuffles, in both variants."""
    for panel, network in scale.networks.items():
        yield from _randomised(f"{panel}, deterministic", methods.DETERMINISTIC, deterministic(scale, network))
        yield from _randomised(f"{panel}, Bayesian", methods.BAYESIAN, bayesian(scale, network))


def _randomised(panel: str, method: str, trunks: list[Trunk]) -> Iterable[Series]:
    yield _tickets(panel, method, trunks)
    for randomised, words in methods.RANDOMISATIONS.items():
        yield _series(panel, randomised, (trunk.randomisation(*words) for trunk in trunks))


@_figure("5", "Transplanted tickets (section 8)")
def transplantation(scale: PaperScale) -> Iterable[Series]:
    """Deterministic, Bayesian and transplanted tickets."""
    yield from sparsity_by_layer(scale)
    yield from _transplanted(scale)


def _transplanted(scale: PaperScale) -> Iterable[Series]:
    for panel, network in scale.networks.items():
        trunks = deterministic(scale, network)
        branches = (trunk.branch("transplant", *scale.bayesian) for trunk in trunks)
        yield _series(panel, methods.TRANSPLANTED, branches)


@_figure("6", "Larger networks (appendix A)")
def larger_networks(scale: PaperScale) -> Iterable[Series]:
    """Two sizes of each network."""
    for label, network in scale.networks.items():
        for larger_label, larger in scale.larger_networks.get(label, {}).items():
            panel = f"{label} and {larger_label}"
            yield _tickets(panel, methods.DETERMINISTIC, deterministic(scale, network))
            yield _tickets(panel, methods.BAYESIAN, bayesian(scale, network))
            yield _tickets(panel, methods.LARGER_DETERMINISTIC, deterministic(scale, larger))
            yield _tickets(panel, methods.LARGER_BAYESIAN, bayesian(scale, larger))


@_figure("7", "Learning rates and warmup (appendix A)")
def learning_rates(scale: PaperScale) -> Iterable[Series]:
    """Several learning rates of Bayesian networks, and of deterministic ones, the paper's insets."""
    for label, network in scale.networks.items():
        for method, words in scale.learning_rates.items():
            yield _tickets(f"{label}, Bayesian", method, bayesian(scale, network, words))
        for method, words in scale.learning_rates.items():
            yield _tickets(f"{label}, deterministic", method, deterministic(scale, network, words))


@_figure("8", "Learning rate rewinding (appendix B)")
def learning_rate_rewinding(scale: PaperScale) -> Iterable[Series]:
    """Learning rate rewinding beside iterative magnitude pruning, in both variants."""
    yield from sparsity_by_layer(scale)
    for panel, network in scale.networks.items():
        for method, trunks in (
            (methods.LRR_DETERMINISTIC, deterministic(scale, network)),
            (methods.LRR_BAYESIAN, bayesian(scale, network)),
        ):
            yield _series(panel, method, (trunk.learning_rate_rewinding() for trunk in trunks))


@_figure("9", "Calibration of transplanted tickets (appendix C)")
def calibration(scale: PaperScale) -> Iterable[Series]:
    """Bayesian and transplanted tickets."""
    for panel, network in scale.networks.items():
        yield _tickets(panel, methods.BAYESIAN, bayesian(scale, network))
    yield from _transplanted(scale)


@_figure("table1", "Minutes of training a level (section 8)")
def runtimes(scale: PaperScale) -> Iterable[Series]:
    """Tickets of both variants."""
    yield from sparsity_by_layer(scale)


@_figure("scores", "The scores as the paper has them and as its released code has them")
def scores(scale: PaperScale) -> Iterable[Series]:
    """All five scores, while the standard deviations are uniform and once they are informative."""
    for label, network in scale.networks.items():
        for state, words in scale.std_learning_rates.items():
            for method, strategy in {**methods.SCORES, **methods.RELEASED_SCORES}.items():
                yield _tickets(f"{label}, {state}", method, bayesian(scale, network, words, strategy))


@_figure("optimizers", "What fits the distribution, at one to ten gradients a step")
def optimizers(scale: PaperScale) -> Iterable[Series]:
    """Bayes by Backprop with several numbers of samples, and IVON, beside the deterministic network."""
    for panel, network in scale.networks.items() if scale.optimizers else ():
        yield _series(panel, methods.DETERMINISTIC, (trunk.evaluation(1) for trunk in deterministic(scale, network)))
        for method, words in scale.optimizers.items():
            trunks = bayesian(scale, network, words)
            yield _series(panel, method, (trunk.evaluation(1) for trunk in trunks))


@_figure("shift", "Shifted test images")
def shift(scale: PaperScale) -> Iterable[Series]:
    """Both kinds of network, and ensembles of the deterministic replicates, which any Bayesian claim must beat."""
    words = (f"--shift={scale.shift}", f"--ood={scale.ood}")
    for panel, network in scale.networks.items():
        for method, trunks in (
            (methods.DETERMINISTIC, deterministic(scale, network)),
            (methods.BAYESIAN, bayesian(scale, network)),
        ):
            yield _series(panel, method, (trunk.evaluation(1, *words) for trunk in trunks))
            if method == methods.DETERMINISTIC and len(trunks) > 1:
                ensemble = trunks[0].evaluation(1, *words, "--ensemble=replicates")
                tickets = tuple(trunk.tickets() for trunk in trunks)
                yield _series(panel, methods.ENSEMBLE, [replace(ensemble, after=tickets)])
