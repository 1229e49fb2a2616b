"""Kinds of network: how one is built, masked, trained and evaluated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from foundations.context import Sharing
from foundations.errors import InvalidValue
from foundations.hparams import Hparams
from foundations.randomness import RandomStreams
from foundations.ranks import Ranks
from foundations.registry import Registry
from models import ModelFamily, ModelHparams
from pruning import Prunable
from training.hparams import TrainingHparams
from training.objective import Objective
from training.optimizers import ParameterGroups
from training.parallel.exchange import GradientExchange
from training.precision import Precision

ImageBatches = Callable[[], Iterable[Tensor]]
"""Gives the same batches of images (B, C, H, W), on the device, each time it is called."""


@dataclass(frozen=True, kw_only=True)
class VariantHparams(Hparams):
    """The hyperparameters of a kind of network.

    A subclass declares `variant_name` by `constant_name`: the name is always part of the text, so that no two kinds
    share a hash.
    """

    variant_name: str


def constant_name(name: str) -> Any:
    """Declare the field `variant_name` of a kind of network: no flag, no choice, and in every hash."""
    return field(default_factory=lambda: name, metadata={"help": "the kind of network", "flag": False})


@dataclass(frozen=True)
class TrainingCircumstances:
    """What an objective may need to know of the run it serves.

    Args:
        num_examples: the number of training examples.
        streams: where anything random comes from; processes that share examples may have streams of their own.
        exchange: what adds up the gradients of the processes that train the run together.
        sample_ranks: the processes that share the samples that a stochastic network draws for a batch.
    """

    num_examples: int
    streams: RandomStreams
    precision: Precision
    exchange: GradientExchange = field(default_factory=lambda: GradientExchange(Ranks()))
    sample_ranks: Ranks = field(default_factory=Ranks)


@dataclass(frozen=True)
class PredictionRequest:
    """What to predict: test images, and training images from which statistics may be recomputed.

    Args:
        images: the images to classify, in order.
        calibration: a fixed handful of training images, without augmentation.
        streams: where anything random comes from.
        occasion: what tells this evaluation's random numbers from another's, e.g. the iteration.
    """

    images: ImageBatches
    calibration: ImageBatches
    streams: RandomStreams
    occasion: str
    precision: Precision


class ModelVariant(ABC):
    """A kind of network: the extension point by which a plugin changes what a model is."""

    name: ClassVar[str]
    description: ClassVar[str]
    hparams: ClassVar[type[VariantHparams] | None]
    weights_like: ClassVar[str] = ""
    """Another kind whose weights are the same thing, if there is one, such as `deterministic` if every weight is a
    number: the pruning strategies and branches that fit networks of that kind fit these, too."""

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """Return the kinds as which its networks can be pruned and branched from, its own first."""
        return (cls.name, cls.weights_like) if cls.weights_like else (cls.name,)

    @classmethod
    @abstractmethod
    def from_hparams(cls, hparams: VariantHparams | None) -> ModelVariant:
        """Return the kind of network that the hyperparameters describe."""

    @classmethod
    @abstractmethod
    def preset(cls, family: ModelFamily) -> Mapping[str, object]:
        """Return the defaults, by flag, of a family's networks when they are of this kind."""

    @abstractmethod
    def build(self, hparams: ModelHparams, num_classes: int, seed: int) -> nn.Module:
        """Return a network with initial weights that depend on the seed alone."""

    @abstractmethod
    def prunable(self, model: nn.Module) -> Prunable:
        """Return the parameters behind every prunable weight, by canonical name."""

    @abstractmethod
    def parameter_groups(self, model: nn.Module, hparams: TrainingHparams) -> ParameterGroups:
        """Return the trainable parameters in the groups that the optimiser treats differently."""

    def check_sharing(self, sharing: Sharing, ranks: Ranks) -> None:
        """Check that several processes can share the training in this way; a kind that draws samples overrides this.

        Raises:
            InvalidValue: if they cannot.
        """
        if sharing.split == "samples" and ranks.size > 1:
            raise InvalidValue("ranks_split", sharing.split, f"a {self.name} network draws no samples to share")

    @abstractmethod
    def objective(self, model: nn.Module, circumstances: TrainingCircumstances) -> Objective:
        """Return what training minimises."""

    @abstractmethod
    def log_probabilities(self, model: nn.Module, request: PredictionRequest) -> Tensor:
        """Return the log of the predictive distribution, (N, classes) in float32; the network is left as it was.

        Several processes each predict a run of the batches. What is drawn for one batch should therefore not depend on
        those before it; else measures depend on the number of processes.
        """


VARIANTS: Registry[type[ModelVariant]] = Registry("variant")
