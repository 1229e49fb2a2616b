"""The Bayesian plugin: mean-field variational networks and their lottery tickets."""

__all__ = ["register"]


def register() -> None:
    """Register the kind of network, its pruning strategies and its branches."""
    from bayesian.strategies import register_strategies
    from bayesian.variant import BAYESIAN, Bayesian
    from training import VARIANTS

    VARIANTS.register(BAYESIAN)(Bayesian)
    register_strategies()
