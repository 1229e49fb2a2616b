"""What a command prints before its runs start, and when they are done."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from datasets import iterations_per_epoch
from foundations.context import RunContext
from foundations.step import Step
from open_lth.commands.table import table
from open_lth.runners.descs import Desc, LotteryDesc
from open_lth.runners.levels import COLUMNS, level_rows
from training import TrainingRun, unreached_changes


def print_header(desc: Desc, replicate: int, location: Path, context: RunContext, extra: str = "") -> None:
    """Print the hyperparameters, where the results go and how many processes there are, unless quiet."""
    if context.quiet:
        return
    print("=" * 82)
    print(f"{desc.title} (Replicate {replicate})\n" + "-" * 82)
    print(desc.display())
    for line in filter(None, (extra, context.sharing.describe(context.ranks), *_unreached(desc))):
        print(line)
    print(f"Output Location: {location}\n" + "=" * 82 + "\n", flush=True)


def print_results(runs: Sequence[TrainingRun], context: RunContext) -> None:
    """Print a line for each run, with its density, its measures at the end and its place, unless quiet."""
    if not context.quiet:
        rows = level_rows([run.paths for run in runs], context.root)
        print(f"\nUnder {context.root}:\n{table([COLUMNS, *rows])}", flush=True)


def _unreached(desc: Desc) -> Iterator[str]:
    """Yield a line for each training whose schedule goes on beyond its end."""
    trainings = [("", desc.dataset_hparams, desc.training_hparams)]
    if isinstance(desc, LotteryDesc) and desc.pretrain_training_hparams is not None:
        data = desc.pretrain_dataset_hparams or desc.dataset_hparams
        trainings.append(("pretrain_", data, desc.pretrain_training_hparams))
    for prefix, data, training in trainings:
        for flag in unreached_changes(training, iterations_per_epoch(data)):
            own = flag.replace("--", f"--{prefix}")
            yield f"Warning: {own}: without effect, since training ends at {training.training_steps}"
    end = desc.training_hparams.training_steps
    length = iterations_per_epoch(desc.dataset_hparams)
    for flag, text in desc.variant.schedule().items():
        if Step.from_str(text, length) > Step.from_str(end, length):
            yield f"Warning: --{flag}={text}: is beyond the end of training, at {end}"
