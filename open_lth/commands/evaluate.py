"""The subcommand `evaluate`: put it before a command to measure what that command has made."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from foundations.errors import InvalidValue, UserError, one_of
from foundations.paths import REPLICATES
from open_lth.command import COMMANDS, Command
from open_lth.evaluation_request import ENSEMBLES, Evaluation, EvaluationRequest
from open_lth.runners.assessment import first_passes
from open_lth.runners.ensembles import ensembles_there
from open_lth.runners.evaluation import evaluate_ensemble, evaluate_run
from training import ALL_LAYERS, TrainingRun

_SHOWN = ("accuracy", "loss", "brier", "ece", "mace")


def add_flags(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """Add the command's flags: its own, then those of the command that made the runs."""
    needs_help = not argv or not {"-h", "--help"}.isdisjoint(argv)
    which = f": {', '.join(_with_runs())}" if needs_help else ""
    parser.add_argument("command", metavar="COMMAND", help=f"the command that made the runs{which}")
    section = parser.add_argument_group("Evaluation", "How to measure, and on what besides the test images.")
    passes = "passes over the images; stochastic networks differ from pass to pass (default: those there are, or 1)"
    section.add_argument("--passes", type=int, metavar="INT", help=passes)
    shift = "corruptions of the test images, at five severities: names, or all for those that need no files"
    section.add_argument("--shift", type=_names, default=(), metavar="NAME,...", help=shift)
    ood = "what to tell from the test images: other data sets, or these images rotated, inverted or noised"
    section.add_argument("--ood", type=_names, default=(), metavar="NAME,...", help=ood)
    ensemble = "measure averaged predictions: of all finished replicates of each run, or of all its levels"
    section.add_argument("--ensemble", default="", metavar="|".join(ENSEMBLES), help=ensemble)
    samples = "samples that a stochastic network draws for each prediction (default: what the command says)"
    section.add_argument("--samples", type=int, default=0, metavar="INT", help=samples)
    on = "measure the test images of another data set with as many classes; they are normalised as the network's own"
    section.add_argument("--on", default="", metavar="NAME", help=on)
    if argv and argv[0] not in ("-h", "--help"):
        _chosen(argv[0]).add_flags(parser, argv[1:])
    parser.usage = "%(prog)s COMMAND [flags of the command] [--passes INT] [--shift NAME,...] [--ood NAME,...] ..."


def execute(args: argparse.Namespace, argv: Sequence[str]) -> None:
    """Measure every run that the command stands for, or the ensembles that they are in, and print what was found.

    Raises:
        UserError: if a flag is missing or invalid, or a run is not finished.
    """
    runs = trainings(args, argv)
    request = evaluation(args, argv, runs)
    if request.ensemble:
        for ensemble in ensembles_there(runs, request.ensemble):
            if args.display_output_location:
                print(request.place(ensemble.paths))
            else:
                _show(ensemble.label, evaluate_ensemble(ensemble, request), request, args)
        return
    for run in runs:
        if args.display_output_location:
            print(request.place(run.paths))
        else:
            _show(run.label, evaluate_run(run, request), request, args)


def trainings(args: argparse.Namespace, argv: Sequence[str]) -> list[TrainingRun]:
    """Return the training runs that the command measures.

    Raises:
        UserError: if a flag is missing or invalid.
    """
    if args.passes is not None and args.passes < 1:
        raise InvalidValue("passes", args.passes, "must be at least 1")
    if args.samples < 0:
        raise InvalidValue("samples", args.samples, "must be at least 1")
    if args.on and (args.shift or args.ood):
        raise InvalidValue("on", args.on, "is measured by itself, without --shift and --ood")
    if args.ensemble and args.ensemble not in ENSEMBLES:
        raise InvalidValue("ensemble", args.ensemble, one_of(ENSEMBLES, args.ensemble))
    if args.ensemble == REPLICATES and args.replicate != 1:  # which it is, too, if none is given
        reason = "--ensemble=replicates averages all that are finished; leave --replicate out"
        raise InvalidValue("replicate", args.replicate, reason)
    runs = _chosen(args.command).trainings(args, argv[1:])
    if not runs:
        raise UserError(f"{' '.join(argv[:2])}: trains no network that could be measured")
    return runs


def evaluation(args: argparse.Namespace, argv: Sequence[str], runs: Sequence[TrainingRun]) -> EvaluationRequest:
    """Return what is asked for.

    Raises:
        UserError: if there is no such shift, or it or what is out of distribution does not go with the data set.
    """
    if not runs:
        return EvaluationRequest(args.passes or 1, ensemble=args.ensemble, samples=args.samples, on=args.on)
    tests = runs[0].extra_tests()
    if args.on:
        tests.check_same_classes(args.on)
    shifts, ood = tuple(tests.shifts(args.shift)), tuple(tests.ood(args.ood))
    return EvaluationRequest(args.passes or 1, shifts, ood, args.ensemble, args.samples, args.on)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def _show(label: str, found: Evaluation, request: EvaluationRequest, args: argparse.Namespace) -> None:
    if not args.quiet:
        label = ", ".join([label, *(words.replace("_", " ") for words in request.told)])
        if args.passes is not None and args.passes < found["passes"]:
            label += f", the first {args.passes} of {found['passes']} passes"
            found = first_passes(found, args.passes)
        shown = "  ".join(f"{name} {_with_spread(found['final'][name])}" for name in _SHOWN)
        lines = (*_diagnostics(found), *_shifts(found, request), *_ood(found, request))
        print("\n".join([f"{label}  {shown}", *lines]), flush=True)


def _diagnostics(found: Evaluation) -> Iterator[str]:
    said = found.get("diagnostics", {}).get(ALL_LAYERS, {})
    if said:
        yield f"    {ALL_LAYERS}  {'  '.join(f'{name} {value:.4g}' for name, value in said.items())}"


def _shifts(found: Evaluation, request: EvaluationRequest) -> Iterator[str]:
    for name in request.shifts:
        by_severity = found["shift"][name].values()
        accuracies = " ".join(f"{measures['accuracy']['mean']:.4f}" for measures in by_severity)
        yield f"    shift {name}  accuracy at severities 1 to {len(by_severity)}: {accuracies}"


def _ood(found: Evaluation, request: EvaluationRequest) -> Iterator[str]:
    for name in request.ood:
        by_score = found["ood"][name]
        shown = (f"{score} {_with_spread(measures['auroc'])}" for score, measures in by_score.items())
        without = "" if "mutual_information" in by_score else "  (no mutual information: nothing is sampled)"
        yield f"    ood {name}  AUROC by {'  '.join(shown)}{without}"


def _with_spread(measured: Mapping[str, Any]) -> str:
    spread = "" if measured["std"] is None else f" ± {measured['std']:.4f}"
    return f"{measured['mean']:.4f}{spread}"


def _chosen(name: str) -> Command:
    if name.startswith("-"):
        raise UserError(f"the command comes first: evaluate COMMAND ...; {one_of(_with_runs())}")
    if not _makes_runs(name):
        raise InvalidValue("command", name, one_of(_with_runs(), name))
    return COMMANDS.get(name)


def _with_runs() -> list[str]:
    """Return the names of the commands that make runs."""
    return [name for name, _ in COMMANDS.items() if _makes_runs(name)]


def _makes_runs(name: str) -> bool:
    return name != "evaluate" and name in COMMANDS and COMMANDS.get(name).has_trainings
