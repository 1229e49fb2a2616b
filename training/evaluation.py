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
        return measure(*self.predict(model, step, occasion))

    def predict(self, model: nn.Module, step: Step, occasion: str = "") -> tuple[Tensor, Tensor]:
        """Return the log of the predictive distribution, (N, classes), and the labels, (N,), both on the CPU.

        All processes predict with the statistics of the first one's network, and have the whole result.
        """
        self.ranks.send_tensors(dict(model.named_buffers()))
        log_probabilities = self.variant.log_probabilities(
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
        own = slice(0, self.test.own_examples)
        mine = log_probabilities.cpu()[own], self._labels.cpu()[own]
        # A slice would travel with all that it is cut from.
        parts = self.ranks.collect(tuple(one.clone() for one in mine) if self.ranks.size > 1 else mine)
        return torch.cat([predicted for predicted, _ in parts]), torch.cat([labels for _, labels in parts])

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
