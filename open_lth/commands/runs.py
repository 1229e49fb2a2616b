"""The subcommand `runs`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from foundations.errors import InvalidValue, UserError
from foundations.messages import LOGGER
from foundations.paths import SUBMISSIONS
from foundations.places import add_place_flags
from open_lth.commands.table import table
from open_lth.results.named import named_replicates
from open_lth.results.replicates import NOT_KEPT, Replicate, find_replicates

_COLUMNS = ("name", "replicate", "model", "data", "variant", "strategy", "levels", "branches", "best accuracy", "MB")


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags."""
    parser.add_argument("action", nargs="?", default="list", metavar="ACTION", help="list (default) or show")
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="what to show: a name, or the beginning of its hash or a branch's"
    )
    add_place_flags(parser, "root")


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """List the experiments under the root, or show one.

    Raises:
        UserError: if the action is unknown, or no or several experiments have the name.
    """
    if args.action == "list":
        replicates = find_replicates(args.root)
        if not replicates and not (args.root / SUBMISSIONS).exists():
            print(f"no experiment lies under {args.root}", file=sys.stderr)
        print(table([_COLUMNS, *map(_row, replicates)]))
        _list_jobs(args.root.absolute())
    elif args.action == "show":
        if not args.name:
            raise UserError("runs show needs a name, or the beginning of its hash; `runs` lists them")
        _show(named_replicates(args.root, args.name))
    else:
        raise InvalidValue("action", args.action, "valid values are list, show")


def _list_jobs(root: Path) -> None:
    """List the jobs that were submitted and are not done; say nothing where none ever was."""
    if not (root / SUBMISSIONS).exists():
        return
    from open_lth.cluster.listing import list_jobs  # with torch, for which a list of runs need not wait

    try:
        listing = list_jobs(root)
    except UserError as error:  # what Slurm does not say hides nothing else
        LOGGER.warning("%s", error)
        return
    if listing.rows:
        print(f"\n{table([listing.columns, *listing.rows])}")
    if listing.done:
        print(f"\n{listing.done} submitted job{'s are' if listing.done > 1 else ' is'} done")


def _row(one: Replicate) -> tuple[str, ...]:
    hparams, lrr = one.hparams, one.lrr_levels
    return (
        one.paths.name,
        str(one.paths.number),
        hparams.get("model_name", "?"),
        hparams.get("dataset_name", "?"),
        hparams.get("variant_name", "-"),
        hparams.get("pruning_strategy", "-"),
        _ranges(one.levels) + (f" lrr {_ranges(lrr)}" if lrr else ""),
        str(len(one.branches)),
        f"{one.best_accuracy:.4f}",
        f"{one.size / 1e6:.1f}",
    )


def _ranges(levels: Sequence[int]) -> str:
    """Return ascending levels as people write them: `0-4`, or one by one if there are gaps."""
    if len(levels) > 1 and list(levels) == list(range(levels[0], levels[-1] + 1)):
        return f"{levels[0]}-{levels[-1]}"
    return ",".join(map(str, levels)) or "-"


def _show(replicates: Sequence[Replicate]) -> None:
    for experiment in replicates:
        print(f"{experiment.paths.name} (Replicate {experiment.paths.number})\n{experiment.hparams_text}")
        print(f"Location: {experiment.paths.directory}")
        for command, runs in experiment.commands().items() or {NOT_KEPT: []}.items():
            print(f"Command: {command}" + (f"\n    made {', '.join(runs)}" if runs else ""))
        print()
