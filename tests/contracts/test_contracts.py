"""What everything registered must keep, whatever it is; a new entry is tested by a new row of the table."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from foundations.paths import RunPaths
from models import MODEL_FAMILIES
from tests.contracts.data import WRITERS
from tests.contracts.table import (
    BEFORE,
    OF_PLUGINS,
    REGISTRIES,
    ROWS,
    VARIANT_FLAGS,
    Case,
    missing,
    read_trainings,
    unknown,
)
from tests.open_lth.running import Trunk, density, mask, measures, results, same, weights
from training import TrainingRun
from training.step import TrainingStep

LEVEL_1 = "level_1/main"


def runs(trunk: Trunk) -> list[TrainingRun]:
    """The training runs of levels 0 and 1."""
    places = (f"--root={trunk.workplace.root}", f"--dataset_root={trunk.workplace.dataset_root}", "--quiet")
    return read_trainings("lottery", "--levels=1", *trunk.words, *places)


def start(run: TrainingRun) -> str:
    return "ep0_it0"


def end(run: TrainingRun) -> str:
    return run.paths.model(run.end).stem.removeprefix("model_")


def is_pruned_exactly(run: TrainingRun, step: str) -> bool:
    """Whether every weight that the mask prunes has the value that means so, and no other weight has."""
    model, kept = run.new_network(seed=0), mask(run.paths.directory)
    model.load_state_dict(weights(run.paths.directory, step))
    prunable = run.variant.prunable(model)
    assert prunable.keys() == kept.keys()
    found = {name: [part.parameter == part.pruned_value for part in parts] for name, parts in prunable.items()}
    return all(torch.equal(torch.stack(parts).all(dim=0), kept[name] == 0) for name, parts in found.items())


def interrupt(monkeypatch: pytest.MonkeyPatch, step: int) -> list[int]:
    """Press Ctrl-C while a step is trained, counted from 1, and return where all steps are noted."""
    trained: list[int] = []
    original: Callable[[TrainingStep], None] = TrainingStep.take

    def step_and_press(steps: TrainingStep) -> None:
        original(steps)
        trained.append(steps.state.step.iteration)
        if len(trained) == step:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(TrainingStep, "take", step_and_press)
    return trained


def forget_training(directory: Path) -> None:
    """Remove a run's results but for its mask."""
    for path in [*directory.glob("model_*.pth"), directory / "logger", directory / "checkpoint.pth"]:
        path.unlink(missing_ok=True)


@pytest.mark.parametrize("registry", REGISTRIES)
def test_every_entry_has_a_row_and_every_row_an_entry(registry: str) -> None:
    lacking = missing(registry)
    assert not lacking, (
        f"no contract test runs over the {registry} {', '.join(lacking)}: add a row of minimal flags to "
        f'ROWS["{registry}"] in tests/contracts/table.py, or to the rows of your plugin (docs/extending.md)'
    )
    assert not unknown(registry), f'ROWS["{registry}"] has rows of what is not registered: {unknown(registry)}'


def test_every_data_set_has_files() -> None:
    registries = ("dataset", "streamed dataset")
    of_plugins = {name for rows in OF_PLUGINS for registry in registries for name in rows.get(registry, ())}
    lacking = sorted(({name for registry in registries for name in ROWS[registry]} - of_plugins) ^ set(WRITERS))
    assert not lacking, f"{', '.join(lacking)}: add what writes a few images to WRITERS in tests/contracts/data.py"


def test_every_variant_is_tested_with_everything() -> None:
    assert set(VARIANT_FLAGS) == set(ROWS["variant"])


@pytest.mark.parametrize("name", ROWS["model"])
def test_a_familys_row_names_one_of_its_members(name: str) -> None:
    members = [w.partition("=")[2] for w in ROWS["model"][name] if w.startswith("--default_hparams=")]
    assert members and MODEL_FAMILIES.get(name).matches(members[-1])


def test_it_trains(finished: Trunk) -> None:
    for run in runs(finished):
        before, after = (weights(run.paths.directory, step) for step in (start(run), end(run)))
        assert before.keys() == after.keys()
        model = run.new_network(seed=0)
        numbers = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        assert all(not bool(after[name].isnan().any()) for name in after)
        unchanged = [name for name in numbers if torch.equal(before[name], after[name])]
        assert not unchanged, f"training left {unchanged} as they were"
        logged = measures(run.paths.directory)
        assert {name for name, _, _ in logged} >= {"test_loss", "test_accuracy"}
        assert all(math.isfinite(value) for _, _, value in logged)


