"""A whole reproduction in seconds: every suite, on networks and curricula that are as small as they can be."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.open_lth.running import Outcome, Workplace

TINY: dict[str, Any] = {
    "networks": {"LeNet-12": "--default_hparams=mnist_lenet_12"},
    "larger_networks": {"LeNet-12": {"LeNet-24": "--default_hparams=mnist_lenet_24"}},
    "flags": "--dataset_name=digits --batch_size=512 --model_init=kaiming_uniform --optimizer_name=adam --lr=0.02 "
    "--momentum=0 --weight_decay=0 --training_steps=2ep --pruning_fraction=0.4 --pruning_layers_to_ignore=fc.weight",
    "bayesian": "--bayesian_samples=2 --bayesian_std_lr_factor=10",
    "levels": 2,
    "passes": 2,
    "learning_rates": {"learning rate 0.02": ""},
    "std_learning_rates": {"informative σ": ""},
    "optimizers": {"IVON": "--bayesian_optimizer=ivon --bayesian_std_lr_factor=1"},
    "settings": {"weight decay": "--weight_decay=0.01", "loss summed": "--bayesian_loss_scale=sum"},
    "one_shot": {"SNIP": "--strategy=sparse_snip"},
    "rewinding": {"from initialisation": ""},
}


@dataclass(frozen=True)
class Reproduced:
    """A finished reproduction, not to be changed."""

    workplace: Workplace
    scale: Path
    commands: list[str]

    def run(self, *words: str) -> Outcome:
        """Run a command about it."""
        return self.workplace.run(*words, f"--scale={self.scale}")


def reproduce(place: Path) -> Reproduced:
    """Run every experiment of the scale, in process, in the order that `reproduce` prints."""
    scale = place / "tiny.json"
    scale.write_text(json.dumps(TINY))
    workplace = Workplace(place / "results", place / "data")
    commands = workplace.done("reproduce", f"--scale={scale}", "--dry_run").out.splitlines()
    for command in commands:
        workplace.done(*shlex.split(command)[2:], "--quiet")
    return Reproduced(workplace, scale, commands)
