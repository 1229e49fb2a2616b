from __future__ import annotations

import pytest
import torch

from foundations.checksum import remove
from foundations.paths import RunPaths
from foundations.step import Step
from foundations.storage import read_json
from training.callbacks import save_timing, standard_callbacks
from training.checkpoint import TrainingState
from training.precision import Precision
from training.progress import Progress

PER_EPOCH = 4


def state_at(start: int) -> TrainingState:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return TrainingState(model, optimizer, Precision("fp32", torch.device("cpu")), Step(start, PER_EPOCH))


def drive(paths: RunPaths, start: int, end: int, only_at_end: bool) -> dict[str, list[int]]:
    """Call a run's callbacks at every step and return at which steps what was done."""
    done: dict[str, list[int]] = {"tested": [], "saved": [], "timed": [], "logged": []}
    progress = Progress("run", Step(end, PER_EPOCH), quiet=True)
    test = lambda state: done["tested"].append(state.step.iteration)  # noqa: E731
    callbacks = standard_callbacks(
        paths,
        Step(start, PER_EPOCH),
        Step(end, PER_EPOCH),
        test,
        progress,
        evaluate_only_at_end=only_at_end,
        feed=lambda _: None,
    )
    state = state_at(start)
    for iteration in range(start, end + 1):
        state.step = Step(iteration, PER_EPOCH)
        for callback in callbacks:
            callback(state)
        for kind, file in (("saved", paths.model(state.step)), ("timed", paths.timing), ("logged", paths.logger)):
            if file.exists():
                done[kind].append(iteration)
                remove(file)
    assert not list(paths.directory.iterdir())
    return done


@pytest.mark.parametrize(
    ("start", "end", "tested"),
    [
        (0, 8, [0, 4, 8]),
        (0, 9, [0, 4, 8, 9]),
        (0, 3, [0, 3]),
        (2, 8, [2, 4, 8]),
        (2, 11, [2, 4, 8, 11]),
        (4, 12, [4, 8, 12]),
        (1, 3, [1, 3]),
    ],
)
def test_tests_are_at_start_and_end_and_every_epoch(tmp_path, start, end, tested):
    expected = {"tested": tested, "saved": [start, end], "timed": [end], "logged": [end]}
    assert drive(RunPaths(tmp_path), start, end, only_at_end=False) == expected
    expected["tested"] = [start, end]
    assert drive(RunPaths(tmp_path), start, end, only_at_end=True) == expected


def test_the_logger_is_not_there_unless_the_final_network_is(tmp_path):
    paths = RunPaths(tmp_path)
    paths.model(Step(0, PER_EPOCH)).mkdir()  # the network cannot be saved
    with pytest.raises(OSError, match="model_ep0_it0"):
        drive(paths, 0, 0, only_at_end=False)
    assert not paths.logger.exists()


def test_the_time_is_kept_with_what_it_was_taken_on(tmp_path):
    paths = RunPaths(tmp_path)
    save_timing(paths)(state_at(0))
    found = read_json(paths.timing)
    assert (found["device"], found["threads"]) == ("cpu", torch.get_num_threads())
    assert found["seconds"] >= 0 and found["machine"] and found["processor"]


def test_training_terms_are_averaged_over_each_epochs_batches(runs, tmp_path):
    seen: list[float] = []

    class Recorded(runs.eventful):
        def objective(self, model, circumstances):
            inner = super().objective(model, circumstances)

            class Recorder:
                def backward(self, images, labels, step):
                    terms = inner.backward(images, labels, step)
                    seen.append(terms["loss"].item())
                    return terms

            return Recorder()

    run = runs.make(tmp_path, variant=Recorded(-1, lambda: None))
    runs.train(run)
    lines = [line.split(",") for line in runs.results(run)[0].splitlines()]
    logged = {int(iteration): float(value) for name, iteration, value in lines if name == "train_loss"}
    assert list(logged) == [4, 8]
    assert logged[4] == pytest.approx(sum(seen[:4]) / 4, rel=1e-6)
    assert logged[8] == pytest.approx(sum(seen[4:8]) / 4, rel=1e-6)
