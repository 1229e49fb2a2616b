"""Branches: experiments that start from the levels of a lottery."""

from open_lth.branch import (  # noqa: F401 - importing registers them
    connect,
    fork,
    oneshot,
    randomly_prune,
    randomly_reinitialize,
    retrain,
)
from open_lth.branch.base import BRANCHES, Branch

__all__ = ["BRANCHES", "Branch"]
