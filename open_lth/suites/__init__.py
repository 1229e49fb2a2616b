"""Suites: the experiments of figures and tables as commands, their scales, and their finished runs."""

from open_lth.suites.suite import SUITES, Experiment, Scale, Series, Suite, in_order, suites_of, with_replicates

__all__ = ["SUITES", "Experiment", "Scale", "Series", "Suite", "in_order", "suites_of", "with_replicates"]
