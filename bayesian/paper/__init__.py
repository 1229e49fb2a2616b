"""The experiments of Bayesian Lottery Ticket Hypothesis, figure by figure, and some beyond it."""

__all__ = ["register_paper"]


def register_paper() -> None:
    """Register the suites, and the scales that have a name."""
    from bayesian.paper.figures import FIGURES
    from bayesian.paper.scale import NAMED_SCALES
    from open_lth.suites import SUITES
    from open_lth.suites.scales import SCALES

    for name, suite in FIGURES.items():
        SUITES.register(name)(suite)
    for name, path in NAMED_SCALES.items():
        SCALES.register(name)(path)
