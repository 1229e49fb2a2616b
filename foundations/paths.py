"""Where everything of an experiment lies, in OpenLTH's layout; every name is made and read here, once."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from foundations.errors import UserError
from foundations.step import Step

MAIN, PRETRAIN, BRANCH = "main", "pretrain", "lottery_branch"
"""The run of a level or the only one; the level before level 0; and what branches' directories begin with."""

SUBMISSIONS = "slurm"
"""The directory, under the root, of what is known of submitted jobs; no experiment is called so."""

REPLICATES, LEVELS = "replicates", "levels"
"""What an ensemble can be of."""

_REPLICATE = re.compile(r"replicate_(\d+)", re.ASCII)
_LEVEL = re.compile(rf"level_(\d+|{PRETRAIN})", re.ASCII)
_ENSEMBLE = re.compile(rf"ensemble_of_({REPLICATES}|{LEVELS})", re.ASCII)
_BRANCH = re.compile(rf"{BRANCH}_(\w+)_[0-9a-f]+", re.ASCII)
_PART = re.compile(r"part_(\w+)", re.ASCII)
_MODEL = re.compile(r"model_ep(\d+)_it(\d+)\.pth", re.ASCII)


def place_of(file: Path) -> str:
    """Return the directory of a file from its experiment on, e.g. `lottery_.../replicate_1/level_2/main`.

    It stays the same wherever the root is moved. Of a file that lies in no replicate it is nothing.
    """
    parts = file.absolute().parts[:-1]
    inside = [number for number, part in enumerate(parts) if number and _REPLICATE.fullmatch(part)]
    return "/".join(parts[inside[-1] - 1 :]) if inside else ""


class Rewinding(enum.Enum):
    """What is rewound after pruning; the value names the levels' directories."""

    WEIGHTS = MAIN
    LEARNING_RATE = "lrr"


