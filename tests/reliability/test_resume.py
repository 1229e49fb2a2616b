"""Stopped at any step and started again, a run ends in the bits of an unbroken one, whatever takes part in it."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from PIL import Image
from torch import nn

import training.step
from datasets.source import LabelledImages
from datasets.sources.cifar import Cifar10
from datasets.sources.imagenet import ImageNet
from models import MODEL_FAMILIES, ModelFamily, register_family
from tests.open_lth.running import Workplace, results
from training.precision import Precision

DIGITS = ("--dataset_name=digits", "--subsample_fraction=0.1", "--batch_size=32")  # five iterations an epoch
LENET = ("lottery", "--levels=1", "--default_hparams=mnist_lenet_12", *DIGITS, "--training_steps=2ep2it")
SGD = (*LENET, "--optimizer_name=sgd", "--lr=0.05", "--momentum=0.9")
ADAM = (*LENET, "--optimizer_name=adam", "--lr=0.01", "--weight_decay=1e-3")
BAYESIAN = (*LENET, "--bayesian", "--bayesian_samples=2", "--lr=0.01")
CIFAR = ("lottery", "--levels=1", "--default_hparams=cifar_resnet_8", "--batch_size=16", "--training_steps=1ep2it")
DROPOUT = tuple(word.replace("mnist_lenet_12", "dropout_5") for word in LENET if not word.startswith("--default"))
IMAGENET = ("train", "--default_hparams=imagenet_resnet_18_16", "--batch_size=3", "--training_steps=1ep2it")

CASES = {
    "SGD with momentum": SGD,
    "Nesterov's momentum": (*SGD, "--nesterov_momentum=0.9"),
    "Adam": ADAM,
    "warmup and milestones": (*ADAM, "--warmup_steps=7it", "--milestone_steps=1ep1it,2ep", "--gamma=0.1"),
    "bf16": (*ADAM, "--precision=bf16"),
    "fp16": (*ADAM, "--precision=fp16"),
    "rewinding": (*SGD, "--rewinding_steps=3it"),
    "pretraining": (*SGD, "--pretrain", "--pretrain_training_steps=1ep", "--pretrain_dataset_name=digits"),
    "learning rate rewinding": (*ADAM, "--lrr"),
    "dropout and BatchNorm": (
        *DROPOUT,
        "--model_name=dropout_5",
        "--model_init=kaiming_normal",
        "--batchnorm_init=uniform",
        "--optimizer_name=adam",
        "--lr=0.01",
        "--pruning_strategy=sparse_global",
    ),
    "flips and crops": CIFAR,
    "a Bayesian network": BAYESIAN,
    "antithetic draws": (*BAYESIAN, "--bayesian_estimator=antithetic"),
    "local reparameterization": (*BAYESIAN, "--bayesian_estimator=local_reparameterization"),
    "a Bayesian network in fp16": (*BAYESIAN, "--precision=fp16"),
    "a Bayesian network with BatchNorm": (*CIFAR, "--bayesian", "--bayesian_samples=2"),
    "image files": IMAGENET,
    "image files and worker processes": (*IMAGENET, "--num_workers=2"),
}


AT_FULL_SIZE_ONLY = {
    "Nesterov's momentum",
    "Adam",
    "bf16",
    "flips and crops",
    "a Bayesian network",
    "image files",
    "local reparameterization",
    "a Bayesian network in fp16",
}
"""Cases whose parts other cases have, too."""


class DropoutFamily(ModelFamily):
    pattern = "dropout_P"
    examples = ("dropout_5",)
    image_shape = (1, 8, 8)
    output_layer = "4"
    defaults: ClassVar[dict[str, object]] = {}

    def matches(self, name):
        return name.startswith("dropout_")

    def build(self, name, num_classes):
        drop = nn.Dropout(int(name.removeprefix("dropout_")) / 10)
        convolution = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.BatchNorm2d(4))
        return nn.Sequential(convolution, nn.ReLU(), drop, nn.Flatten(), nn.Linear(36, num_classes))


@pytest.fixture(autouse=True)
def dropout(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's network that draws random numbers of its own."""
    monkeypatch.setattr(MODEL_FAMILIES, "_entries", dict(MODEL_FAMILIES._entries))
    register_family("dropout")(DropoutFamily)