def test_it_is_read_back_and_predicts_as_it_did(finished: Trunk) -> None:
    run = runs(finished)[-1]
    model = run.load_network(run.end)
    assert same(model.state_dict(), weights(run.paths.directory, end(run)))
    measured = run.evaluator().evaluate(model.to(memory_format=torch.channels_last), run.end)
    logged = {name: value for name, at, value in measures(run.paths.directory) if at == run.end.iteration}
    assert measured["loss"] == pytest.approx(logged["test_loss"], rel=1e-5)
    assert same(model.state_dict(), weights(run.paths.directory, end(run))), "evaluation changed the network"


def test_it_prunes(finished: Trunk) -> None:
    dense, ticket = runs(finished)
    whole, kept = mask(dense.paths.directory), mask(ticket.paths.directory)
    assert whole.keys() == kept.keys() and density(whole) == 1
    assert 0 < density(kept) < 1
    ignored = [word.partition("=")[2] for word in finished.words if word.startswith("--pruning_layers_to_ignore=")]
    assert bool(kept[ignored[-1]].all())
    assert all(is_pruned_exactly(ticket, step) for step in (start(ticket), end(ticket)))
    # It starts from level 0's initial weights, where it is not pruned.
    model, original = (run.new_network(seed=0) for run in (ticket, dense))
    model.load_state_dict(weights(ticket.paths.directory, start(ticket)))
    original.load_state_dict(weights(dense.paths.directory, start(dense)))
    theirs = ticket.variant.prunable(original)
    for name, parts in ticket.variant.prunable(model).items():
        for part, other in zip(parts, theirs[name], strict=True):
            assert torch.equal(part.parameter[kept[name] == 1], other.parameter[kept[name] == 1])


def test_it_resumes_to_the_same_bits(trunk: Trunk, finished: Trunk, monkeypatch: pytest.MonkeyPatch) -> None:
    run = runs(trunk)[-1]
    forget_training(run.paths.directory)
    (run.paths.directory / "mask.pth").unlink()
    with monkeypatch.context() as patch:
        before = interrupt(patch, step=1)
        outcome = trunk.workplace.run("lottery", "--levels=1", "--quiet", *trunk.words)
    assert outcome.code == 130 and "everything up to there is saved" in outcome.err
    assert before == [1] and run.paths.checkpoint.exists() and not run.is_done
    with monkeypatch.context() as patch:
        after = interrupt(patch, step=0)
        trunk.find_tickets(levels=1)
    assert after == list(range(2, run.end.iteration + 1))
    assert results(trunk.directory) == results(finished.directory)


def test_a_branch_trains_prunes_and_resumes(
    case: Case, trunk: Trunk, finished: Trunk, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("lottery_branch", case.branch[0], "--levels=1", "--quiet", *trunk.words, *case.branch[1:])
    for earlier in BEFORE.get(case.branch[0], ()):
        trunk.workplace.done("lottery_branch", earlier, "--levels=1", "--quiet", *trunk.words)
    place = RunPaths(trunk.workplace.place(*command))
    places = (f"--root={trunk.workplace.root}", f"--dataset_root={trunk.workplace.dataset_root}")
    runs = read_trainings(*command, *places)
    if runs:
        with monkeypatch.context() as patch:
            interrupt(patch, step=1)
            assert trunk.workplace.run(*command).code == 130
    trunk.workplace.done(*command)
    for run in runs:
        assert place.directory in (run.paths.directory, run.paths.directory.parent) and run.is_done
        assert all(is_pruned_exactly(run, step) for step in (start(run), end(run)))
        assert not same(weights(run.paths.directory, start(run)), weights(run.paths.directory, end(run)))
        assert all(math.isfinite(value) for _, _, value in measures(run.paths.directory))
    outputs = [run.paths.logger for run in runs] or [place.results]
    before = [os.stat(path).st_mtime_ns for path in outputs]
    trunk.workplace.done(*command)
    assert [os.stat(path).st_mtime_ns for path in outputs] == before, "what is done is done again"
    assert {path: content for path, content in results(trunk.directory).items() if "branch" not in path} == results(
        finished.directory
    ), "the trunk has changed"
