"""The subcommand `runs`."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from foundations.errors import InvalidValue, UserError, one_of
from foundations.messages import LOGGER
from foundations.paths import SUBMISSIONS
from foundations.places import add_place_flags
from foundations.stored import stored_runs
from foundations.texts import as_csv_cell
from open_lth.commands.table import table
from open_lth.results.chosen import choose, differences
from open_lth.results.inspection import UNLISTED, WHOLE, inspect_files
from open_lth.results.named import holders
from open_lth.results.replicates import NOT_KEPT, Replicate, find_replicates
from open_lth.runners.levels import COLUMNS, level_rows

_COLUMNS: Mapping[str, Callable[[Replicate], str]] = {
    "name": lambda one: one.paths.name,
    "replicate": lambda one: str(one.paths.number),
    "model": lambda one: one.hparams.get("model_name", "?"),
    "data": lambda one: one.hparams.get("dataset_name", "?"),
    "variant": lambda one: one.hparams.get("variant_name", "-"),
    "strategy": lambda one: one.hparams.get("pruning_strategy", "-"),
    "state": lambda one: one.state,
    "levels": lambda one: _ranges(one.levels) + (f" lrr {_ranges(one.lrr_levels)}" if one.lrr_levels else ""),
    "branches": lambda one: str(len(one.branches)),
    "best accuracy": lambda one: f"{one.best_accuracy:.4f}",
    "MB": lambda one: f"{one.size / 1e6:.1f}",
}
_SHOWN = ("model_name", "dataset_name", "variant_name", "pruning_strategy")
"""Hyperparameters that have a column of their own."""

_FORMATS = ("text", "csv", "json")


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags."""
    parser.add_argument("action", nargs="?", default="list", metavar="ACTION", help="list (default) or show")
    parser.add_argument(
        "name", nargs="?", metavar="NAME", help="what to show: a name, or the beginning of its hash or a branch's"
    )
    where = "list those alone whose column or hyperparameter has a value, e.g. state=diverged,dataset_name=mnist"
    parser.add_argument("--where", default="", metavar="FIELD=VALUE,...", help=where)
    formats = f"how to list: {one_of(_FORMATS)}; the latter two have all hyperparameters (default: text)"
    parser.add_argument("--format", default="text", metavar="NAME", help=formats)
    compare = "show the hyperparameters in which experiments or branches differ, by names as above"
    parser.add_argument("--compare", nargs="+", metavar="NAME", help=compare)
    check = "read every file and list what is damaged, misplaced, missing or left over; exit code 2 if anything is"
    parser.add_argument("--check", action="store_true", help=check)
    add_place_flags(parser, "root")


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """List the experiments under the root, or show one.

    Raises:
        UserError: if the action is unknown, or no or several experiments have the name.
    """
    if args.format not in _FORMATS:
        raise InvalidValue("format", args.format, one_of(_FORMATS, args.format))
    if args.check:
        _check(args)
    elif args.compare:
        _compare(args)
    elif args.action == "list":
        _list(args)
    elif args.action == "show":
        if not args.name:
            raise UserError("runs show needs a name, or the beginning of its hash; `runs` lists them")
        _show(holders(args.root, args.name))
    else:
        raise InvalidValue("action", args.action, one_of(("list", "show"), args.action))


def _check(args: argparse.Namespace) -> None:
    from tqdm import tqdm

    found = [*tqdm(inspect_files(args.root), desc="checking", unit=" files", disable=None, leave=False)]
    counts = Counter(one.state for one in found)
    wrong = [one for one in found if one.state not in (WHOLE, UNLISTED)]
    if wrong:
        print(table([("state", "file", "why"), *((one.state, str(one.path), one.reason) for one in wrong)]))
    print(", ".join(f"{count} {state}" for state, count in counts.items()) or f"no experiment lies under {args.root}")
    if wrong:
        raise UserError(f"{len(wrong)} of {len(found)} files under {args.root} are not as they were written")


def _compare(args: argparse.Namespace) -> None:
    if len(args.compare) < 2:
        raise UserError("--compare: needs two names or more; `runs` lists them")
    chosen = choose(args.root, args.compare)
    differing = differences(chosen)
    names = [one.branch or one.name for one in chosen]
    rows = [[field, *(own[field] for own in differing)] for field in differing[0]]
    if args.format == "json":
        print(json.dumps({name: own for name, own in zip(names, differing, strict=True)}, indent=4))
    elif args.format == "csv":
        csv.writer(sys.stdout).writerows([[as_csv_cell(cell) for cell in row] for row in [["", *names], *rows]])
    else:
        print(table([["hyperparameter", *names], *rows]) if rows else "they differ in no hyperparameter")


def _conditions(text: str) -> tuple[tuple[str, str], ...]:
    parts = [part.partition("=") for part in text.split(",") if text]
    if not all(equals for _, equals, _ in parts):
        raise InvalidValue("where", text, "must be conditions FIELD=VALUE, separated by commas")
    return tuple((field, value) for field, _, value in parts)


def _list(args: argparse.Namespace) -> None:
    conditions, every = _conditions(args.where), find_replicates(args.root)
    replicates = [one for one in every if all(_fits(one, *condition) for condition in conditions)]
    if not every and not (args.root / SUBMISSIONS).exists():
        print(f"no experiment lies under {args.root}", file=sys.stderr)
    elif args.where and not replicates:
        print(f"none of {len(every)} experiments under {args.root} is so", file=sys.stderr)
    if args.format == "text":
        differing = _differing(replicates)
        rows = [[*_row(one), *(one.hparams.get(name, "-") for name in differing)] for one in replicates]
        print(table([[*_COLUMNS, *differing], *rows]))
        _list_jobs(args.root.absolute())
        return
    found = [{**dict(zip(_COLUMNS, _row(one), strict=True)), **one.hparams} for one in replicates]
    if args.format == "json":
        print(json.dumps(found, indent=4))
    else:
        writer = csv.DictWriter(sys.stdout, list(dict.fromkeys([*_COLUMNS, *(name for row in found for name in row)])))
        writer.writeheader()
        writer.writerows({name: as_csv_cell(value) for name, value in row.items()} for row in found)


def _fits(one: Replicate, field: str, value: str) -> bool:
    if field in _COLUMNS:
        return _COLUMNS[field](one) == value
    return one.hparams.get(field) == value


def _differing(replicates: Sequence[Replicate]) -> list[str]:
    """Return the hyperparameters without a column in which the replicates differ, where they have them."""
    known = [one.hparams for one in replicates if one.hparams]
    names = dict.fromkeys(name for own in known for name in own if name not in _SHOWN)
    return [name for name in names if len({own.get(name) for own in known}) > 1]


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


def _row(one: Replicate) -> list[str]:
    return [value(one) for value in _COLUMNS.values()]


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
        print(f"State: {experiment.state}")
        rows = level_rows(stored_runs(experiment.paths.directory), experiment.paths.directory)
        print(f"{table([COLUMNS, *rows])}\n" if rows else "")
