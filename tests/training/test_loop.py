from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable

import pytest
import torch

import training.saving
import training.step
from foundations.randomness import RandomStreams, default_generator_seeded
from foundations.storage import load_tensors
from training import Deterministic, Interrupted
from training.checkpoint import TrainingState


@pytest.fixture
def saved(monkeypatch) -> list[int]:
    """The iterations at which checkpoints are written from now on."""
    iterations: list[int] = []
    save = TrainingState.save

    def recording(self, paths):
        iterations.append(self.step.iteration)
        save(self, paths)

    monkeypatch.setattr(TrainingState, "save", recording)
    return iterations


@pytest.fixture
def clock(monkeypatch) -> Callable[[float], None]:
    """Let every step take so many seconds, with as few checkpoints as outside of tests."""
    monkeypatch.setattr(training.saving, "EPOCH_SECONDS", 30.0)

    def let_take(seconds: float) -> None:
        now, take = [0.0], training.step.TrainingStep.take

        def slow(*args):
            now[0] += seconds
            take(*args)

        monkeypatch.setattr(training.step.TrainingStep, "take", slow)
        monkeypatch.setattr(training.saving.time, "monotonic", lambda: now[0])

    return let_take


# Nine iterations, four an epoch.
@pytest.mark.parametrize(
    ("seconds", "minutes", "expected"),
    [
        (30, 10.0, [0, 4, 8, 9]),
        (30, 1.5, [0, 3, 4, 7, 8, 9]),
        (30, 1.0, [0, 2, 4, 6, 8, 9]),
        (30, 0.5, list(range(10))),
        (30, 1e-6, list(range(10))),
        (8, 10.0, [0, 4, 8, 9]),
        (7, 10.0, [0, 8, 9]),
        (3, 10.0, [0, 9]),
        (3, 0.2, [0, 4, 8, 9]),
        (3, 0.1, [0, 2, 4, 6, 8, 9]),
    ],
)
def test_a_checkpoint_is_written_at_first_at_the_end_after_so_many_minutes_and_every_epoch_that_is_not_short(
    runs, tmp_path, saved, clock, seconds, minutes, expected
):
    clock(seconds)
    run = runs.make(tmp_path / "often", checkpoint_minutes=minutes)
    runs.train(run)
    assert saved == expected
    whole = runs.make(tmp_path / "whole")
    runs.train(whole)
    runs.assert_same_bits(run, whole)


def test_a_run_that_starts_within_an_epoch_is_saved_before_it_is_tested(runs, tmp_path, saved):
    runs.train(runs.make(tmp_path), start="1ep2it")
    assert saved == [6, 8, 9]


def test_what_is_on_the_disk_already_is_not_written_again(runs, tmp_path, saved):
    with pytest.raises(Interrupted):
        runs.train(runs.make(tmp_path, variant=runs.eventful(5, lambda: signal.raise_signal(signal.SIGTERM))))
    assert saved == [0, 4, 6]
    runs.train(runs.make(tmp_path))
    assert saved == [0, 4, 6, 8, 9]


def test_a_checkpoint_holds_what_there_was_before_its_step_was_tested(runs, tmp_path):
    run = runs.make(tmp_path)
    runs.train(run)
    content = load_tensors(run.paths.checkpoint)
    assert (content["ep"], content["it"], content["epoch_batches"]) == (2, 1, 1)
    assert "test_loss,8," in content["logger"]
    assert "test_loss,9," not in content["logger"] and "train_loss,9" not in content["logger"]
    assert "test_loss,9," in run.paths.logger.read_text()


def test_a_run_that_ended_before_its_results_were_written_only_writes_them(runs, tmp_path, saved):
    run = runs.make(tmp_path)
    runs.train(run)
    expected = runs.results(run)
    for path in (run.paths.logger, run.paths.model(run.end)):
        path.unlink()
    saved.clear()
    again = runs.make(tmp_path, variant=runs.eventful(8, lambda: pytest.fail("trained again")))
    runs.train(again)
    assert saved == []
    assert runs.results(again)[0] == expected[0]


def test_layers_that_draw_for_themselves_have_a_stream_of_their_own_at_every_step(runs, tmp_path):
    """Dropout draws from the default generator: what it gets is a function of replicate and step alone."""

    def drawn(place: str, replicate: int = 1, stop_at: int = -1) -> dict[int, float]:
        numbers: dict[int, float] = {}

        class Drawing(Deterministic):
            def objective(self, model, circumstances):
                objective = super().objective(model, circumstances)
                add_gradient, steps = objective.add_gradient, []

                def draw_and_go_on(images, labels):
                    iteration = steps[-1].iteration
                    numbers[iteration] = float(torch.rand(()))
                    if iteration == stop_at:
                        signal.raise_signal(signal.SIGTERM)
                    return add_gradient(images, labels)

                objective.prepare, objective.add_gradient = steps.append, draw_and_go_on
                return objective

        torch.manual_seed(len(place))  # what else the process did
        run = runs.make(tmp_path / place, variant=Drawing(), replicate=replicate)
        with contextlib.nullcontext() if stop_at < 0 else pytest.raises(Interrupted):
            runs.train(run)
        return numbers

    whole = drawn("whole")
    assert list(whole) == list(range(9)) and len(set(whole.values())) == 9
    for iteration, number in whole.items():
        with default_generator_seeded(RandomStreams(1).seed("layers", iteration)):
            assert number == float(torch.rand(()))
    assert drawn("stopped", stop_at=5) | drawn("stopped") == whole
    assert set(drawn("another", replicate=2).values()).isdisjoint(whole.values())


@pytest.mark.parametrize("minutes", ["0", "-1", "nan", "inf", "often"])
def test_the_minutes_are_a_positive_number(capsys, minutes):
    import cli

    words = ["train", "--default_hparams=mnist_lenet_12", f"--checkpoint_minutes={minutes}"]
    assert cli.main(words) == 2
    line = f"error: --checkpoint_minutes={minutes}: must be a number greater than 0\n"
    assert capsys.readouterr().err == line
