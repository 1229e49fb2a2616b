from __future__ import annotations

import pytest
import torch

from datasets.augmentation import Augmentation, Normalization
from datasets.epoch_streams import EpochStreams
from datasets.loader import DeviceEvaluationLoader, DeviceLoader
from datasets.source import LabelledImages
from foundations.randomness import RandomStreams

COUNT = 53
CPU = torch.device("cpu")


def examples() -> LabelledImages:
    generator = torch.Generator().manual_seed(0)
    return LabelledImages(
        torch.randint(1, 256, (COUNT, 3, 8, 8), generator=generator).to(torch.uint8), torch.arange(COUNT)
    )


def loader(batch_size: int = 10, augment: bool = True, rotations: bool = False, **seeds: int | None) -> DeviceLoader:
    data = examples()
    return DeviceLoader(
        LabelledImages(data.images, data.labels % 4) if rotations else data,
        num_classes=COUNT,
        batch_size=batch_size,
        normalization=Normalization((0.0,), (1 / 255,), CPU),
        augmentation=Augmentation(flip=True, padding=2) if augment else None,
        seeds=EpochStreams(RandomStreams(seeds.pop("replicate", 1) or 1, seeds.pop("level", 0) or 0), **seeds),
        rotations=rotations,
    )


def by_example(made: DeviceLoader, epoch: int, first: int = 0) -> dict[int, torch.Tensor]:
    return {int(label): x for xs, ys in made.epoch(epoch, first) for x, label in zip(xs, ys, strict=True)}


def labels(made: DeviceLoader, epoch: int) -> list[int]:
    return [int(label) for _, ys in made.epoch(epoch) for label in ys]


def test_an_epoch_holds_every_example_once_in_batches() -> None:
    made = loader()
    batches = list(made.epoch(0))
    assert [len(x) for x, _ in batches] == [len(y) for _, y in batches] == [10, 10, 10, 10, 10, 3]
    assert made.iterations_per_epoch == len(batches) and made.num_examples == COUNT
    assert all(x.dtype == torch.float32 and y.dtype == torch.int64 for x, y in batches)
    assert sorted(labels(made, 0)) == list(range(COUNT)) != labels(made, 0)


def test_epochs_replicates_and_levels_differ_and_repeat() -> None:
    orders = [labels(loader(replicate=r, level=k), e) for r in (1, 2) for k in (0, 1) for e in (0, 1)]
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])
    assert orders[0] == labels(loader(), 0)


@pytest.mark.parametrize("first", [1, 3, 5, 6])
def test_resuming_sees_what_the_whole_epoch_shows(first: int) -> None:
    made = loader()
    whole, rest = list(made.epoch(4))[first:], list(made.epoch(4, first))
    assert len(whole) == len(rest) == 6 - first
    assert all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(whole, rest, strict=True))


def test_an_image_is_augmented_alike_in_batches_of_any_size() -> None:
    small, large = by_example(loader(3), 2), by_example(loader(53), 2)
    assert all(torch.equal(small[i], large[i]) for i in range(COUNT))
    other = by_example(loader(3), 3)
    assert sum(not torch.equal(small[i], other[i]) for i in range(COUNT)) > COUNT // 2


def test_data_order_seed_rules_the_order_alone() -> None:
    orders = [labels(loader(replicate=r, data_order_seed=7), 1) for r in (1, 2)]
    assert orders[0] == orders[1] != labels(loader(data_order_seed=8), 1)
    assert orders[0] != labels(loader(data_order_seed=7), 2)
    one, two = (by_example(loader(replicate=r, data_order_seed=7), 1) for r in (1, 2))
    assert any(not torch.equal(one[i], two[i]) for i in range(COUNT))


def test_transformation_seed_rules_augmentation_alone() -> None:
    one, two = (by_example(loader(replicate=r, transformation_seed=0), 1) for r in (1, 2))
    assert all(torch.equal(one[i], two[i]) for i in range(COUNT))
    assert labels(loader(replicate=1, transformation_seed=0), 1) != labels(
        loader(replicate=2, transformation_seed=0), 1
    )


def test_without_augmentation_images_come_as_they_are() -> None:
    assert all(
        torch.equal(x.to(torch.uint8), examples().images[i]) for i, x in by_example(loader(augment=False), 0).items()
    )


def test_the_default_generator_is_left_alone() -> None:
    before = torch.random.get_rng_state()
    list(loader().epoch(0))
    list(loader().first_examples(9))
    assert torch.equal(before, torch.random.get_rng_state())


def test_first_examples_are_the_same_ones_always_and_not_augmented() -> None:
    made = loader()
    batches = list(made.first_examples(25))
    assert [len(y) for _, y in batches] == [10, 10, 5]
    again = [int(i) for _, y in loader(4, replicate=3, level=2).first_examples(25) for i in y]
    assert [int(i) for _, y in batches for i in y] == again != list(range(25))
    assert all(torch.equal(x.to(torch.uint8), examples().images[y]) for x, y in batches)
    assert sum(len(y) for _, y in made.first_examples(1000)) == COUNT


def test_images_are_turned_after_they_are_mirrored() -> None:
    turned, upright = loader(rotations=True), loader()
    assert turned.num_classes == 4
    for (x, y), (plain, which) in zip(turned.epoch(0), upright.epoch(0), strict=True):
        assert torch.equal(y, which % 4)
        for image, quarters, before in zip(x, y.tolist(), plain, strict=True):
            assert torch.equal(image, before.rot90(quarters, (1, 2)))


@pytest.mark.parametrize("batch_size", [1, 7, 53, 1000])
def test_evaluation_goes_through_everything_in_order(batch_size: int) -> None:
    made = DeviceEvaluationLoader(
        examples(), num_classes=COUNT, batch_size=batch_size, normalization=Normalization((0.0,), (1 / 255,), CPU)
    )
    for _ in range(2):
        images, order = (torch.cat(parts) for parts in zip(*made, strict=True))
        assert torch.equal(order, torch.arange(COUNT)) and torch.equal(images.to(torch.uint8), examples().images)
        assert torch.equal(made.labels, order)


def test_images_are_not_turned_into_pil(monkeypatch: pytest.MonkeyPatch) -> None:
    import PIL.Image

    monkeypatch.setattr(PIL.Image, "fromarray", lambda *_: pytest.fail("an image went through PIL"))
    assert len(list(loader().epoch(0))) == 6
