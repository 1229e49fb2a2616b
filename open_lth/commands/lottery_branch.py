"""The subcommand `lottery_branch`."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence

import torch

from foundations.arguments import add_flags_of, add_group, read_group
from foundations.errors import MissingFlag, UserError, one_of
from foundations.flags import flags_of
from foundations.hparams import Hparams
from open_lth.branch import BRANCHES, Branch
from open_lth.commands.header import print_header, print_results
from open_lth.evaluation_request import EvaluationRequest
from open_lth.flags.experiment_flags import add_lottery_flags, read_lottery_desc, select
from open_lth.flags.levels import read_levels
from open_lth.flags.running import Jobs, add_context_flags, check_alone, read_context, without_platform_flags
from open_lth.jobs import Job, JobsRunner, read_job
from open_lth.results.named import nearest_lottery
from open_lth.runners.lottery import Lottery
from training import TrainingRun


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags: the branch's own, then those that describe its trunk."""
    parser.usage = "%(prog)s BRANCH --levels=LEVELS [flags of the branch] [flags of its trunk]"
    entries = (f"{' or '.join(BRANCHES.names_of(name))} ({entry.description()})" for name, entry in BRANCHES.items())
    parser.add_argument("branch", metavar="BRANCH", help="; ".join(entries))
    section = parser.add_argument_group("Levels", "From which levels to branch off.")
    section.add_argument("--levels", metavar="LEVELS", help="levels and ranges of them, e.g. 0-2,5-8,12 (required)")
    add_flags_of(section, Jobs)
    section.add_argument("--lrr", action="store_true", help=argparse.SUPPRESS)
    selection = select(argv)
    branch = _chosen_branch(argv)
    if branch is not None:
        branch.check_trunk(*selection.variant.compatible_variants())
        add_group(parser, branch.hparams_class())  # without the preset's defaults, which are the trunk's
    add_lottery_flags(parser, selection)
    add_context_flags(parser)


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Run a branch at every level asked for.

    Raises:
        UserError: if a flag is missing or invalid, or a level is not there.
    """
    branches = _branches(args, argv)
    if args.display_output_location:
        print("\n".join(str(branch.paths.directory) for branch in branches))
        return
    _check_trunk(branches)
    if args.jobs > 1:
        check_alone(args.ranks, f"--jobs={args.jobs}")
        _run_side_by_side(branches, args)
        return
    for branch in branches:
        extra = branch.branch_hparams.display()
        print_header(branch.lottery.desc, args.replicate, branch.paths.directory, branch.lottery.context, extra)
        branch.run()
    _print_what_came_out(branches)


def _print_what_came_out(branches: Sequence[Branch]) -> None:
    context, trained = branches[0].lottery.context, [run for branch in branches for run in branch.trainings()]
    if trained:
        print_results(trained, context)
    for branch in branches:
        if branch.finds_out and not context.quiet:
            print(branch.paths.results, flush=True)


def _check_trunk(branches: Sequence[Branch]) -> None:
    """Check that every level is there before the first branch begins.

    Raises:
        UserError: if one is not; where the whole lottery is not, with the one that is most like it.
    """
    for branch in branches:
        if not branch.is_done:
            try:
                branch.mask()
            except UserError as error:
                if branch.lottery.directories.directory.exists():
                    raise
                near = nearest_lottery(branch.lottery.context.root, branch.lottery.desc.display())
                raise UserError(f"{error}{near}") from None


def trainings(args: argparse.Namespace, argv: Sequence[str]) -> list[TrainingRun]:
    """Return the training runs that the command stands for.

    Raises:
        UserError: if a flag is missing or invalid.
    """
    return [run for branch in _branches(args, argv) for run in branch.trainings()]


def evaluation(args: argparse.Namespace, argv: Sequence[str], runs: Sequence[TrainingRun]) -> EvaluationRequest:
    """Return what the branches find out besides training networks."""
    places = (branch.paths.results for branch in _branches(args, argv) if branch.finds_out)
    return EvaluationRequest(results=tuple(places))


def jobs(args: argparse.Namespace, argv: Sequence[str]) -> list[Job]:
    """Return a job for each level, or one that trains several levels at a time if `--jobs` asks for that.

    Raises:
        UserError: if a flag is missing or invalid.
    """
    words = without_platform_flags(args.command_line)
    if args.jobs > 1:
        return [read_job(words, words[0], args.program, elsewhere=True)]
    return [
        read_job(command_of_level(words, level), f"{words[0]} {words[1]}, level {level}", args.program, elsewhere=True)
        for level in read_levels(args.levels)
    ]


def _branches(args: argparse.Namespace, argv: Sequence[str]) -> list[Branch]:
    if args.lrr:
        raise UserError("--lrr: branches start from rewound weights, which the levels of lottery --lrr do not have")
    branch = BRANCHES.get(args.branch)
    lottery = Lottery(read_lottery_desc(args, select(argv)), args.replicate, read_context(args))
    hparams = _read_arguments(args, branch, lottery)
    return [branch(lottery, level, hparams, args.branch) for level in read_levels(args.levels)]


def _read_arguments(args: argparse.Namespace, branch: type[Branch], lottery: Lottery) -> Hparams:
    """Return the values of a branch's own arguments.

    Raises:
        UserError: if a flag is missing or invalid; where the trunk has a group like it, with the trunk's flags to copy.
    """
    try:
        return read_group(args, branch.hparams_class())
    except MissingFlag as missing:
        for argument in flags_of(branch.hparams_class()):
            like = next((group for group in lottery.desc.groups().values() if isinstance(group, argument.kind)), None)
            if like is not None and missing.name.startswith(f"{argument.name}_"):
                words = shlex.join(like.as_words(argument.name))
                raise MissingFlag(missing.name, missing.help, f"; the trunk's own are {words}") from None
        raise


def _run_side_by_side(branches: Sequence[Branch], args: argparse.Namespace) -> None:
    first = branches[0]
    how = f"{args.jobs} at a time; threads of each: {torch.get_num_threads()}"
    extra = f"{first.branch_hparams.display()}\nLevels: {args.levels}, {how}"
    print_header(first.lottery.desc, args.replicate, first.lottery.directories.directory, first.lottery.context, extra)
    of_levels = [
        Job(
            branch.labelled_training().label,
            command_of_level(args.command_line, branch.level),
            sum(run.end.iteration for run in branch.trainings()),
            branch.is_done,
        )
        for branch in branches
    ]
    JobsRunner(of_levels, args.jobs, args.program, args.quiet).run()
    _print_what_came_out(branches)


def command_of_level(words: Sequence[str], level: int) -> tuple[str, ...]:
    """Return the command that runs a branch at one of its levels, in one process."""
    replaced = ("--levels", "--jobs")
    separate = {index + 1 for index, word in enumerate(words) if word in replaced}
    kept = (
        word for index, word in enumerate(words) if index not in separate and word.partition("=")[0] not in replaced
    )
    return (*kept, f"--levels={level}")


def _chosen_branch(argv: Sequence[str]) -> type[Branch] | None:
    """Return the branch, which comes first after the subcommand, or None if help is asked for instead."""
    if not argv or argv[0] in ("-h", "--help"):
        return None
    if argv[0].startswith("-"):
        raise UserError(f"the branch comes first: lottery_branch BRANCH ...; {one_of(BRANCHES.names())}")
    return BRANCHES.get(argv[0])