@dataclass(frozen=True)
class RunPaths:
    """The files of one training run.

    Args:
        directory: the run's own directory, `<root>/<name>/replicate_<r>/[level_<k>/]<experiment>`.
    """

    directory: Path

    @property
    def replicate(self) -> ReplicatePaths:
        """The replicate of an experiment that the run, or the ensemble of levels, is of.

        Raises:
            UserError: if it lies in no replicate's directory.
        """
        return ReplicatePaths.of(self._below.parent)

    @property
    def experiment(self) -> Path:
        """The directory of an experiment, in which all its replicates lie, and their ensembles."""
        return self._below.parent if self.ensemble_of == REPLICATES else self.replicate.directory.parent

    @property
    def level(self) -> int | str | None:
        """The level: a number, `pretrain`, or None if the run has none."""
        match = _LEVEL.fullmatch(self._whole.parent.name)
        return match and (match[1] if match[1] == PRETRAIN else int(match[1]))

    @property
    def kind(self) -> str:
        """What the run is: `main`, `lrr`, `pretrain`, or the name of a branch; or `ensemble_of_levels` of these.

        A training of a branch that has several is called `fork/1`.
        """
        match, part = _BRANCH.fullmatch(self._whole.name), self._part
        own = PRETRAIN if self.level == PRETRAIN else match[1] if match else self.directory.name
        own += f"/{part}" if part else ""
        if self.ensemble_of is None:
            return own
        return f"ensemble_of_{self.ensemble_of}" + (f" of {own}" if own != MAIN else "")

    @property
    def ensemble_of(self) -> str | None:
        """Whose predictions are averaged, `replicates` or `levels`; None for a run by itself."""
        match = _ENSEMBLE.fullmatch(self._below.name)
        return match[1] if match else None

    @property
    def _part(self) -> str:
        """Which of the trainings of a branch it is; nothing if it is the only one, or no branch."""
        match = _PART.fullmatch(self.directory.name)
        return match[1] if match and _BRANCH.fullmatch(self.directory.parent.name) else ""

    @property
    def _whole(self) -> Path:
        """The directory of the branch, if it is one of its trainings; else its own."""
        return self.directory.parent if self._part else self.directory

    def part(self, name: str) -> RunPaths:
        """Return the place of one of the trainings of a branch that has several."""
        return RunPaths(self.directory / f"part_{name}")

    @property
    def branch(self) -> str | None:
        """The directory's name of the branch that it is, or is a training of; None if it is no branch."""
        return self._whole.name if _BRANCH.fullmatch(self._whole.name) else None

    @property
    def _below(self) -> Path:
        """The directory right below that of the replicate, or of the experiment if it is an ensemble of replicates."""
        has_level = _LEVEL.fullmatch(self._whole.parent.name)
        place = self._whole.parent if has_level else self._whole
        return place.parent if _ENSEMBLE.fullmatch(place.parent.name) else place

    @property
    def trunk(self) -> RunPaths | None:
        """The run of the level that a branch starts from, or None if the run is no branch."""
        return RunPaths(self._whole.parent / MAIN) if self.branch else None

    @property
    def diverged(self) -> Path:
        """What was said when training diverged; it is there until training goes on."""
        return self.directory / "diverged.txt"

    @property
    def is_finished(self) -> bool:
        """Whether training has ended: its measures are written last."""
        return self.logger.exists()

    def model(self, step: Step) -> Path:
        """Return the place of the state dict at a step."""
        return self.directory / f"model_ep{step.ep}_it{step.it}.pth"

    def models(self) -> dict[tuple[int, int], Path]:
        """Return the networks that are kept, by epoch and iteration within it, ascending."""
        return self.models_among(self.directory.glob("model_ep*_it*.pth"))

    @staticmethod
    def models_among(files: Iterable[Path]) -> dict[tuple[int, int], Path]:
        """Return those of some files that are called as networks, by epoch and iteration within it, ascending."""
        found = ((_MODEL.fullmatch(path.name), path) for path in files)
        return dict(sorted(((int(match[1]), int(match[2])), path) for match, path in found if match))

    @property
    def mask(self) -> Path:
        """The mask: prunable tensor's name -> int tensor of 0 and 1."""
        return self.directory / "mask.pth"

    @property
    def sparsity_report(self) -> Path:
        """How many weights there are and how many are unpruned."""
        return self.directory / "sparsity_report.json"

    @property
    def logger(self) -> Path:
        """The measures, written when training has ended."""
        return self.directory / "logger"

    @property
    def hparams(self) -> Path:
        """The hyperparameters as text."""
        return self.directory / "hparams.log"

    @property
    def command(self) -> Path:
        """The command line that made the run, with versions and machine."""
        return self.directory / "command.json"

    @property
    def timing(self) -> Path:
        """How long training took, and on what machine."""
        return self.directory / "timing.json"

    @property
    def evaluation(self) -> Path:
        """The measures of repeated passes over the test set."""
        return self.evaluation_with()

    def evaluation_with(self, *told: str) -> Path:
        """Return where the measures of an evaluation lie.

        Args:
            told: what tells it from the usual one, e.g. `50_samples`.
        """
        return self.directory / f"{'_'.join(('evaluation', *told))}.json"

    @property
    def results(self) -> Path:
        """What a branch found out, besides training networks."""
        return self.directory / "results.json"

    @property
    def ticket(self) -> Path:
        """The directory of what `export` makes of the run."""
        return self.directory / "ticket"

    @property
    def tensorboard(self) -> Path:
        """The directory of TensorBoard's event files."""
        return self.directory / "tensorboard"

    @property
    def checkpoint(self) -> Path:
        """The state from which training resumes."""
        return self.directory / "checkpoint.pth"

    @property
    def checkpoint_previous(self) -> Path:
        """The checkpoint before the newest, kept while training goes on."""
        return self.directory / "checkpoint_previous.pth"

    def ensemble(self, kind: str) -> RunPaths:
        """Return the place of what is known of an ensemble that the run is in.

        Args:
            kind: `replicates`, then the place is beside them, or `levels`, then it is in the replicate.

        Raises:
            UserError: if the run lies in no replicate's directory.
        """
        replicate, folder = self.replicate.directory, f"ensemble_of_{kind}"
        if kind == LEVELS:
            return RunPaths(replicate / folder / self.directory.relative_to(self._whole.parent))
        return RunPaths(replicate.parent / folder / self.directory.relative_to(replicate))


@dataclass(frozen=True)
class ReplicatePaths:
    """The directories of one replicate of an experiment.

    Args:
        root: the directory of all results.
        name: the experiment's hashed name.
        number: the replicate's number.
    """

    root: Path
    name: str
    number: int

    @staticmethod
    def is_one(directory: Path) -> bool:
        """Return whether a path is the directory of a replicate."""
        return _REPLICATE.fullmatch(directory.name) is not None and directory.is_dir()

    @staticmethod
    def of(directory: Path) -> ReplicatePaths:
        """Return the paths of a replicate's directory.

        Raises:
            UserError: if it is none.
        """
        match = _REPLICATE.fullmatch(directory.name)
        if match is None:
            raise UserError(f"{directory}: is not the directory of a replicate")
        return ReplicatePaths(directory.parent.parent, directory.parent.name, int(match[1]))

    @property
    def directory(self) -> Path:
        """The replicate's directory."""
        return self.root / self.name / f"replicate_{self.number}"

    def main(self) -> RunPaths:
        """Return the paths of a run without levels."""
        return RunPaths(self.directory / MAIN)

    def level(self, level: int | str, experiment: str = MAIN) -> RunPaths:
        """Return the paths of a level (a number or `pretrain`), or of a branch at it."""
        return RunPaths(self.directory / f"level_{level}" / experiment)
