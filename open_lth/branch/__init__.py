"""Branches: experiments that start from the levels of a lottery."""

from open_lth.branch import randomly_prune, randomly_reinitialize, retrain  # noqa: F401 - importing registers them

# isort: split
from open_lth.branch import connect, fork, oneshot  # noqa: F401 - likewise; OpenLTH's come first in lists
from open_lth.branch.base import BRANCHES, Branch

__all__ = ["BRANCHES", "Branch"]
