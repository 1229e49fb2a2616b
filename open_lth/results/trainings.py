"""The training behind a run's directory, as its command or its description tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from foundations.errors import UserError
from foundations.paths import Rewinding, RunPaths
from foundations.places import default_dataset_root
from foundations.storage import read_json, read_text
from open_lth.command import Words, read_command
from open_lth.results.replicates import Replicate
from training import VARIANTS, TrainingRun

_FIELD = re.compile(r"    \* (\w+) => (.*)")
_PRETRAINING = "Pretraining "


def training_of(paths: RunPaths, dataset_root: Path | None = None) -> TrainingRun:
    """Return the training that made a run, on the CPU, whichever program wrote it.

    Its hyperparameters are those of the command that is kept beside it or, where none is, of `hparams.log`. They are
    right, or the run would have another name.

    Args:
        paths: the run's; their place says which replicate and level it is.
        dataset_root: where data sets are; the usual place if None.

    Raises:
        UserError: if they cannot be told.
    """
    replicate = paths.replicate
    words = _kept_command(paths) or _described_command(paths)
    here = (
        f"--root={replicate.root}",
        f"--dataset_root={default_dataset_root() if dataset_root is None else dataset_root}",
        f"--replicate={replicate.number}",
        "--device=cpu",
        "--quiet",
    )
    try:
        trainings, _ = read_command((*words, *here))
    except UserError as error:
        raise UserError(f"{paths.directory}: how it was made cannot be told: {error}") from None
    for training in trainings:
        if training.paths == paths:
            return training
    raise UserError(f"{paths.directory}: how it was made cannot be told: its hyperparameters lead to another name")


def _kept_command(paths: RunPaths) -> Words:
    """Return the command that is kept beside a run, or nothing."""
    if not paths.command.exists():
        return ()
    content = read_json(paths.command)
    words = content.get("command") if isinstance(content, dict) else None
    return tuple(map(str, words)) if isinstance(words, list) else ()


def _described_command(paths: RunPaths) -> Words:
    """Return a command that makes a run, as its experiment's hyperparameters say that were written down."""
    flags = tuple(_flags(read_text(Replicate(paths.replicate).first.hparams, errors="replace")))
    if paths.level is None:
        return ("train", *flags)
    level = f"--levels={paths.level}"
    if paths.trunk is not None:
        own = _flags(read_text(paths.hparams, errors="replace")) if paths.hparams.exists() else ()
        return ("lottery_branch", paths.kind.partition("/")[0], level, *flags, *own)
    return ("lottery", level, *(("--lrr",) if paths.kind == Rewinding.LEARNING_RATE.value else ()), *flags)


def _flags(text: str) -> Iterator[str]:
    """Yield the flags that displayed hyperparameters stand for."""
    prefixes = {variant.hparams.title: f"{name}_" for name, variant in VARIANTS.items() if variant.hparams is not None}
    prefix = ""
    for line in text.splitlines():
        field = _FIELD.fullmatch(line)
        if field is None:
            prefix = "pretrain_" if line.startswith(_PRETRAINING) else prefixes.get(line, "")
            if prefix:
                yield f"--{prefix.removesuffix('_')}"
        elif field[1] != "variant_name":
            yield f"--{prefix}{field[1]}" if field[2] == "True" else f"--{prefix}{field[1]}={field[2]}"
