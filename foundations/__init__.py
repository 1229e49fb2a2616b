"""The floor of the house: hyperparameters, steps, paths, storage, registries and random streams."""
