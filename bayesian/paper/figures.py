"""The suites: figures 1 to 9 and table 1 of the paper."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from bayesian.paper import methods
from bayesian.paper.scale import PaperScale
from bayesian.paper.trunk import Trunk, bayesian, deterministic
from open_lth.suites import Experiment, Scale, Series, Suite

FIGURES: dict[str, Suite] = {}
"""By name on the command line."""

Figure = Callable[[PaperScale], Iterable[Series]]


def figure(name: str, title: str) -> Callable[[Figure], Figure]:
    """Return a decorator that makes a suite of a function from a scale to series."""

    def decorate(make: Figure) -> Figure:
        def series(scale: Scale) -> list[Series]:
            return list(make(PaperScale.read(scale, name)))

        FIGURES[name] = Suite(title, series)
        return make

    return decorate


def series_of(panel: str, method: str, experiments: Iterable[Experiment]) -> Series:
    """Return a curve."""
    return Series(panel, method, tuple(experiments))


def tickets(panel: str, method: str, trunks: Iterable[Trunk]) -> Series:
    """Return the curve of lotteries."""
    return series_of(panel, method, (trunk.tickets() for trunk in trunks))


@figure("1", "Accuracy and calibration by score (section 5)")
def accuracy_by_score(scale: PaperScale) -> Iterable[Series]:
    """Magnitude in deterministic networks, three scores in Bayesian ones, with repeated stochastic passes."""
    for panel, network in scale.networks.items():
        once = (trunk.evaluation(passes=1) for trunk in deterministic(scale, network))
        yield series_of(panel, methods.DETERMINISTIC, once)
        for method, strategy in methods.SCORES.items():
            trunks = bayesian(scale, network, strategy=strategy)
            yield series_of(panel, method, (trunk.evaluation(scale.passes) for trunk in trunks))


@figure("2", "Sparsity by layer at the last level (section 6)")
def sparsity_by_layer(scale: PaperScale) -> Iterable[Series]:
    """Tickets of both variants."""
    for panel, network in scale.networks.items():
        yield tickets(panel, methods.DETERMINISTIC, deterministic(scale, network))
        yield tickets(panel, methods.BAYESIAN, bayesian(scale, network))


@figure("3", "Randomisations of a ticket (section 7)")
def randomisations(scale: PaperScale) -> Iterable[Series]:
    """One deterministic ticket of the first network; figure 4 has the same runs."""
    panel, network = next(iter(scale.networks.items()))
    yield from _randomised(panel, methods.DETERMINISTIC, deterministic(scale, network)[:1])


@figure("4", "New weights and shuffled masks (section 7)")
def accuracy_of_randomisations(scale: PaperScale) -> Iterable[Series]:
    """Tickets, new weights and three shuffles, in both variants."""
    for panel, network in scale.networks.items():
        yield from _randomised(f"{panel}, deterministic", methods.DETERMINISTIC, deterministic(scale, network))
        yield from _randomised(f"{panel}, Bayesian", methods.BAYESIAN, bayesian(scale, network))


def _randomised(panel: str, method: str, trunks: list[Trunk]) -> Iterable[Series]:
    yield tickets(panel, method, trunks)
    for randomised, words in methods.RANDOMISATIONS.items():
        yield series_of(panel, randomised, (trunk.randomisation(*words) for trunk in trunks))


@figure("5", "Transplanted tickets (section 8)")
def transplantation(scale: PaperScale) -> Iterable[Series]:
    """Deterministic, Bayesian and transplanted tickets."""
    yield from sparsity_by_layer(scale)
    yield from _transplanted(scale)


def _transplanted(scale: PaperScale) -> Iterable[Series]:
    for panel, network in scale.networks.items():
        trunks = deterministic(scale, network)
        branches = (trunk.branch("transplant", *scale.bayesian) for trunk in trunks)
        yield series_of(panel, methods.TRANSPLANTED, branches)


@figure("6", "Larger networks (appendix A)")
def larger_networks(scale: PaperScale) -> Iterable[Series]:
    """Two sizes of each network."""
    for label, network in scale.networks.items():
        for larger_label, larger in scale.larger_networks.get(label, {}).items():
            panel = f"{label} and {larger_label}"
            yield tickets(panel, methods.DETERMINISTIC, deterministic(scale, network))
            yield tickets(panel, methods.BAYESIAN, bayesian(scale, network))
            yield tickets(panel, methods.LARGER_DETERMINISTIC, deterministic(scale, larger))
            yield tickets(panel, methods.LARGER_BAYESIAN, bayesian(scale, larger))


@figure("7", "Learning rates and warmup (appendix A)")
def learning_rates(scale: PaperScale) -> Iterable[Series]:
    """Several learning rates of Bayesian networks, and of deterministic ones, the paper's insets."""
    for label, network in scale.networks.items():
        for method, words in scale.learning_rates.items():
            yield tickets(f"{label}, Bayesian", method, bayesian(scale, network, words))
        for method, words in scale.learning_rates.items():
            yield tickets(f"{label}, deterministic", method, deterministic(scale, network, words))


@figure("8", "Learning rate rewinding (appendix B)")
def learning_rate_rewinding(scale: PaperScale) -> Iterable[Series]:
    """Learning rate rewinding beside iterative magnitude pruning, in both variants."""
    yield from sparsity_by_layer(scale)
    for panel, network in scale.networks.items():
        for method, trunks in (
            (methods.LRR_DETERMINISTIC, deterministic(scale, network)),
            (methods.LRR_BAYESIAN, bayesian(scale, network)),
        ):
            yield series_of(panel, method, (trunk.learning_rate_rewinding() for trunk in trunks))


@figure("9", "Calibration of transplanted tickets (appendix C)")
def calibration(scale: PaperScale) -> Iterable[Series]:
    """Bayesian and transplanted tickets."""
    for panel, network in scale.networks.items():
        yield tickets(panel, methods.BAYESIAN, bayesian(scale, network))
    yield from _transplanted(scale)


@figure("table1", "Minutes of training a level (section 8)")
def runtimes(scale: PaperScale) -> Iterable[Series]:
    """Tickets of both variants."""
    yield from sparsity_by_layer(scale)
