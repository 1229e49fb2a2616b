"""How good a network is on a data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from datasets import EvaluationLoader, Loader
from foundations.context import RunContext
from foundations.randomness import RandomStreams
from foundations.step import Step
from training.graphs import Graphs
from training.measures import measure
from training.passes import Passes
from training.precision import Precision
from training.prediction import Prediction
from training.variant import ModelVariant, PredictionRequest

CALIBRATION_EXAMPLES = 512
"""Training images from which statistics may be recomputed: enough that a BatchNorm layer's are settled."""

CALIBRATION_BATCH = 128
"""How many of them at a time, whatever the batch size in training: comparisons across batch sizes stay fair."""


@dataclass
class Evaluator:
    """Measures networks of a variant on a data set, which all processes of the run share.

    Args:
        test: the images and labels to measure on.
        train: where the images for recalibration come from.
        context: the device, whether it captures passes, and the processes that share the test images.
        recalibrated: whether networks that keep the statistics of BatchNorm have them recomputed.
    """

    variant: ModelVariant
    test: EvaluationLoader
    train: Loader
    streams: RandomStreams
    precision: Precision
    context: RunContext
    recalibrated: bool = False
    _calibration: list[Tensor] | None = field(default=None, init=False)
    _passes: tuple[nn.Module, Passes] | None = field(default=None, init=False)

    def on(self, examples: EvaluationLoader) -> Evaluator:
        """Return what measures on other examples in the same way."""
        return replace(self, test=examples)

    def evaluate(self, model: nn.Module, step: Step, occasion: str = "") -> dict[str, float]:
        """Return the measures of a network at a step.

        Args:
            occasion: set it apart from other evaluations at the step, to draw other random numbers.
        """
        prediction, labels = self.predict(model, step, occasion)
        return measure(prediction.log_probabilities, labels)

    def predict(self, model: nn.Module, step: Step, occasion: str = "") -> tuple[Prediction, Tensor]:
        """Return what is predicted for N examples, and their labels, (N,), all on the CPU.

        All processes predict with the statistics of the first one's network, and have the whole result.
        """
        self.context.ranks.send_tensors(dict(model.named_buffers()))
        prediction = self.variant.predict(
            model,
            PredictionRequest(
                images=self._images,
                calibration=self.calibration_images,
                streams=self.streams,
                occasion=f"{step.iteration}/{occasion}",
                precision=self.precision,
                passes=self._passes_of(model),
                recalibrated=self.recalibrated,
            ),
        )
        mine = (prediction.log_probabilities, prediction.sample_entropies, self.test.labels)
        log_probabilities, sample_entropies, labels = (self._of_all_ranks(part) for part in mine)
        assert log_probabilities is not None and labels is not None
        return Prediction(log_probabilities, sample_entropies), labels

    def _of_all_ranks(self, part: Tensor | None) -> Tensor | None:
        """Return all examples' values, given those of this process's batches, or None if there are none."""
        if part is None:
            return None
        own = part.cpu()[: self.test.own_examples]
        # A slice would travel with all that it is cut from.
        return torch.cat(self.context.ranks.collect(own.clone() if self.context.ranks.size > 1 else own))

    def _images(self) -> Iterator[Tensor]:
        return (images for images, _ in self.test)

    def _passes_of(self, model: nn.Module) -> Passes:
        """Return what the latest network's predictions share."""
        if self._passes is None or self._passes[0] is not model:
            obstacles = [] if self.test.stay_in_place else ["the images stream from the disk"]
            if self.context.ranks.size > 1:
                obstacles.append("several processes share them")
            self._passes = model, Passes(Graphs.of(self.context, "passes of an evaluation", obstacles))
        return self._passes[1]

    def calibration_images(self) -> list[Tensor]:
        """Return the fixed handful of training images, in batches."""
        if self._calibration is None:
            images = torch.cat([images for images, _ in self.train.first_examples(CALIBRATION_EXAMPLES)])
            self._calibration = list(images.split(CALIBRATION_BATCH))
        return self._calibration
