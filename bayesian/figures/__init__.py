"""How the paper's suites are drawn, and how its methods look."""

from __future__ import annotations

__all__ = ["register_plots", "register_styles"]


def register_plots() -> None:
    """Register the plots."""
    from bayesian.figures.plots import FIGURES
    from open_lth.suites import PLOTS

    for name, plot in FIGURES.items():
        PLOTS.register(name)(plot)


def register_styles() -> None:
    """Register the styles."""
    from bayesian.figures.styles import METHODS
    from open_lth.suites import STYLES

    for method, style in METHODS.items():
        STYLES.register(method)(style)
