"""Batches that come from memory that stays where it is, in the order that the device knows by itself."""

from __future__ import annotations

import pytest
import torch

from datasets.augmentation import Augmentation, Normalization
from datasets.batches import Batch, DeviceBatches, DeviceExamples
from datasets.epoch_streams import EpochStreams
from foundations.randomness import RandomStreams
from foundations.ranks import Ranks

COUNT, BATCH = 23, 5
CPU = torch.device("cpu")


def examples() -> DeviceExamples:
    images = torch.randint(256, (COUNT, 3, 8, 8), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    return DeviceExamples(images, torch.arange(COUNT), Normalization((0.0,), (1.0,), CPU), Augmentation(True, 2))


def batches(ranks: Ranks | None = None) -> DeviceBatches:
    return DeviceBatches(examples(), BATCH, EpochStreams(RandomStreams(1)), ranks or Ranks())


def size(iteration: int) -> int:
    return min(BATCH, COUNT - BATCH * iteration)


def taken(made: DeviceBatches, epoch: int, *iterations: int) -> list[Batch]:
    found = []
    for iteration in iterations:
        made.make_ready(epoch, iteration)
        found.append(made.take(size(iteration)))
    return found


def same(one: list[Batch], other: list[Batch]) -> bool:
    return all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(one, other, strict=True))


@pytest.mark.parametrize("first", [1, 3, 4])
def test_any_iteration_can_be_the_first_or_come_after_any_other(first: int) -> None:
    whole = taken(batches(), 2, *range(5))
    assert same(taken(batches(), 2, *range(first, 5)), whole[first:])
    made = batches()
    taken(made, 0, 0, 1)
    assert same(taken(made, 2, first), whole[first : first + 1])
    assert same(taken(made, 2, 0, 1), whole[:2])


def test_between_the_batches_of_an_epoch_the_host_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, made = taken(batches(), 1, *range(5)), batches()
    first = taken(made, 1, 0)
    monkeypatch.setattr(torch.Tensor, "fill_", lambda *_: pytest.fail("the host told the device the iteration"))
    monkeypatch.setattr(torch.Tensor, "copy_", lambda *_: pytest.fail("the host moved numbers to the device"))
    assert same(first + taken(made, 1, 1, 2, 3, 4), whole)


def test_an_epoch_is_read_out_of_the_same_memory_as_the_one_before() -> None:
    made = batches()
    read: list[set[int]] = []
    for epoch in (0, 1):
        with _StoragesRead() as found:
            taken(made, epoch, 1)
        read.append(found.storages & _lasting(made))
    assert read[0] == read[1] and len(read[0]) >= 5  # bytes, labels, order, position, crops and flips


class _StoragesRead(torch.utils._python_dispatch.TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.storages: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.storages |= {one.untyped_storage().data_ptr() for one in args if isinstance(one, torch.Tensor)}
        return function(*args, **(kwargs or {}))


def _lasting(made: DeviceBatches) -> set[int]:
    crops = made._crops
    assert crops is not None
    tensors = (made._examples.images, made._examples.labels, made._order, made._position, made._within_batch)
    every = (*tensors, crops.tops, crops.lefts, crops.flips)
    return {one.untyped_storage().data_ptr() for one in every}


def test_processes_share_a_batch_and_each_augments_as_one_alone_would() -> None:
    whole = taken(batches(), 3, *range(5))
    parts = [taken(batches(Ranks(number, 2)), 3, *range(5)) for number in (0, 1)]
    joined = [tuple(torch.cat(both) for both in zip(*pair, strict=True)) for pair in zip(*parts, strict=True)]
    assert same(joined, whole)  # type: ignore[arg-type]
