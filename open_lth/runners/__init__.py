"""Experiments: what describes one, where its files lie, and what runs and measures it."""
