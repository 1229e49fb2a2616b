"""Figures and tables of finished runs: pure functions from tables of numbers to matplotlib figures."""
