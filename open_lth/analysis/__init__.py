"""Computations on finished runs: from their files to tables of numbers."""
