"""How good a network is on a data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from datasets import EvaluationLoader, Loader
from foundations.randomness import RandomStreams
from foundations.ranks import Ranks
from foundations.step import Step
from training.measures import measure
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
        ranks: the processes that share the test images.
    """

    variant: ModelVariant
    test: EvaluationLoader
    train: Loader
    streams: RandomStreams
    precision: Precision
    ranks: Ranks = field(default_factory=Ranks)
    _calibration: list[Tensor] | None = field(default=None, init=False)
    _labels: Tensor | None = field(default=None, init=False)

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
        self.ranks.send_tensors(dict(model.named_buffers()))
        prediction = self.variant.predict(
            model,
            PredictionRequest(
                images=self._images,
                calibration=self._calibration_images,
                streams=self.streams,
                occasion=f"{step.iteration}/{occasion}",
                precision=self.precision,
            ),
        )
        assert self._labels is not None
        mine = (prediction.log_probabilities, prediction.sample_entropies, self._labels)
        log_probabilities, sample_entropies, labels = (self._of_all_ranks(part) for part in mine)
        assert log_probabilities is not None and labels is not None
        return Prediction(log_probabilities, sample_entropies), labels

    def _of_all_ranks(self, part: Tensor | None) -> Tensor | None:
        """Return all examples' values, given those of this process's batches, or None if there are none."""
        if part is None:
            return None
        own = part.cpu()[: self.test.own_examples]
        # A slice would travel with all that it is cut from.
        return torch.cat(self.ranks.collect(own.clone() if self.ranks.size > 1 else own))

    def _images(self) -> Iterator[Tensor]:
        """Iterate over the test images; the labels that come with them are kept."""
        labels = []
        for images, batch_labels in self.test:
            labels.append(batch_labels)
            yield images
        self._labels = torch.cat(labels)

    def _calibration_images(self) -> list[Tensor]:
        if self._calibration is None:
            images = torch.cat([images for images, _ in self.train.first_examples(CALIBRATION_EXAMPLES)])
            self._calibration = list(images.split(CALIBRATION_BATCH))
        return self._calibration
