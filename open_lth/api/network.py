"""Any network of one's own, without a registry: trained in a variant, pruned by any strategy, rewound, measured."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from foundations.context import choose_device
from foundations.errors import UnreadableFile, UserError
from foundations.randomness import RandomStreams, default_generator_seeded
from foundations.step import Step
from foundations.storage import load_tensors, save_tensors
from open_lth.api.commands import load_plugins
from open_lth.api.data import Batches, TrainingData
from open_lth.api.options import group_of, make_variant, training_hparams
from pruning import (
    DETERMINISTIC,
    STRATEGIES,
    Mask,
    MaskEnforcement,
    PruningCircumstances,
    apply_mask,
    check_strategy_fits,
    prunable_shapes,
)
from training import (
    Diagnostics,
    Precision,
    Prediction,
    PredictionRequest,
    TrainingCircumstances,
    loss_of,
    mean_gradient,
    measure,
)


class Network:
    """A network, its mask, and how it is trained.

    The network that is given stays as it is: this has a copy. The same seed and data give the same bits on the CPU.

    Args:
        network: any module from images to logits.
        train: batches of training data, iterated over once an epoch.
        variant: `deterministic`, or any other that is registered.
        num_examples: how many training examples there are; by default as many as the loader's data set has.
        optimizer: one of `--optimizer_name`.
        lr: the learning rate.
        objective: one of `--objective`.
        steps: how many steps a training will take, for what wants to know it beforehand, such as IVON.
        device: `auto`, `cpu`, `cuda`, ...
        seed: of everything random.
        options: the variant's hyperparameters, such as `samples=2`, with or without the variant's name in front as its
            flags have it, and those of training, such as `weight_decay=1e-4`.

    Raises:
        UserError: if the network cannot be of this variant, or a value is invalid.
    """

    def __init__(
        self,
        network: nn.Module,
        train: Batches,
        *,
        variant: str = DETERMINISTIC,
        num_examples: int | None = None,
        optimizer: str = "adam",
        lr: float = 1e-3,
        objective: str = "cross_entropy",
        steps: int = 1000,
        device: str = "auto",
        seed: int = 0,
        **options: Any,
    ) -> None:
        load_plugins()
        self.variant, rest = make_variant(variant, options)
        self._hparams = training_hparams({"optimizer_name": optimizer, "lr": lr, "objective": objective, **rest})
        self.variant.check_objective(self._hparams)
        self._steps, self._device = steps, choose_device(device)
        self._data = TrainingData(train, num_examples, self._device)
        self._seed, self.level, self._iteration = seed, 0, 0
        self.model = copy.deepcopy(network)
        with default_generator_seeded(seed):
            self.variant.convert(self.model)
        self.model.to(self._device)
        self.mask = Mask.ones(prunable_shapes(self.variant.prunable(self.model)))
        self.keep()
        self._begin()

    # Training

    def _begin(self) -> None:
        """Begin with a new optimiser, under the mask."""
        circumstances = self._training_circumstances()
        self._objective = self.variant.objective(self.model, circumstances)
        self._optimizer = self.variant.optimizer(self.model, self._hparams, circumstances)
        MaskEnforcement(self._optimizer, self.variant.prunable(self.model), self.mask)

    def _training_circumstances(self) -> TrainingCircumstances:
        return TrainingCircumstances(
            num_examples=self._data.num_examples,
            streams=self._streams,
            precision=Precision("fp32", self._device),
            loss=loss_of(self._hparams.objective, self._hparams),
            steps=self._steps,
        )

    @property
    def _streams(self) -> RandomStreams:
        return RandomStreams(self._seed, self.level)

    def step(self, images: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Train on a batch, and return scalars on the device: `loss`, `accuracy`, and what else the objective has.

        Args:
            images: (B, ...), as the network takes them.
            labels: (B,), class indices.
        """
        self.model.train()
        self._optimizer.zero_grad()
        with default_generator_seeded(self._streams.seed("layers", self._iteration)):
            step = Step(self._iteration, max(1, self._steps))
            terms = self._objective.backward(images.to(self._device), labels.to(self._device), step)
        self._optimizer.step()
        self._iteration += 1
        return terms

    def train(self, epochs: int = 1) -> dict[str, float]:
        """Train for some epochs, and return the averages of the last one's terms.

        Raises:
            UserError: if the loss is no longer finite, or there are no batches.
        """
        for _ in range(epochs):
            found = [self.step(images, labels) for images, labels in self._data.epoch()]
            if not found:
                raise UserError("there are no training batches")
        averages = {name: float(torch.stack([terms[name] for terms in found]).mean()) for name in found[-1]}
        if not all(torch.isfinite(torch.tensor(value)) for value in averages.values()):
            raise UserError(f"training diverged: {averages}; try a smaller learning rate")
        return averages

    # Pruning and rewinding

    def keep(self) -> None:
        """Let `rewind` go back to the weights as they are now; at first these are the initial ones."""
        self._kept = {name: tensor.detach().clone() for name, tensor in self.model.state_dict().items()}
        self._kept_iteration = self._iteration

    def prune(self, strategy: str, fraction: float = 0.2, ignore: Iterable[str] = (), **options: Any) -> Mask:
        """Prune a fraction of the remaining weights, and return the new mask.

        Args:
            strategy: one of `--pruning_strategy`, such as `sparse_global`, `sparse_global_snr` or `sparse_snip`.
            ignore: names of tensors that keep their mask.
            options: further hyperparameters of the strategy.

        Raises:
            UserError: if there is no such strategy, it cannot judge this network, or a value is invalid.
        """
        check_strategy_fits(strategy, *self.variant.compatible_variants())
        entry = STRATEGIES.get(strategy)
        values = {"pruning_fraction": fraction, "pruning_layers_to_ignore": ",".join(ignore) or None, **options}
        hparams = group_of(entry.get_pruning_hparams(), {"pruning_strategy": strategy, **values})
        generator = RandomStreams(self._seed, self.level + 1).generator("pruning")
        self.mask = entry.prune_in(hparams, self.model, self.mask, generator, self._circumstances())
        self.level += 1
        self._begin()
        return self.mask

    def rewind(self) -> None:
        """Go back to the weights that were kept, under the mask, with a new optimiser."""
        self.model.load_state_dict(self._kept)
        self._iteration = self._kept_iteration
        apply_mask(self.variant.prunable(self.model), self.mask)
        self._begin()

    @property
    def density(self) -> float:
        """The fraction of the prunable weights that is kept."""
        return self.mask.density

    def _circumstances(self) -> PruningCircumstances:
        def kept() -> nn.Module:
            network = copy.deepcopy(self.model)
            network.load_state_dict(self._kept)
            return network

        def draws(network: nn.Module) -> Iterator[Mapping[str, Tensor]]:
            generator = self._streams.generator("pruning_samples", device=self._device)
            return self.variant.sampled_weights(network, generator)

        def gradients(network: nn.Module, batches: int) -> Mapping[str, Tensor]:
            other = copy.deepcopy(network).train()
            objective = self.variant.objective(other, self._training_circumstances())
            looked_at = itertools.islice(self._data.endless(), batches)
            return mean_gradient(objective, other, looked_at, max(1, self._steps), self._streams)

        def num_classes() -> int:
            return self.predict(next(self._data.epoch())[0][:2]).log_probabilities.shape[1]

        return PruningCircumstances(
            level=self.level + 1,
            hparams={"training_hparams": self._hparams},
            initial_network=kept,
            rewound_network=kept,
            batches=self._data.endless,
            gradients=gradients,
            num_classes=num_classes,
            loss=loss_of(self._hparams.objective, self._hparams),
            draws=draws,
            on_device=copy.deepcopy,
        )

    # Prediction

    def predict(self, images: Tensor | Batches, samples: int | None = None) -> Prediction:
        """Return the predictive distribution, averaged over samples of the weights if they are random.

        Args:
            images: a batch of them, or batches of images and labels, in order.
            samples: how many samples, if not as many as the variant's hyperparameters say.
        """
        batches = [images] if isinstance(images, Tensor) else [batch for batch, _ in images]
        variant = self.variant if samples is None else self.variant.with_evaluation_samples(samples)
        on_device = [batch.to(self._device) for batch in batches]
        request = PredictionRequest(
            images=lambda: on_device,
            calibration=self._data.first_images,
            streams=self._streams,
            occasion=str(self._iteration),
            precision=Precision("fp32", self._device),
        )
        found = variant.predict(self.model, request)
        entropies = None if found.sample_entropies is None else found.sample_entropies.cpu()
        return Prediction(found.log_probabilities.cpu(), entropies)

    def measure(self, test: Batches, samples: int | None = None) -> dict[str, float]:
        """Return the measures of the predictive distribution: accuracy, loss (the NLL), brier, ece, mace, ..."""
        batches = list(test)
        return measure(
            self.predict(batches, samples).log_probabilities, torch.cat([labels for _, labels in batches]).cpu()
        )

    def diagnostics(self) -> Diagnostics:
        """Return what the variant says of its weights, by layer, such as the spread of its distributions."""
        return self.variant.diagnostics(self.model)

    # Files

    def save(self, path: str | Path) -> None:
        """Write weights, mask and what `rewind` goes back to, as plain tensors."""
        place = Path(path).expanduser()
        place.parent.mkdir(parents=True, exist_ok=True)
        numbers = {"level": self.level, "iteration": self._iteration, "kept_iteration": self._kept_iteration}
        content = {"variant": self.variant.name, "weights": self.model.state_dict(), "mask": dict(self.mask), **numbers}
        save_tensors(place, {**content, "kept": self._kept})

    def load(self, path: str | Path) -> None:
        """Take over what `save` has written of a network of the same architecture and variant; the optimiser is new.

        Raises:
            UserError: if the file is missing, damaged, or of another network.
        """
        place = Path(path).expanduser()
        content = load_tensors(place)
        try:
            if content["variant"] != self.variant.name:
                raise UserError(f"{place}: is of a {content['variant']} network")
            mask, level, iteration = Mask(content["mask"]), content["level"], content["iteration"]
            self.model.load_state_dict(content["weights"])
            apply_mask(self.variant.prunable(self.model), mask)
        except (KeyError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise UnreadableFile(place, f"does not fit this network: {reason}", remedy="") from None
        self.mask, self.level, self._iteration = mask, level, iteration
        self._kept, self._kept_iteration = content["kept"], content["kept_iteration"]
        self._begin()
