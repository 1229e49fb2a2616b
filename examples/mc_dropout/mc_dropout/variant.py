"""The variant: dropout is added to what a deterministic network is, and predictions average over passes."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from mc_dropout.dropout import add_dropout, default_generators_seeded
from mc_dropout.hparams import MC_DROPOUT, McDropoutHparams
from models import ModelHparams
from pruning import DETERMINISTIC
from training import ModelVariant, PredictionRequest


class McDropout(ModelVariant):
    """Networks with dropout that stays on in prediction: an approximate Bayesian posterior over the weights.

    Training needs nothing of its own. Its cross-entropy under one draw of dropout estimates the expectation in equation
    1, where `--weight_decay` stands for the prior; the training loop seeds torch's generators at every step, so a
    resumed run draws what it would have drawn.

    Source: Gal and Ghahramani, Dropout as a Bayesian Approximation (2016).
    """

    name = MC_DROPOUT
    description = "a network with MC dropout: units are dropped at random, in prediction as in training"
    hparams = McDropoutHparams
    # Every weight is a number: what prunes, shuffles or transplants deterministic networks fits these as well.
    weights_like = DETERMINISTIC

    def __init__(self, hparams: McDropoutHparams) -> None:
        self._hparams = hparams

    def describe(self) -> McDropoutHparams:
        """Return its hyperparameters, so that exported networks can be made again."""
        return self._hparams

    def build(self, hparams: ModelHparams, num_classes: int, seed: int) -> nn.Module:
        """Return the deterministic network of the same seed, with the same weights, and with dropout."""
        model = super().build(hparams, num_classes, seed)
        add_dropout(model, self._hparams.rate)
        return model

    def sample_log_probabilities(self, model: nn.Module, request: PredictionRequest) -> Iterator[Tensor]:
        """Yield the log of the class probabilities of T passes with draws of their own, for the average in equation 6.

        BatchNorm needs no care: its running averages were taken under dropout, and dropout is still on.
        """
        passes = self._hparams.samples if self._hparams.rate > 0 else 1  # without dropout they would all be the same
        for index in range(passes):
            # A named stream: equal commands draw equal numbers, and another evaluation (`occasion`) draws others.
            seed = request.streams.seed("mc_dropout", request.occasion, index)
            with default_generators_seeded(seed, next(model.parameters()).device):
                [found] = super().sample_log_probabilities(model, request)
            yield found
