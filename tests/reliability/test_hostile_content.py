"""Well-formed files with absurd content: refused by name, or read for what they are."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foundations.checksum import sidecar
from foundations.storage import load_tensors, save_tensors, write_text
from tests.open_lth.running import INPUT, KINDS, LENET, Trunk, Workplace, snapshot
from tests.reliability.hostility import ROOTS, TEXTS, check, often, run_bare

SMALL, FULL = 20, 2000


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Trunk]:
    """Return lotteries of levels 0 to 2, evaluated, found once for each variant; they are not to be changed."""
    known: dict[str, Trunk] = {}

    def find(kind: str = "deterministic") -> Trunk:
        if kind not in known:
            place = tmp_path_factory.mktemp("finished")
            known[kind] = Trunk(Workplace(place / "results", place / "data"), (*LENET, *KINDS[kind]))
            known[kind].find_tickets(levels=2)
            known[kind].workplace.done("evaluate", "lottery", "--levels=2", *known[kind].words, "--quiet")
        return known[kind]

    return find


def test_names_of_runs_are_compared_and_never_opened(finished, tries, tally):
    workplace, tried = finished().workplace, 0

    @often(tries(SMALL, FULL))
    @given(st.one_of(TEXTS, ROOTS), TEXTS)
    def attempt(name, action):
        nonlocal tried
        tried += 1
        for words in (("show", name), (action, name), (action,)):
            check(run_bare("runs", *words, f"--root={workplace.root}"))

    attempt()
    tally(tried, 0, "absurd names of runs")


Tensors = dict[str, Any]


def halved(checkpoint: Tensors) -> Tensors:
    """Return an optimiser's state with moments that are half as long."""
    state = checkpoint["optimizer_state_dict"]
    moments = {
        index: {name: value[: len(value) // 2] if value.dim() else value for name, value in each.items()}
        for index, each in state["state"].items()
    }
    return {**state, "state": moments}


MASKS: dict[str, Callable[[Tensors], object]] = {
    "twos": lambda mask: {**mask, INPUT: mask[INPUT] * 2},
    "minus ones": lambda mask: {**mask, INPUT: -mask[INPUT]},
    "halves": lambda mask: {**mask, INPUT: mask[INPUT] / 2},
    "not numbers": lambda mask: {**mask, INPUT: mask[INPUT] * torch.nan},
    "complex numbers": lambda mask: {**mask, INPUT: mask[INPUT] * 1j},
    "another shape": lambda mask: {**mask, INPUT: mask[INPUT].T.contiguous()[:5]},
    "no dimension": lambda mask: {**mask, INPUT: torch.tensor(1)},
    "a tensor too many": lambda mask: {**mask, "more.weight": torch.ones(2, dtype=torch.int32)},
    "a tensor too few": lambda mask: {INPUT: mask[INPUT]},
    "another name": lambda mask: {"../../" + name: tensor for name, tensor in mask.items()},
    "a name that is a number": lambda mask: {**mask, 3: mask[INPUT]},
    "text": lambda mask: {**mask, INPUT: "ones"},
    "nothing": lambda mask: {},
    "a list": lambda mask: [mask],
    "one tensor": lambda mask: mask[INPUT],
    "only zeros": lambda mask: {name: tensor * 0 for name, tensor in mask.items()},
}
MODELS: dict[str, Callable[[Tensors], object]] = {
    "another shape": lambda state: {name: tensor[:1] for name, tensor in state.items()},
    "a tensor too many": lambda state: {**state, "more.weight": torch.ones(2)},
    "a tensor too few": lambda state: dict(list(state.items())[1:]),
    "text": lambda state: {name: "weights" for name in state},
    "nothing": lambda state: {},
    "a list": lambda state: [state],
    "one tensor": lambda state: next(iter(state.values())),
    "not numbers": lambda state: {name: tensor * torch.nan for name, tensor in state.items()},
    "infinite": lambda state: {name: tensor.abs() + torch.inf for name, tensor in state.items()},
    "complex numbers": lambda state: {name: tensor * 1j for name, tensor in state.items()},
    "whole numbers": lambda state: {name: tensor.int() for name, tensor in state.items()},
}
CHECKPOINTS: dict[str, Callable[[Tensors], object]] = {
    "a step beyond the end": lambda content: {**content, "ep": 1000},
    "a negative step": lambda content: {**content, "ep": -1},
    "half a step": lambda content: {**content, "it": 0.5},
    "a step in words": lambda content: {**content, "ep": "one"},
    "no logger": lambda content: {**content, "logger": None},
    "a malformed logger": lambda content: {**content, "logger": "test_loss,one"},
    "not numbers": lambda content: {**content, "model_state_dict": MODELS["not numbers"](content["model_state_dict"])},
    "another model": lambda content: {**content, "model_state_dict": {}},
    "no optimiser": lambda content: {**content, "optimizer_state_dict": {}},
    "no totals": lambda content: {**content, "epoch_totals": None},
    "totals in words": lambda content: {**content, "epoch_totals": {"loss": "high"}},
    "totals of another shape": lambda content: {**content, "epoch_totals": {"loss": torch.ones(2)}},
    "batches in words": lambda content: {**content, "epoch_batches": "many"},
    "moments of another shape": lambda content: {**content, "optimizer_state_dict": halved(content)},
    "an absurd scaler": lambda content: {**content, "scaler_state_dict": "on"},
    "seconds in words": lambda content: {**content, "seconds": "long"},
    "nothing": lambda content: {},
    "a list": lambda content: [content],
}
FILES = {"mask.pth": MASKS, "model_ep0_it0.pth": MODELS, "model_ep2_it0.pth": MODELS, "checkpoint.pth": CHECKPOINTS}
CHANGES = [(file, change) for file, changes in FILES.items() for change in changes]


@pytest.mark.parametrize("kind", KINDS)
def test_well_formed_files_with_absurd_content_are_refused_by_name(kind, finished, tmp_path, tries, tally):
    chosen = random.Random(kind).sample(CHANGES, tries(8, len(CHANGES)))
    for file, change in chosen:
        trunk = copy_of(finished(kind), tmp_path / f"{file} {change}")
        path = trunk.level(2) / file
        if file == "checkpoint.pth":
            path.with_name("checkpoint_previous.pth").unlink(missing_ok=True)
            for done in ("logger", "model_ep2_it0.pth"):
                (path.parent / done).unlink()
        save_tensors(path, FILES[file][change](load_tensors(path)))
        use(trunk)
        shutil.rmtree(trunk.workplace.root)
    tally(len(chosen), 0, f"files with absurd content, {kind}")


def copy_of(original: Trunk, place: Path) -> Trunk:
    shutil.copytree(original.workplace.root, place)
    return Trunk(Workplace(place, original.workplace.dataset_root), original.words)


def use(trunk: Trunk) -> None:
    """Run every command that reads a trunk's files: each succeeds, or says why not and leaves no half result."""
    for command in (
        ("lottery", "--levels=3"),
        ("lottery_branch", "shuffle", "--seed=0", "--levels=2"),
        ("lottery_branch", "reinit", "--levels=2"),
        ("evaluate", "lottery", "--levels=2"),
    ):
        before = snapshot(trunk.workplace.root)
        outcome = trunk.workplace.run(*command, *trunk.words, "--quiet")
        check(outcome)
        after = snapshot(trunk.workplace.root)
        assert not [name for name in after if name.endswith(".tmp")]
        if outcome.code == 2:
            kept = {name: content for name, (_, content) in before.items() if "checkpoint" not in name}
            assert {name: after[name][1] for name in kept if name in after} == kept
            assert not [name for name in set(after) - set(before) if name.endswith("/logger")]
    for command in (("runs",), ("runs", "show", trunk.directory.parent.name)):
        check(run_bare(*command, f"--root={trunk.workplace.root}"))


TEXT_FILES = ("logger", "hparams.log", "command.json", "sparsity_report.json", "timing.json", "evaluation.json")
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=9)),
    lambda children: st.one_of(
        st.lists(children, max_size=3),
        st.dictionaries(st.sampled_from(["command", "passes", "final", "peak", "step", "reliability"]), children),
    ),
    max_leaves=6,
)
CONTENTS = st.one_of(
    st.text(max_size=40),
    st.lists(st.builds("{},{},{}".format, TEXTS, TEXTS, TEXTS), max_size=4).map("\n".join),
    st.lists(st.builds("test_accuracy,{},{}".format, st.integers(), st.floats()), max_size=4).map("\n".join),
    JSON.map(json.dumps),
)


def test_absurd_text_in_a_file_is_read_or_refused(finished, tmp_path, tries, tally):
    trunk, tried = copy_of(finished(), tmp_path / "copy"), 0

    @often(tries(SMALL, FULL))
    @given(st.sampled_from(TEXT_FILES), st.sampled_from([0, 2]), CONTENTS)
    def attempt(name, level, text):
        nonlocal tried
        tried += 1
        path = trunk.level(level) / name
        if not path.exists():
            return
        before = path.read_bytes(), sidecar(path).read_bytes()
        try:
            write_text(path, text.encode(errors="replace").decode())
            for command in (("lottery", "--levels=2"), ("evaluate", "lottery", "--levels=2")):
                check(trunk.workplace.run(*command, *trunk.words, "--quiet"))
            for command in (("runs",), ("runs", "show", trunk.directory.parent.name)):
                check(run_bare(*command, f"--root={trunk.workplace.root}"))
        finally:
            path.write_bytes(before[0])
            sidecar(path).write_bytes(before[1])

    attempt()
    tally(tried, 0, "absurd text in files")
