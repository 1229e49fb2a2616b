"""Commands run in-process into a root of their own, and what they leave there."""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

import cli
from foundations.storage import load_tensors

LENET = ("--default_hparams=mnist_lenet_12", "--dataset_name=digits", "--batch_size=256", "--training_steps=2ep")
"""A LeNet of 9,538 parameters on scikit-learn's digits, six iterations an epoch."""

BAYESIAN = ("--bayesian", "--bayesian_samples=2", "--lr=0.01")
KINDS = {"deterministic": (), "bayesian": BAYESIAN}

ROTATIONS = (
    "--pretrain",
    "--pretrain_training_steps=1ep",
    "--pretrain_dataset_name=digits",
    "--pretrain_batch_size=100",
    "--pretrain_unsupervised_labels=rotation",
)
"""Before level 0 the network learns which of four ways digits are turned."""

RETRAINING = (
    "--retrain_d_dataset_name=digits",
    "--retrain_d_batch_size=256",
    "--retrain_t_training_steps=2ep",
    "--retrain_t_optimizer_name=sgd",
    "--retrain_t_lr=0.1",
)
"""What `retrain` requires: the data and the curriculum of the deterministic lottery."""

ITERATIONS_PER_EPOCH = 6
INPUT = "fc_layers.0.weight"
OUTPUT = "fc.weight"

Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True)
class Outcome:
    """What a command returned and printed."""

    code: int
    out: str
    err: str


def outcome_of(*words: str) -> Outcome:
    """Run a command as it is."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main([*words])
        except SystemExit as leaving:
            code = int(leaving.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())


@dataclass(frozen=True)
class Workplace:
    """A root for results and one for data sets."""

    root: Path
    dataset_root: Path

    def run(self, *words: str) -> Outcome:
        """Run a command with this root; `--help` counts as an exit code as well."""
        return outcome_of(*words, f"--root={self.root}", f"--dataset_root={self.dataset_root}")

    def done(self, *words: str) -> Outcome:
        """Run a command that must succeed without a word of complaint."""
        outcome = self.run(*words)
        assert (outcome.code, outcome.err) == (0, ""), outcome.err
        return outcome

    def refused(self, *words: str) -> str:
        """Run a command that must be refused in one line on stderr, and return the line."""
        outcome = self.run(*words)
        assert outcome.code == 2, outcome
        assert outcome.out == ""
        assert outcome.err.startswith("error: ") and outcome.err.endswith("\n")
        assert outcome.err.count("\n") == 1, outcome.err
        return outcome.err.rstrip("\n")

    def place(self, *words: str) -> Path:
        """Return where a command says its results go: for a lottery its replicate, for several levels the first."""
        place = Path(self.done(*words, "--display_output_location").out.splitlines()[0])
        return place.parent.parent if words[0] == "lottery" else place

    def files(self) -> set[str]:
        """Return everything under the root but the locks, which hold nothing, and the files' checksums."""
        found = (path for path in self.root.rglob("*") if path.is_file() and path.name != ".lock")
        found = (path for path in found if not (path.name.startswith(".") and path.suffix == ".sha256"))
        return {path.relative_to(self.root).as_posix() for path in found}


@dataclass(frozen=True)
class Trunk:
    """A lottery by its command, and the files of its levels."""

    workplace: Workplace
    words: tuple[str, ...]

    def find_tickets(self, levels: int) -> Outcome:
        """Run the lottery up to a level."""
        return self.workplace.done("lottery", f"--levels={levels}", "--quiet", *self.words)

    def branch(self, name: str, *words: str, levels: str = "1") -> Path:
        """Run a branch off one level and return its directory."""
        command = ("lottery_branch", name, f"--levels={levels}", "--quiet", *self.words, *words)
        self.workplace.done(*command)
        return self.workplace.place(*command)

    @property
    def directory(self) -> Path:
        """The replicate's directory."""
        return self.workplace.place("lottery", "--levels=0", *self.words)

    def level(self, level: int | str) -> Path:
        """The run directory of a level."""
        return self.directory / f"level_{level}" / "main"


def weights(directory: Path, step: str) -> Tensors:
    """Return the state dict that a run saved at a step, e.g. `ep2_it0`."""
    state: Tensors = load_tensors(directory / f"model_{step}.pth")
    return state


def mask(directory: Path) -> Tensors:
    """Return a run's mask."""
    loaded: Tensors = load_tensors(directory / "mask.pth")
    return loaded


def density(tensors: Tensors) -> float:
    """Return the fraction of ones."""
    return sum(int(t.sum()) for t in tensors.values()) / sum(t.numel() for t in tensors.values())


def measures(directory: Path) -> list[tuple[str, int, float]]:
    """Return a logger's lines."""
    lines = [line.split(",") for line in (directory / "logger").read_text().splitlines()]
    return [(name, int(iteration), float(value)) for name, iteration, value in lines]


def snapshot(root: Path) -> dict[str, tuple[int, bytes]]:
    """Return the time of change and the content of every file under a directory."""
    return {
        p.relative_to(root).as_posix(): (p.stat().st_mtime_ns, p.read_bytes()) for p in root.rglob("*") if p.is_file()
    }


def results(root: Path) -> dict[str, bytes]:
    """Return the models, masks, reports and loggers under a directory, bit by bit."""
    kinds = ("model_*.pth", "mask.pth", "sparsity_report.json", "logger")
    return {p.relative_to(root).as_posix(): p.read_bytes() for kind in kinds for p in root.rglob(kind)}


def means(state: Tensors, name: str) -> torch.Tensor:
    """Return the numbers that a prunable tensor holds: its weights, or their means in a Bayesian network."""
    layer, _, variable = name.rpartition(".")
    return state[name] if name in state else state[f"{layer}._{variable}_mean"]


def is_kept(state: Tensors, name: str) -> torch.Tensor:
    """Return where a prunable tensor is not pruned: where it is not 0 or, in a Bayesian network, varies."""
    layer, _, variable = name.rpartition(".")
    return (state[name] != 0) if name in state else (state[f"{layer}._{variable}_log_std"] > -torch.inf)


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Return whether two state dicts agree in every bit."""
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)
