from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datasets.augmentation import Augmentation, Normalization, crop, take

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def batch(count: int = 6, channels: int = 3, side: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, 256, (count, channels, side, side), generator=generator).to(torch.uint8)


@given(st.integers(1, 5), st.integers(1, 4), st.integers(1, 3), st.sampled_from(LAYOUTS), st.data())
def test_cropping_is_brute_forces(
    side: int, padding: int, channels: int, layout: torch.memory_format, data: st.DataObject
) -> None:
    images = batch(3, channels, side).contiguous(memory_format=layout)
    corners = st.lists(st.integers(0, 2 * padding), min_size=3, max_size=3)
    tops, lefts = data.draw(corners), data.draw(corners)
    cropped = crop(images, padding, torch.tensor(tops), torch.tensor(lefts))
    expected = torch.zeros_like(images)
    for n in range(3):
        for y in range(side):
            for x in range(side):
                row, column = y + tops[n] - padding, x + lefts[n] - padding
                if 0 <= row < side and 0 <= column < side:
                    expected[n, :, y, x] = images[n, :, row, column]
    assert torch.equal(cropped, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("channels", [1, 3])
def test_taking_and_augmenting_keep_the_layout_so_that_nothing_is_transposed_later(
    channels: int, layout: torch.memory_format
) -> None:
    images = batch(8, channels).contiguous(memory_format=layout)
    indices = torch.tensor([5, 0, 5])
    assert torch.equal(take(images, indices), images[indices])
    assert take(images, indices).is_contiguous(memory_format=layout)
    augmentation = Augmentation(flip=True, padding=4)
    augmented = augmentation.apply(images, augmentation.draw(8, torch.Generator().manual_seed(1)))
    assert augmented.is_contiguous(memory_format=layout)


@pytest.mark.parametrize("stored", LAYOUTS)
@pytest.mark.parametrize("memory_format", LAYOUTS)
def test_augmenting_and_normalising_is_torchvisions(
    memory_format: torch.memory_format, stored: torch.memory_format
) -> None:
    from torchvision.transforms import functional as tv

    images, augmentation = batch(64).contiguous(memory_format=stored), Augmentation(flip=True, padding=4)
    crops = augmentation.draw(64, torch.Generator().manual_seed(1))
    mean, std = (0.49, 0.48, 0.44), (0.2, 0.19, 0.21)
    augmented = augmentation.apply(images, crops)
    normalised = Normalization(mean, std, torch.device("cpu"), memory_format)(augmented)
    assert normalised.is_contiguous(memory_format=memory_format)
    for i, image in enumerate(images):
        expected = tv.crop(tv.pad(image, [4]), int(crops.tops[i]), int(crops.lefts[i]), 32, 32)
        expected = tv.hflip(expected) if crops.flips[i] else expected
        assert torch.equal(augmented[i], expected)
        torch.testing.assert_close(normalised[i], tv.normalize(expected / 255, list(mean), list(std)))


def test_the_parameters_have_torchvisions_distribution() -> None:
    crops = Augmentation(flip=True, padding=4).draw(90_000, torch.Generator().manual_seed(2))
    for corner in (crops.tops, crops.lefts):
        counts = torch.bincount(corner)
        assert len(counts) == 9
        assert (counts - 10_000).abs().max() < 500  # five standard deviations
    assert abs(float(crops.flips.float().mean()) - 0.5) < 0.01
    joint = torch.bincount(crops.tops * 18 + crops.lefts * 2 + crops.flips.long())
    assert len(joint) == 162 and (joint - 90_000 / 162).abs().max() < 130


def test_without_flip_and_padding_nothing_changes() -> None:
    augmentation = Augmentation(flip=False, padding=0)
    crops = augmentation.draw(6, torch.Generator().manual_seed(0))
    assert not crops.flips.any()
    assert torch.equal(augmentation.apply(batch(), crops), batch())


def test_no_flip_means_cropping_only() -> None:
    augmentation = Augmentation(flip=False, padding=4)
    crops = augmentation.draw(6, torch.Generator().manual_seed(0))
    assert torch.equal(augmentation.apply(batch(), crops), crop(batch(), 4, crops.tops, crops.lefts))


def test_a_border_is_black_before_normalisation() -> None:
    cropped = crop(batch(1), 4, torch.tensor([0]), torch.tensor([0]))
    normalised = Normalization((0.5,), (0.25,), torch.device("cpu"))(cropped)
    assert torch.all(normalised[:, :, :4] == -2)


def test_one_mean_serves_all_channels_and_sizes() -> None:
    normalise = Normalization((0.3,), (0.4,), torch.device("cpu"))
    for images in (batch(), batch(2, 1, 8), batch(2, 3, 8)):
        torch.testing.assert_close(normalise(images), (images / 255 - 0.3) / 0.4)
