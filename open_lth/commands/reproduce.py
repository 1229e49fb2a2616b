"""The subcommand `reproduce`: the experiments behind figures and tables, as commands that are printed or run."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

from foundations.arguments import Parser, add_flags_of
from foundations.errors import UserError
from open_lth.command import Words
from open_lth.flags.running import Jobs, add_context_flags, check_alone, without_platform_flags
from open_lth.flags.slurm import LOCAL, refuse_without_slurm
from open_lth.jobs import Job, JobsRunner, read_job
from open_lth.suites.scale_flags import add_scale_flags, chosen_scale
from open_lth.suites.suite import SUITES, Experiment, Series, in_order, suites_of


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags: its own, then those that every experiment is given."""
    parser.usage = "%(prog)s --scale SCALE [--figure NAME ...] [flags]"
    _add_own_flags(parser)
    add_context_flags(parser, of_one_run=False)
    titles = "; ".join(f"{name}: {suite.title}" for name, suite in SUITES.items())
    parser.epilog = f"Figures and tables: {titles}."


def _add_own_flags(parser: argparse.ArgumentParser) -> None:
    section = parser.add_argument_group("What to reproduce", "Experiments that several figures share are run once.")
    add_scale_flags(section, SUITES.names(), default="those that the scale names")
    add_flags_of(section, Jobs)
    section.add_argument("--dry_run", action="store_true", help="print the commands, in order, and run nothing")


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Run the experiments of figures that are not done, or print the commands of all.

    Raises:
        UserError: if a flag is missing or invalid, or experiments failed; then the others are done.
    """
    experiments = jobs(args, argv)
    if args.dry_run:
        print("\n".join(map(str, experiments)))
        return
    check_alone(args.ranks, "reproduce")
    if not args.quiet:
        print(f"{len(experiments)} experiments, {args.jobs} at a time; results in {args.root.expanduser().absolute()}")
    JobsRunner(experiments, args.jobs, args.program, args.quiet, show_evaluations=False).run()


def jobs(args: argparse.Namespace, argv: Sequence[str]) -> list[Job]:
    """Return a job for every experiment, each after those it must come after.

    Raises:
        UserError: if a flag is missing or invalid.
    """
    refuse_without_slurm(args)
    if args.platform != LOCAL and args.jobs > 1 and not args.dry_run:
        raise UserError(f"--jobs={args.jobs}: with --platform=slurm, --slurm_parallel says how many run at a time")
    return _jobs(_series(args), passed_on(argv), args)


def passed_on(argv: Sequence[str]) -> Words:
    """Return the words that every experiment is given: all but the command's own flags and those of the platform."""
    parser = Parser(add_help=False)
    _add_own_flags(parser)
    return without_platform_flags(parser.parse_known_args(argv)[1])


def _series(args: argparse.Namespace) -> list[Series]:
    scale = chosen_scale(args)
    suites = suites_of(scale, args.figure)
    series = [one for suite in suites.values() for one in suite.series(scale)]
    if not series:
        raise UserError(f"--scale={args.scale}: has no experiments for figure {', '.join(suites)}")
    return series


def _jobs(series: Sequence[Series], places: Words, args: argparse.Namespace) -> list[Job]:
    labels = _labels(series)
    found: dict[Experiment, Job] = {}
    for one in in_order(series):
        words, after = (*one.command, *places), tuple(found[earlier] for earlier in one.after)
        try:
            found[one] = read_job(words, labels[one], args.program, args.platform != LOCAL, after)
        except UserError as error:
            raise UserError(f"--scale={args.scale}: {shlex.join(one.command)}: {error}") from None
    return list(found.values())


def _labels(series: Sequence[Series]) -> dict[Experiment, str]:
    """Return what experiments are called: after the first curve that they are in, or that needs them."""
    curves: dict[Experiment, str] = {}
    for one in series:
        for replicate, experiment in enumerate(one.experiments, start=1):
            curves.setdefault(experiment, f"{one.panel}, {one.method}, replicate {replicate}")
    for experiment in reversed(in_order(series)):
        for earlier in experiment.after:
            curves.setdefault(earlier, curves[experiment])
    return {experiment: f"{experiment.command[0]}: {curve}" for experiment, curve in curves.items()}
