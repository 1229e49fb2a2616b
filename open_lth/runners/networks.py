"""The networks that an evaluation measures: one, or an ensemble."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from datasets import EvaluationLoader, ExtraTests
from open_lth.runners.assessment import SHIFT, TEST, VALIDATION, Examples
from training import Evaluator, Prediction, TrainingRun, average, place


class Networks:
    """Networks of one experiment, whose predictions are averaged; each predicts as it does alone.

    Args:
        runs: one for each network, on the same processes.
        models: the networks; the leader's are given to all processes.
        on: the data set whose test examples stand for the networks' own; if empty, these.
    """

    def __init__(self, runs: tuple[TrainingRun, ...], models: tuple[nn.Module, ...], on: str = "") -> None:
        self._run, self._ranks = runs[0], runs[0].context.ranks
        for model in models:
            self._ranks.send_tensors(model.state_dict())
        self._members = [(place(model, run.context), run.end) for run, model in zip(runs, models, strict=True)]
        # The data lie on the device once, whatever the number of networks.
        first = self._ranks.leader_first(runs[0].evaluator)
        if on:
            first = first.on(self._ranks.leader_first(lambda: self._extra_tests.of_data_set(on)))
        others = [replace(first, variant=run.variant, streams=run.streams) for run in runs[1:]]
        self._evaluators = {Examples(TEST): [first, *others]}

    @property
    def has_validation(self) -> bool:
        """Whether some of the training examples were held out."""
        return self._run.dataset_hparams.validation_fraction is not None

    def predict(self, examples: Examples, occasion: str) -> tuple[Prediction, Tensor]:
        """Return what is predicted for some examples, and their labels, on all processes of the run.

        Args:
            occasion: the same one draws the same weights, whatever the examples.
        """
        labels: list[Tensor] = []

        def predictions() -> Iterator[Prediction]:
            for (model, step), evaluator in zip(self._members, self._evaluators_of(examples), strict=True):
                predicted, found = evaluator.predict(model, step, occasion)
                labels.append(found)
                yield predicted

        return average(predictions()), labels[0]

    def _evaluators_of(self, examples: Examples) -> list[Evaluator]:
        """Return what predicts examples, for each network.

        Shifted examples and those out of distribution are kept until others are asked for, with what is captured of
        passes over them.
        """
        if examples not in self._evaluators:
            own = {kept: found for kept, found in self._evaluators.items() if kept.kind in (TEST, VALIDATION)}
            loaded = self._ranks.leader_first(lambda: self._load(examples))
            self._evaluators = {**own, examples: [one.on(loaded) for one in own[Examples(TEST)]]}
        return self._evaluators[examples]

    def _load(self, examples: Examples) -> EvaluationLoader:
        if examples.kind == VALIDATION:
            return self._run.validation_examples()
        if examples.kind == SHIFT:
            return self._extra_tests.shifted(examples.name, examples.severity)
        return self._extra_tests.out_of_distribution(examples.name)

    @functools.cached_property
    def _extra_tests(self) -> ExtraTests:
        return self._run.extra_tests()
