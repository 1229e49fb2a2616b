"""What happens between training steps: plain functions, wrapped by how often they run."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable

import torch

from foundations.checksum import remove
from foundations.hardware import processor_name
from foundations.paths import RunPaths
from foundations.ranks import Ranks
from foundations.step import Step
from foundations.storage import save_tensors, write_json
from training.checkpoint import TrainingState
from training.evaluation import Evaluator
from training.finite import Diverged
from training.progress import Progress

Callback = Callable[[TrainingState], None]
"""Called with the state before the step is trained, and once more after the last one.

A run that was stopped calls it again at the step from which it goes on; what it does then must be the same.
"""


def run_at_step(step: Step, callback: Callback) -> Callback:
    """Run a callback at one step alone."""

    def wrapped(state: TrainingState) -> None:
        if state.step == step:
            callback(state)

    return wrapped


def run_every_epoch(callback: Callback) -> Callback:
    """Run a callback whenever an epoch begins, and after the last."""

    def wrapped(state: TrainingState) -> None:
        if state.step.it == 0:
            callback(state)

    return wrapped


def in_turn(*callbacks: Callback) -> Callback:
    """Return one callback that calls several."""

    def all_of_them(state: TrainingState) -> None:
        for callback in callbacks:
            callback(state)

    return all_of_them


def save_model(paths: RunPaths) -> Callback:
    """Save the network under its step's name."""
    return lambda state: save_tensors(paths.model(state.step), state.model.state_dict())


def save_logger(paths: RunPaths) -> Callback:
    """Write the measures: the sign that the run is done."""
    return lambda state: state.logger.save(paths)


def remove_previous_checkpoint(paths: RunPaths) -> Callback:
    """Remove the checkpoint before the newest, which is of no use once everything else is saved."""
    return lambda _: remove(paths.checkpoint_previous)


def save_timing(paths: RunPaths) -> Callback:
    """Write how long the training took, evaluations included, and where."""

    def callback(state: TrainingState) -> None:
        place = {"machine": platform.node(), "device": str(state.device), "processor": processor_name(state.device)}
        write_json(paths.timing, {"seconds": state.seconds, **place, "threads": torch.get_num_threads()})

    return callback


def evaluate(name: str, evaluator: Evaluator, progress: Progress, paths: RunPaths) -> Callback:
    """Measure the network on a data set, log the measures as `<name>_<measure>` and print a line.

    The callback raises `Diverged` if the loss is not finite.
    """

    def callback(state: TrainingState) -> None:
        values = evaluator.evaluate(state.model, state.step)
        if not math.isfinite(values["loss"]):
            raise Diverged(paths, f"{name}_loss", state.step)
        for key, value in values.items():
            state.logger.add(f"{name}_{key}", state.step, value)
        progress.evaluation(name, state.step, values)

    return callback


def log_training(progress: Progress, ranks: Ranks) -> Callback:
    """Log the averages of an epoch's training terms as `train_<term>` when it ends, and begin new ones."""

    def callback(state: TrainingState) -> None:
        if state.epoch_batches:
            state.gather_totals(ranks)
            averages = state.epoch_averages()
            for key, value in averages.items():
                state.logger.add(f"train_{key}", state.step, value)
            progress.show(averages)
            state.forget_epoch()

    return callback


def show_progress(progress: Progress, every: int) -> Callback:
    """Move the bar; show the running averages every so many steps, or never if 0 (each look waits for the device)."""

    def callback(state: TrainingState) -> None:
        progress.at(state.step)
        if every and progress.is_shown and state.epoch_batches and state.step.iteration % every == 0:
            progress.show(state.epoch_averages())

    return callback


def standard_callbacks(
    paths: RunPaths,
    start: Step,
    end: Step,
    test: Callback,
    progress: Progress,
    evaluate_only_at_end: bool,
    feed: Callback,
    ranks: Ranks | None = None,
) -> list[Callback]:
    """Return what every training run does, in OpenLTH's rhythm.

    The network is saved at the start and at the end, tested at both and, unless told otherwise, every epoch; the
    logger comes last, because its presence means "done". Of several processes, the leader alone writes files.

    Args:
        feed: hands on what the logger has got at a step.
        ranks: the processes of the run; None for this one alone.
    """
    ranks = ranks or Ranks()

    def writing(step: Step, callback: Callback) -> list[Callback]:
        return [run_at_step(step, callback)] if ranks.is_leader else []

    callbacks = [run_every_epoch(log_training(progress, ranks)), *writing(start, save_model(paths))]
    if not evaluate_only_at_end:
        callbacks.append(run_every_epoch(test))
    if evaluate_only_at_end or start.it != 0:
        callbacks.append(run_at_step(start, test))
    if evaluate_only_at_end or end.it != 0:
        callbacks.append(run_at_step(end, test))
    callbacks.append(feed)
    for save in (save_model, save_timing, remove_previous_checkpoint, save_logger):
        callbacks += writing(end, save(paths))
    return callbacks
