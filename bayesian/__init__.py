"""The Bayesian plugin: mean-field variational networks and their lottery tickets."""

__all__ = ["register"]


def register() -> None:
    """Register the variant with its strategies, estimators and branch, the paper's experiments and figures."""
    from bayesian.estimators import ESTIMATORS
    from bayesian.figures import register_figures
    from bayesian.hparams import BAYESIAN
    from bayesian.paper import register_paper
    from bayesian.strategies import register_strategies
    from bayesian.transplant import Transplant
    from bayesian.variant import Bayesian
    from open_lth.branch import BRANCHES
    from open_lth.plugins.registries import REGISTRIES
    from training import VARIANTS

    VARIANTS.register(BAYESIAN)(Bayesian)
    BRANCHES.register(Transplant.name())(Transplant)
    REGISTRIES.register("estimator")(ESTIMATORS)
    register_strategies()
    register_paper()
    register_figures()
