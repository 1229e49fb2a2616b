"""Branches: experiments that start from the levels of a lottery."""

from open_lth.branch import randomly_prune, randomly_reinitialize, retrain  # noqa: F401 - importing registers them
from open_lth.branch.base import BRANCHES, Branch

__all__ = ["BRANCHES", "Branch"]
