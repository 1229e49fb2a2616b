"""How the paper's suites are drawn, and how its methods look."""

from __future__ import annotations

__all__ = ["register_figures"]


def register_figures() -> None:
    """Register the plots and the styles."""
    from bayesian.figures.plots import FIGURES
    from bayesian.figures.styles import METHODS
    from open_lth.figures.plot import PLOTS
    from open_lth.figures.style import STYLES

    for name, plot in FIGURES.items():
        PLOTS.register(name)(plot)
    for method, style in METHODS.items():
        STYLES.register(method)(style)
