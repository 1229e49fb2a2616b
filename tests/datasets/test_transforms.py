from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datasets.hparams import portion
from datasets.source import LabelledImages
from datasets.transforms import blur, draw_turns, randomize_labels, rotate, rotation_task, subsample


def numbered(count: int) -> LabelledImages:
    images = torch.arange(count * 48).view(count, 3, 4, 4).remainder(251).to(torch.uint8)
    return LabelledImages(images, torch.arange(count))


@given(st.integers(1, 500), st.floats(0, 1, exclude_min=True), st.integers(0, 2**32 - 2))
def test_a_subsample_is_openlths(count: int, fraction: float, seed: int) -> None:
    chosen = np.random.RandomState(seed + 1).permutation(count)[: int(np.ceil(count * fraction))]
    kept = subsample(numbered(count), fraction, seed)
    assert kept.labels.tolist() == chosen.tolist()
    assert torch.equal(kept.images, numbered(count).images[torch.from_numpy(chosen)])
    assert len(kept) == portion(count, fraction) == math.ceil(count * fraction) >= 1


def test_no_fraction_is_everything() -> None:
    assert portion(53, None) == portion(53, 1.0) == 53


@given(st.integers(1, 200), st.floats(0, 1), st.integers(0, 1000))
def test_random_labels_are_openlths_and_the_others_stay(count: int, fraction: float, seed: int) -> None:
    before = LabelledImages(torch.zeros(count, 1, 2, 2, dtype=torch.uint8), torch.full((count,), 99))
    after = randomize_labels(before, fraction, 10, seed)
    k = math.ceil(count * fraction)
    expected = np.full(count, 99)
    expected[np.random.RandomState(seed + 1).permutation(count)[:k]] = np.random.RandomState(seed).randint(10, size=k)
    assert after.labels.tolist() == expected.tolist()
    assert after.labels.dtype == torch.int64
    assert before.labels.tolist() == [99] * count


@pytest.mark.parametrize("quarters", range(4))
def test_an_image_is_turned_by_exactly_its_label(quarters: int) -> None:
    images = numbered(5).images
    turned = rotate(images, torch.full((5,), quarters))
    for before, after in zip(images, turned, strict=True):
        assert np.array_equal(after.numpy(), np.rot90(before.numpy(), quarters, axes=(1, 2)))


def test_the_rotation_task_turns_each_image_by_its_own_label() -> None:
    before = numbered(40)
    after = rotation_task(before, torch.Generator().manual_seed(3))
    assert torch.equal(after.labels, draw_turns(40, torch.Generator().manual_seed(3)))
    assert set(after.labels.tolist()) == {0, 1, 2, 3}
    for i, quarters in enumerate(after.labels.tolist()):
        assert np.array_equal(after.images[i].numpy(), np.rot90(before.images[i].numpy(), quarters, axes=(1, 2)))


def test_blurring_keeps_shape_and_mean_and_removes_detail() -> None:
    checkerboard = ((torch.arange(32)[:, None] + torch.arange(32)) % 2 * 200).to(torch.uint8).expand(7, 3, 32, 32)
    blurred = blur(checkerboard, 4)
    assert blurred.shape == checkerboard.shape and blurred.dtype == torch.uint8
    assert abs(float(blurred.float().mean()) - 100) < 2
    assert float(blurred.float().std()) < 10 < float(checkerboard.float().std())


def test_blurring_is_what_torchvision_does_to_a_single_image() -> None:
    from torchvision.transforms.functional import InterpolationMode, resize

    image = torch.randint(256, (1, 3, 32, 32), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    small = resize(image, [8, 8], InterpolationMode.BILINEAR, antialias=True)
    large = resize(small, [32, 32], InterpolationMode.BILINEAR, antialias=True)
    assert (blur(image, 4).int() - large.int()).abs().max() <= 1


def test_blurring_at_its_limits() -> None:
    image = numbered(2).images
    assert torch.equal(blur(image, 1), image)
    assert all(len(channel.unique()) == 1 for channel in blur(image, 1000).flatten(0, 1))
