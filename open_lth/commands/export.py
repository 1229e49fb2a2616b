"""The subcommand `export`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from foundations.arguments import add_group, read_group
from foundations.errors import InvalidValue
from foundations.flags import Count, UserPath, flag, whole_number
from foundations.places import add_place_flags
from open_lth.commands.table import table
from open_lth.export.compacted import export_compacted
from open_lth.export.loading import COMPACT, DETERMINISTIC, load_ticket
from open_lth.export.onnx import check_packages, write_onnx
from open_lth.export.paths import TicketPaths
from open_lth.export.summary import export_summary
from open_lth.export.ticket import export_ticket
from open_lth.results.named import find_run
from open_lth.results.trainings import training_of

_LICENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*", re.ASCII)


@dataclass(frozen=True)
class Chosen:
    """Which run a name stands for."""

    title: ClassVar[str] = "Which run"
    about: ClassVar[str] = "Where the name stands for several."

    replicate: Count = flag("the replicate's number", 1)
    level: Annotated[int, whole_number(0)] | None = flag("the pruning level (default: the last that is finished)", None)
    lrr: bool = flag("the lottery's level under learning rate rewinding", False)


@dataclass(frozen=True)
class Exported:
    """What is written of a run, and where.

    Raises:
        InvalidValue: if the licence is no identifier.
    """

    title: ClassVar[str] = "What to write"
    about: ClassVar[str] = "Beside weights, mask and card."

    compact: bool = flag(
        "a smaller network that computes the same: without the units that no kept weight reaches or whose output no "
        "kept weight reads",
        False,
    )
    onnx: bool = flag(
        "the network in ONNX's format, with --compact the smaller one too; where weights are distributions, the "
        "network of their means",
        False,
    )
    summary: bool = flag(
        "what the mask saves: parameters, multiply-adds, bytes, and time measured on this machine; implies --compact",
        False,
    )
    license: str = flag(
        "the licence of the weights, for the card, by its SPDX identifier, e.g. mit or cc-by-4.0", "unknown"
    )
    output: UserPath | None = flag(
        "where the ticket goes (default: ticket, in the run's directory)", None, metavar="DIR"
    )

    def __post_init__(self) -> None:
        """Check the licence."""
        if not _LICENCE.fullmatch(self.license):
            raise InvalidValue("license", self.license, "must be an SPDX identifier, such as mit or cc-by-4.0")

    @property
    def with_compacted(self) -> bool:
        """Whether the compacted network is written."""
        return self.compact or self.summary


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags."""
    parser.usage = "%(prog)s RUN [flags]"
    parser.add_argument(
        "run",
        metavar="RUN",
        help="a run's directory, or a name as `runs show` takes it: that of an "
        "experiment or a branch, or the beginning of its hash",
    )
    add_group(parser, Chosen)
    add_group(parser, Exported)
    add_place_flags(parser.add_argument_group("Running", "Where files lie."))


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Write a run's ticket and print where it is; what is there already is not made again.

    Raises:
        UserError: if a flag is invalid, the run is not finished or cannot be read, or a package is missing.
    """
    chosen, wanted = read_group(args, Chosen), read_group(args, Exported)
    if wanted.onnx:
        check_packages()
    paths = find_run(args.root, args.run, chosen.replicate, chosen.level, chosen.lrr)
    run = training_of(paths, args.dataset_root)
    place = TicketPaths((wanted.output or paths.ticket).absolute())
    export_ticket(run, place, wanted.license)
    if wanted.with_compacted:
        export_compacted(run, place)
    if wanted.onnx:
        _export_onnx(place, wanted.with_compacted)
    print(place.directory)
    if wanted.summary:
        print("\n".join(_lines(export_summary(place))))


def _export_onnx(place: TicketPaths, with_compacted: bool) -> None:
    forms = {DETERMINISTIC: "model", **({COMPACT: "compact"} if with_compacted else {})}
    for form, name in forms.items():
        if not place.onnx(name).exists():
            ticket = load_ticket(place.directory, form)
            write_onnx(ticket.network, ticket.card["data"]["image_shape"], place.onnx(name))


def _lines(summary: dict[str, Any]) -> Iterator[str]:
    """Yield what a summary says, as people read it."""
    for what in ("parameters", "multiply_adds", "bytes"):
        counts = ", ".join(f"{name} {count:,}" for name, count in summary[what].items())
        yield f"{what.replace('_', '-')}: {counts}"
    yield f"\nmilliseconds on {summary['processor']}: median, and quartiles of repeated runs"
    quartiles = ("median", "lower", "upper")
    rows = [
        (size, name, *(f"{1000 * latency[quartile]:.3f}" for quartile in quartiles))
        for size, latencies in summary["latency"].items()
        for name, latency in latencies.items()
    ]
    yield table([("images", "network", *quartiles), *rows])
    yield ""
    yield from summary["in_words"]
