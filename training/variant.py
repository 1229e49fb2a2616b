"""Variants: how networks are built, pruned, trained and evaluated."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from foundations.context import Sharing
from foundations.errors import InvalidValue
from foundations.hparams import Hparams
from foundations.randomness import RandomStreams, default_generator_seeded
from foundations.ranks import Ranks
from foundations.registry import Registry
from models import ModelFamily, ModelHparams, build_network, prunable_tensor_names
from pruning import DETERMINISTIC, Prunable, PrunableParameter
from training.batchnorm import batchnorm_layers, recalibrate, statistics_restored
from training.hparams import OPTIMIZERS, ParameterGroups, TrainingHparams
from training.objective import LossObjective, Objective, TrainingCircumstances
from training.passes import Passes, logits_of
from training.precision import Precision
from training.prediction import Prediction, average

ImageBatches = Callable[[], Iterable[Tensor]]
"""Gives the same batches of images (B, C, H, W), on the device, each time it is called."""


@dataclass(frozen=True, kw_only=True)
class VariantHparams(Hparams):
    """The hyperparameters of a variant.

    A subclass declares `variant_name` by `constant_name`: the name is always part of the text, so that no two variants
    share a hash.
    """

    variant_name: str


def constant_name(name: str) -> Any:
    """Declare the field `variant_name` of a variant: no flag, no choice, and in every hash."""
    return field(default_factory=lambda: name, metadata={"help": "the variant", "hidden": True})


@dataclass(frozen=True)
class PredictionRequest:
    """What to predict: test images, and training images from which statistics may be recomputed.

    Args:
        images: the images to classify, in order.
        calibration: a fixed handful of training images, without augmentation.
        streams: where anything random comes from.
        occasion: what tells this evaluation's random numbers from another's, e.g. the iteration.
        passes: what does the passes through the network, if each does the same; a GPU can then replay one for all.
        recalibrated: whether a network whose variant keeps the statistics of BatchNorm is to have them recomputed.
    """

    images: ImageBatches
    calibration: ImageBatches
    streams: RandomStreams
    occasion: str
    precision: Precision
    passes: Passes = field(default_factory=Passes)
    recalibrated: bool = False

    def generator(self, purpose: str, device: torch.device) -> torch.Generator:
        """Return a generator on a device, at the beginning of the stream of a purpose and this occasion."""
        return self.passes.generator(purpose, device).manual_seed(self.streams.seed(purpose, self.occasion))


Diagnostics = Mapping[str, Mapping[str, float]]
"""Numbers by layer and by what they are; `all layers` is among the layers."""

ALL_LAYERS = "all layers"


class ModelVariant:
    """What a model is made into: how its networks are built, pruned, trained and evaluated.

    This is the extension point by which a plugin changes what a network is. As it stands it is a deterministic
    network's, as OpenLTH has it: a variant writes what it changes.

    Args:
        hparams: those of its own group, for a variant that has one.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    hparams: ClassVar[type[VariantHparams] | None] = None
    weights_like: ClassVar[str] = ""
    """Another variant whose weights are the same thing, if there is one, such as `deterministic` if every weight is a
    number: the pruning strategies and branches that fit networks of that variant fit these, too."""
    default_levels: ClassVar[int | None] = None
    """The last level of a lottery that is not told one; None if it has to be."""
    objectives: ClassVar[tuple[str, ...]] = ()
    """The choices of `--objective` that its training can minimise; empty means all."""

    def __init__(self, hparams: VariantHparams | None = None) -> None:
        pass

    @classmethod
    def compatible_variants(cls) -> tuple[str, ...]:
        """Return the variants as which its networks can be pruned and branched from, its own first."""
        return (cls.name, cls.weights_like) if cls.weights_like else (cls.name,)

    @classmethod
    def preset(cls, family: ModelFamily) -> Mapping[str, object]:
        """Return the defaults, by flag, of a family's networks in this variant."""
        return family.defaults

    @classmethod
    def check_objective(cls, hparams: TrainingHparams) -> None:
        """Check that its training can minimise what was chosen.

        Raises:
            InvalidValue: if it cannot.
        """
        if cls.objectives and hparams.objective not in cls.objectives:
            fitting = ", ".join(cls.objectives)
            raise InvalidValue("objective", hparams.objective, f"a {cls.name} network is trained with {fitting}")

    def check_sharing(self, sharing: Sharing, ranks: Ranks) -> None:
        """Check that several processes can share the training in this way; a variant that draws samples overrides this.

        Raises:
            InvalidValue: if they cannot.
        """
        if sharing.split == "samples" and ranks.size > 1:
            raise InvalidValue("ranks_split", sharing.split, f"a {self.name} network draws no samples to share")

    def build(self, hparams: ModelHparams, num_classes: int, seed: int) -> nn.Module:
        """Return a network with initial weights that depend on the seed alone."""
        model = build_network(hparams, num_classes, seed)
        with default_generator_seeded(seed):
            self.convert(model)
        return model

    def convert(self, model: nn.Module) -> None:
        """Make a network, of whatever origin, one of this variant, in place; nothing as it stands.

        Raises:
            UserError: if it cannot be one.
        """

    def remark(self, model: nn.Module) -> str:
        """Return what a user should know of a network that was built, in a line; nothing as it stands."""
        return ""

    def schedule(self) -> Mapping[str, str]:
        """Return, by flag, until which step something of its own changes in training; nothing as it stands."""
        return {}

    def prunable(self, model: nn.Module) -> Prunable:
        """Return the parameters behind every prunable weight, by canonical name: what features are multiplied by."""
        return {name: (PrunableParameter(model.get_parameter(name)),) for name in prunable_tensor_names(model)}

    def parameter_groups(self, model: nn.Module, hparams: TrainingHparams) -> ParameterGroups:
        """Return the trainable parameters in the groups that the optimiser treats differently.

        They are one group: weight decay acts on all of them, as in OpenLTH.
        """
        return [{"params": [parameter for parameter in model.parameters() if parameter.requires_grad]}]

    def optimizer(
        self, model: nn.Module, hparams: TrainingHparams, circumstances: TrainingCircumstances
    ) -> torch.optim.Optimizer:
        """Return what updates the parameters, in groups as above: what `--optimizer_name` chose."""
        return OPTIMIZERS.get(hparams.optimizer_name)(self.parameter_groups(model, hparams), hparams)

    def objective(self, model: nn.Module, circumstances: TrainingCircumstances) -> Objective:
        """Return what training minimises: the loss that `--objective` chose."""
        return LossObjective(model, circumstances)

    def diagnostics(self, model: nn.Module) -> Diagnostics:
        """Return what of a trained network tells whether its training went well; by default there is nothing."""
        return {}

    def predict(self, model: nn.Module, request: PredictionRequest) -> Prediction:
        """Return the class probabilities, averaged over the samples that are drawn; the network is left as it was."""
        samples = self.sample_log_probabilities(model, request)
        return average(Prediction(log_probabilities) for log_probabilities in samples)

    @torch.no_grad()
    def sample_log_probabilities(self, model: nn.Module, request: PredictionRequest) -> Iterator[Tensor]:
        """Yield the log of the class probabilities, (N, classes) in float32, under each sample that is drawn.

        A deterministic network has one, the log softmax of a pass, in memory for one batch and the result. At each the
        network is as it was. Several processes each predict a run of the batches: what a variant draws for one batch
        should not depend on those before it, or else measures depend on the number of processes.
        """

        def one_pass() -> Tensor:
            with request.precision.autocast(), contextlib.ExitStack() as stack:
                if request.recalibrated:
                    stack.enter_context(statistics_restored(model))
                    # Not what --compile made of it, which would be made anew for every momentum.
                    recalibrate(model, request.calibration(), model.forward)
                logits = logits_of(model, request.images())
            return logits.log_softmax(dim=1)

        was_training = model.training
        model.eval()
        found = request.passes.repeated("deterministic", model, one_pass)()
        model.train(was_training)
        yield found.clone()  # the next pass may be written to the same place

    def sampled_weights(self, model: nn.Module, generator: torch.Generator) -> Iterator[Mapping[str, Tensor]]:
        """Yield the weights and biases by name, once for each draw of them: leaves that the network then computes with.

        They need gradients and may be changed in place. A deterministic network has one draw, its own parameters.

        Args:
            generator: where what is drawn comes from.
        """
        yield dict(model.named_parameters())

    def recompute_statistics(self, model: nn.Module, calibration: ImageBatches) -> None:
        """Recompute what evaluation keeps from training, such as the statistics of BatchNorm, for other weights."""
        was_training, momenta = model.training, [layer.momentum for layer in batchnorm_layers(model)]
        with torch.no_grad():
            recalibrate(model.eval(), calibration(), model.forward)
        for layer, momentum in zip(batchnorm_layers(model), momenta, strict=True):
            layer.momentum = momentum
        model.train(was_training)

    @torch.no_grad()
    def distances(self, one: nn.Module, other: nn.Module) -> Mapping[str, float]:
        """Return how far two networks are from each other: `l2`, the root of the squared differences of weights."""
        pairs = zip(one.parameters(), other.parameters(), strict=True)
        return {"l2": math.sqrt(sum(float((a - b).double().square().sum()) for a, b in pairs))}

    def describe(self) -> VariantHparams | None:
        """Return the hyperparameters that it was made with; None if it has none."""
        return None

    def with_evaluation_samples(self, samples: int) -> ModelVariant:
        """Return the variant whose predictions average over another number of samples.

        Raises:
            InvalidValue: if it draws none.
        """
        raise InvalidValue("samples", samples, f"a {self.name} network draws no samples")

    def deterministic_state(self, model: nn.Module, calibration: ImageBatches) -> dict[str, Tensor]:
        """Return the state dict of the deterministic network that stands for one of this variant: its own, if none is.

        Args:
            calibration: as in a `PredictionRequest`; need not be called.
        """
        return dict(model.state_dict())

    def further_state(self, model: nn.Module) -> dict[str, Tensor]:
        """Return by name what a network of this variant has besides its `deterministic_state`."""
        return {}

    def restore(self, model: nn.Module, deterministic: Mapping[str, Tensor], further: Mapping[str, Tensor]) -> None:
        """Give a network of this variant what these two methods have told of another."""
        model.load_state_dict(dict(deterministic))


VARIANTS: Registry[type[ModelVariant]] = Registry("variant")

CURRICULA: Registry[Callable[[ModelFamily], Mapping[str, object]]] = Registry("curriculum")
"""Settings of data, training and pruning by name: from a family to defaults, by flag, in place of a variant's own."""


@VARIANTS.register(DETERMINISTIC)
class Deterministic(ModelVariant):
    """Networks as OpenLTH has them: every weight is a number."""

    name = DETERMINISTIC
    description = "every weight is a number"
