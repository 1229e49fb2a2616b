"""MC dropout for open_lth: an example of a plugin that brings a variant, a figure and a scale."""

__all__ = ["register"]


def register() -> None:
    """Register everything that the plugin brings; open_lth calls this once, before it reads any flag.

    The imports stand inside, so that importing the package alone costs nothing.
    """
    from mc_dropout.suite import register_suite
    from mc_dropout.variant import McDropout
    from training import VARIANTS

    VARIANTS.register(McDropout.name)(McDropout)
    register_suite()
