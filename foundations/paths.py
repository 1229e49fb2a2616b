"""Where everything of an experiment lies, in OpenLTH's layout; every file name is defined here, once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from foundations.step import Step


@dataclass(frozen=True)
class RunPaths:
    """The files of one training run.

    Args:
        directory: the run's own directory, `<root>/<name>/replicate_<r>/[level_<k>/]<experiment>`.
    """

    directory: Path

    def model(self, step: Step) -> Path:
        """Return the place of the state dict at a step."""
        return self.directory / f"model_ep{step.ep}_it{step.it}.pth"

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
        return self.directory / "evaluation.json"

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


def ensemble_paths(run: RunPaths, kind: str) -> RunPaths:
    """Return the place of what is known of an ensemble that a run is in.

    Args:
        kind: `replicates`, then the place is beside them, or `levels`, then it is in the replicate.
    """
    directory = run.directory
    level = directory.parent if directory.parent.name.startswith("level_") else None
    replicate = level.parent if level else directory.parent
    folder = f"ensemble_of_{kind}"
    if kind == "levels":
        return RunPaths(replicate / folder / directory.name)
    return RunPaths(replicate.parent / folder / directory.relative_to(replicate))


@dataclass(frozen=True)
class ExperimentPaths:
    """The directories of one replicate of an experiment.

    Args:
        root: the directory of all results.
        name: the experiment's hashed name.
        replicate: the replicate's number.
    """

    root: Path
    name: str
    replicate: int

    @property
    def directory(self) -> Path:
        """The replicate's directory."""
        return self.root / self.name / f"replicate_{self.replicate}"

    def main(self) -> RunPaths:
        """Return the paths of a run without levels."""
        return RunPaths(self.directory / "main")

    def level(self, level: int | str, experiment: str = "main") -> RunPaths:
        """Return the paths of a level (a number or `pretrain`), or of a branch at it."""
        return RunPaths(self.directory / f"level_{level}" / experiment)
