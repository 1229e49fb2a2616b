"""The Bayesian plugin: mean-field variational networks and their lottery tickets."""

__all__ = ["register"]


def register() -> None:
    """Register the variant with its strategies, estimators and branch, the paper's experiments and figures.

    What only some commands need is imported once one of them asks for it.
    """
    from bayesian.estimators import ESTIMATORS
    from bayesian.figures import register_plots, register_styles
    from bayesian.hparams import BAYESIAN
    from bayesian.paper import register_scales, register_suites
    from bayesian.strategies import register_strategies
    from bayesian.variant import Bayesian, paper_curriculum
    from open_lth.branch import BRANCHES
    from open_lth.plugins import REGISTRIES
    from open_lth.suites import PLOTS, SCALES, STYLES, SUITES
    from training import CURRICULA, VARIANTS

    CURRICULA.register("paper")(paper_curriculum)
    VARIANTS.register(BAYESIAN)(Bayesian)
    REGISTRIES.register("estimator")(ESTIMATORS)
    register_strategies()
    BRANCHES.defer(_register_branch)
    SUITES.defer(register_suites)
    SCALES.defer(register_scales)
    PLOTS.defer(register_plots)
    STYLES.defer(register_styles)


def _register_branch() -> None:
    from bayesian.transplant import Transplant
    from open_lth.branch import BRANCHES

    BRANCHES.register(Transplant.name())(Transplant)