@pytest.fixture(autouse=True)
def small_data(monkeypatch: pytest.MonkeyPatch, workplace: Workplace) -> None:
    """CIFAR-10 of 53 images in memory, and ImageNet of 8 in files."""
    generator = torch.Generator().manual_seed(0)
    for name, count in (("num_train", 53), ("num_test", 17)):
        monkeypatch.setattr(Cifar10, name, count)
    images = {
        train: LabelledImages(
            torch.randint(256, (count, 3, 32, 32), generator=generator).to(torch.uint8),
            torch.randint(10, (count,), generator=generator),
        )
        for train, count in ((True, 53), (False, 17))
    }
    monkeypatch.setattr(Cifar10, "load", lambda self, root, train: images[train])
    make_tiny_imagenet(workplace.dataset_root)
    monkeypatch.setattr(ImageNet, "num_train", 8)
    monkeypatch.setattr(ImageNet, "num_test", 4)


def make_tiny_imagenet(dataset_root: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    for split, each in (("train", 4), ("val", 2)):
        for name in ("n01", "n02"):
            folder = dataset_root / "imagenet" / split / name
            folder.mkdir(parents=True)
            for i in range(each):
                pixels = torch.randint(256, (40 + 7 * i, 60 - 5 * i, 3), generator=generator).to(torch.uint8)
                Image.fromarray(pixels.numpy()).save(folder / f"{i}.png")


@pytest.fixture(autouse=True)
def busy_scaler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let fp16's loss scale change every other step; else it would not within a short run."""
    initialise = Precision.__init__

    def initialise_busy(self, name, device):
        initialise(self, name, device)
        if name == "fp16":
            self._scaler.set_growth_interval(2)

    monkeypatch.setattr(Precision, "__init__", initialise_busy)


class Steps:
    """Counts a command's training steps, and sends a signal during one of them."""

    def __init__(self) -> None:
        self.count = 0
        self.stop_at: int | None = None

    def watched(self, step: Callable[..., None]) -> Callable[..., None]:
        def watching(*args: object) -> None:
            if self.count == self.stop_at:
                signal.raise_signal(signal.SIGTERM)
            self.count += 1
            step(*args)

        return watching

    def run(self, workplace: Workplace, words: tuple[str, ...], stop_at: int | None = None) -> int:
        """Run a command, with generators that another process would have left otherwise, and return its exit code."""
        torch.manual_seed(random.SystemRandom().getrandbits(60))
        self.count, self.stop_at = 0, stop_at
        return workplace.run(*words, "--quiet").code


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    found = Steps()
    monkeypatch.setattr(training.step.TrainingStep, "take", found.watched(training.step.TrainingStep.take))
    yield found


@pytest.mark.filterwarnings("ignore:This DataLoader will create", "ignore:.*fork.*")
@pytest.mark.parametrize("case", [pytest.param(next(iter(CASES)), marks=pytest.mark.smoke), *list(CASES)[1:]])
def test_a_stop_at_any_step_costs_no_bit(case, workplace, tmp_path, steps, tries, tally):
    if case in AT_FULL_SIZE_ONLY and not tries(0, 1):
        pytest.skip("with --full_size")
    words, lost = CASES[case], []
    assert steps.run(workplace, words) == 0
    expected, total = results(workplace.root), steps.count
    assert total >= 5 and len(expected) >= 3
    chosen = random.Random(case).sample(range(total), tries(1, total))
    for step in chosen:
        broken = Workplace(tmp_path / f"stopped_at_{step}", workplace.dataset_root)
        codes = [steps.run(broken, words, step), steps.count, steps.run(broken, words), steps.count]
        if codes != [75, step + 1, 0, total - step - 1] or results(broken.root) != expected:
            lost.append((step, codes))
    tally(len(chosen), len(lost), f"a stop at any step: {case}")
    assert not lost
