"""What may have been meant by a name that does not exist."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

CALLED_HERE: Mapping[str, str] = {
    "epochs": "training_steps=160ep",
    "num_epochs": "training_steps=160ep",
    "steps": "training_steps=500it",
    "iterations": "training_steps=500it",
    "seed": "replicate, which decides all random numbers",
    "learning_rate": "lr",
    "wd": "weight_decay",
    "optimizer": "optimizer_name",
    "optim": "optimizer_name",
    "model": "default_hparams=MODEL, or --model_name",
    "arch": "default_hparams=MODEL, or --model_name",
    "dataset": "dataset_name",
    "data": "dataset_name",
    "data_dir": "dataset_root",
    "data_root": "dataset_root",
    "output": "root",
    "output_dir": "root",
    "save_dir": "root",
    "gpu": "device=cuda",
    "cuda": "device=cuda",
    "workers": "num_workers",
    "sparsity": "levels, with --pruning_fraction of the weights pruned at each",
    "prune_ratio": "pruning_fraction",
    "rewind_steps": "rewinding_steps",
    "amp": "precision=bf16",
    "fp16": "precision=fp16",
    "bf16": "precision=bf16",
}
"""Flags of other programs, and what says the same here."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return the valid name that is most like another one, or the shortest that ends with it; nothing if none is."""
    valid = list(valid)
    longer = sorted((other for other in valid if other.endswith(f"_{name}")), key=len)
    return next(iter((*difflib.get_close_matches(name, valid, n=1, cutoff=0.7), *longer)), "")


def did_you_mean(name: str, valid: Iterable[str]) -> str:
    """Return the question whether another name was meant, to be put behind a statement; nothing if none is like it."""
    found = nearest(name, valid)
    return f"; did you mean {found}?" if found else ""


def about_flag(word: str, valid: Iterable[str], switches: Iterable[str]) -> str:
    """Return what is wrong with a flag that does not exist, in one line.

    Args:
        word: as it was typed, with dashes and perhaps a value.
        valid: the flags that there are, without dashes.
        switches: those of them that take no value; some bring flags that begin with their name.
    """
    name = word.partition("=")[0].lstrip("-").replace("-", "_")
    valid = list(valid)
    if name in valid:
        return f"{word}: flags begin with two dashes and have underscores; did you mean --{name}?"
    missing = [switch for switch in switches if name.startswith(f"{switch}_")]
    if missing:
        return f"{word}: has no effect without --{max(missing, key=len)}"
    if name in CALLED_HERE:
        return f"{word}: no such flag; it is called --{CALLED_HERE[name]} here"
    found = nearest(name, valid)
    return f"{word}: no such flag{f'; did you mean --{found}?' if found else ''}"
