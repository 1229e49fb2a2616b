"""The experiments of Bayesian Lottery Ticket Hypothesis, figure by figure, and some beyond it."""

__all__ = ["register_scales", "register_suites"]


def register_suites() -> None:
    """Register the suites."""
    import bayesian.paper.beyond
    import bayesian.paper.controls  # noqa: F401 - importing them adds to the figures
    from bayesian.paper.figures import FIGURES
    from open_lth.suites import SUITES

    for name, suite in FIGURES.items():
        SUITES.register(name)(suite)


def register_scales() -> None:
    """Register the scales that have a name."""
    from bayesian.paper.scale import NAMED_SCALES
    from open_lth.suites import SCALES

    for name, path in NAMED_SCALES.items():
        SCALES.register(name)(path)
