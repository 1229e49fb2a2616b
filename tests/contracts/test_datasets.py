"""What every registered data set must keep: the images that it states, from files in their true layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from datasets import DatasetHparams, dataset_names, find_source, iterations_per_epoch, load_test, load_train
from foundations.context import RunContext
from foundations.randomness import RandomStreams

BATCH = 3


@pytest.mark.parametrize("name", dataset_names())
def test_its_batches_hold_what_it_states(
    name: str, dataset_root: Path, counts: dict[str, tuple[int, int]], tmp_path: Path
) -> None:
    context, source = RunContext(tmp_path, dataset_root), find_source(name)
    hparams = DatasetHparams(dataset_name=name, batch_size=BATCH)
    train = load_train(hparams, None, "any network", RandomStreams(1), context)
    test = load_test(hparams, None, "any network", context)
    assert train.num_classes == test.num_classes == source.num_classes
    assert train.iterations_per_epoch == iterations_per_epoch(hparams)
    for batches, count in zip((list(train.epoch(0)), list(test)), counts[name], strict=True):
        assert sum(len(labels) for _, labels in batches) == count
        for images, labels in batches:
            assert images.shape == (len(labels), *source.image_shape) and images.dtype == torch.float32
            assert bool(images.isfinite().all()) and labels.dtype == torch.int64
            assert int(labels.min()) >= 0 and int(labels.max()) < source.num_classes


@pytest.mark.parametrize("name", dataset_names())
def test_its_epochs_are_in_orders_of_their_own_and_the_same_every_time(
    name: str, dataset_root: Path, tmp_path: Path
) -> None:
    def labels(epoch: int) -> list[int]:
        hparams = DatasetHparams(dataset_name=name, batch_size=BATCH)
        train = load_train(hparams, None, "any network", RandomStreams(1), RunContext(tmp_path, dataset_root))
        return torch.cat([labels for _, labels in train.epoch(epoch)]).tolist()

    assert labels(0) == labels(0) and sorted(labels(0)) == sorted(labels(1))
    assert any(labels(0) != labels(epoch) for epoch in range(1, 6))
