"""Test sets beside a data set's own: shifted ones, and such that are out of its distribution."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from datasets.build import input_shape, load_examples, load_other_test, num_classes
from datasets.build_evaluation import evaluation_loader
from datasets.cifar_c import DATA_SETS as OF_CIFAR_C
from datasets.cifar_c import corruptions_there, load_cifar_c
from datasets.corruptions import CORRUPTIONS, corrupt
from datasets.fit import ImageShape, bring_to_shape
from datasets.hparams import DatasetHparams
from datasets.loader import EvaluationLoader
from datasets.ood import OOD_CHANGES, check_ood
from datasets.source import DATASETS, STREAMED_DATASETS, LabelledImages
from foundations.context import RunContext
from foundations.errors import InvalidValue, one_of

ALL = "all"


def shift_names(dataset_name: str) -> list[str]:
    """Return what `--shift` can name for a data set; `all` stands for every corruption that is made here."""
    published = [name for name, of in OF_CIFAR_C.items() if of == dataset_name]
    return [ALL, *CORRUPTIONS.names(), *published]


@dataclass(frozen=True)
class ExtraTests:
    """The test sets beside a run's own, as its network takes them.

    Args:
        image_shape: the (C, H, W) the network takes; None, whole or in part, means anything.
        model_name: the network's name, for messages.
        memory_format: the layout of the images.

    Raises:
        InvalidValue: if the images do not fit the network, or are too many for memory.
    """

    hparams: DatasetHparams
    image_shape: ImageShape | None
    model_name: str
    context: RunContext
    memory_format: torch.memory_format = torch.contiguous_format

    def __post_init__(self) -> None:
        input_shape(self.hparams, self.image_shape, self.model_name)

    def shifts(self, names: Iterable[str]) -> list[str]:
        """Return the shifts that names stand for, each once: corruptions, or files as in `cifar10_c/fog`.

        Raises:
            InvalidValue: if there is no such shift of this data set.
            UserError: if files are not there.
        """
        valid, found = shift_names(self.hparams.dataset_name), list[str]()
        for name in names:
            self._check_in_memory("shift")
            if name not in valid:
                raise InvalidValue("shift", name, one_of(valid))
            if name in OF_CIFAR_C:
                found += [f"{name}/{own}" for own in corruptions_there(name, self.context.dataset_root)]
            else:
                found += CORRUPTIONS.names() if name == ALL else [name]
        return list(dict.fromkeys(found))

    def ood(self, names: Iterable[str]) -> list[str]:
        """Return the names of what is out of distribution, each once.

        Raises:
            InvalidValue: if one is of nothing that is.
        """
        found = list(dict.fromkeys(names))
        for name in found:
            self._check_in_memory("ood")
            check_ood(name, self.hparams.dataset_name)
        return found

    def shifted(self, shift: str, severity: int) -> EvaluationLoader:
        """Return the test examples under one of the `shifts`.

        Args:
            severity: 1 to 5.

        Raises:
            UserError: if files are not there, or damaged.
        """
        name, _, corruption = shift.partition("/")
        if corruption:
            root, count = self.context.dataset_root, self.hparams.source.num_test
            return self._batches(load_cifar_c(name, corruption, severity, root, count))
        return self._batches(LabelledImages(corrupt(self._own.images, shift, severity), self._own.labels))

    def out_of_distribution(self, name: str) -> EvaluationLoader:
        """Return test images that are out of distribution; their labels mean nothing.

        Args:
            name: another data set, or a change of the test images.

        Raises:
            InvalidValue: if there is neither.
            UserError: if the data are not there and cannot be had, or are damaged.
        """
        self._check_in_memory("ood")
        check_ood(name, self.hparams.dataset_name)
        if name in OOD_CHANGES:
            images = OOD_CHANGES.get(name)(self._own.images)
        else:
            images = load_other_test(name, self.context).images.to(self.context.device)
        images = bring_to_shape(images, self.hparams.image_shape)
        return self._batches(LabelledImages(images, images.new_zeros(len(images), dtype=torch.int64)))

    def of_data_set(self, name: str) -> EvaluationLoader:
        """Return the test examples of another data set, brought to what the network takes as its own images are.

        Raises:
            InvalidValue: if there is no such data set, or it has another number of classes.
            UserError: if the data are not there and cannot be had, or are damaged.
        """
        self.check_same_classes(name)
        examples = load_other_test(name, self.context).to(self.context.device)
        images = bring_to_shape(examples.images, self.hparams.image_shape)
        return self._batches(LabelledImages(images, examples.labels))

    def check_same_classes(self, name: str) -> None:
        """Check that another data set can be measured in the place of the network's own.

        Raises:
            InvalidValue: if there is no such data set, or it has another number of classes.
        """
        self._check_in_memory("on")
        classes = num_classes(self.hparams)
        fitting = [one for one, source in DATASETS.items() if source().num_classes == classes]
        if name not in fitting:
            raise InvalidValue("on", name, one_of(fitting, name))

    @functools.cached_property
    def _own(self) -> LabelledImages:
        return load_examples(self.hparams, self.context, train=False).to(self.context.device)

    def _batches(self, examples: LabelledImages) -> EvaluationLoader:
        return evaluation_loader(
            examples, self.hparams, self.image_shape, self.model_name, self.context, memory_format=self.memory_format
        )

    def _check_in_memory(self, flag: str) -> None:
        if self.hparams.dataset_name in STREAMED_DATASETS:
            raise InvalidValue(flag, self.hparams.dataset_name, "its images are read one by one, and are not changed")
