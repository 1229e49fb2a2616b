"""Corruptions against formulas, and what holds for each of them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from datasets import CORRUPTIONS, SEVERITIES, register_corruption
from datasets.corruptions import _CHUNK, corrupt
from datasets.sources.digits import Digits
from datasets.transforms import resize
from foundations.errors import InvalidValue

EACH = pytest.mark.parametrize("name", CORRUPTIONS.names())


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    """A hundred digits, enlarged, in three colours."""
    digits = resize(Digits().load(Path(), train=False).images[:100], 28, 28)
    return torch.cat([digits, digits // 2, 255 - digits], dim=1)


def grey(value: int, count: int = 1, channels: int = 1, side: int = 32) -> torch.Tensor:
    return torch.full((count, channels, side, side), value, dtype=torch.uint8)


def dot(row: int, column: int, side: int = 33) -> torch.Tensor:
    image = torch.zeros(1, 1, side, side, dtype=torch.uint8)
    image[0, 0, row, column] = 255
    return image


@EACH
def test_the_severer_the_farther_from_the_image(name, images):
    distances = [float((corrupt(images, name, s).float() - images.float()).square().mean()) for s in SEVERITIES]
    assert distances == sorted(distances)
    assert 0 < distances[0] < 0.8 * distances[-1]


@EACH
@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (2, 1, 28, 28), (2, 3, 32, 32), (2, 3, 20, 30), (1, 1, 3, 3)])
def test_bytes_of_any_shape_stay_bytes_of_that_shape(name, shape):
    before = torch.randint(256, shape, generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    given = before.clone()
    for severity in SEVERITIES:
        after = corrupt(before, name, severity)
        assert after.shape == shape and after.dtype == torch.uint8
    assert before.equal(given)


@EACH
def test_the_same_images_every_time_and_whatever_comes_after_them(name, images):
    torch.manual_seed(0)
    first = corrupt(images, name, 3)
    torch.manual_seed(1)
    assert corrupt(images, name, 3).equal(first)
    assert corrupt(images.to(memory_format=torch.channels_last), name, 3).equal(first)
    many = images[:, :1, :8, :8].repeat(_CHUNK // 100 + 1, 1, 1, 1)
    alone = corrupt(many[:_CHUNK], name, 3)
    assert corrupt(torch.cat([many[:_CHUNK], many[:10]]), name, 3)[:_CHUNK].equal(alone)


def test_noise_has_its_standard_deviation_and_is_independent_everywhere():
    for severity, std in zip(SEVERITIES, (0.04, 0.08, 0.12, 0.18, 0.26), strict=True):
        noise = corrupt(grey(128, 40, 3), "gaussian_noise", severity).double() / 255 - 128 / 255
        if severity < 5:  # where black and white cut it off
            assert float(noise.std()) == pytest.approx(std, rel=0.02)
        assert float(noise.mean()) == pytest.approx(0, abs=0.01)
        flat = noise.reshape(120, -1)
        correlations = torch.corrcoef(flat) - torch.eye(120)
        assert float(correlations.abs().max()) < 0.2


def test_severities_have_noise_of_their_own():
    mild, severe = (corrupt(grey(128, 4), "gaussian_noise", severity).double() - 128 for severity in (1, 2))
    assert abs(float(torch.corrcoef(torch.stack([mild.flatten(), severe.flatten()]))[0, 1])) < 0.1


@pytest.mark.parametrize("severity, std", [(1, 0.5), (3, 1.0), (5, 2.0)])
def test_a_dot_blurs_into_a_gaussian(severity, std):
    std = std * 33 / 32
    blurred = corrupt(dot(16, 16), "blur", severity)[0, 0].double()
    offsets = torch.arange(33) - 16.0
    bell = torch.exp(-offsets.square() / (2 * std**2)).double()
    bell = bell / bell.sum()
    assert float((blurred - 255 * bell[:, None] * bell).abs().max()) <= 1.5


def test_contrast_shrinks_about_each_channels_mean():
    image = torch.zeros(1, 2, 4, 4, dtype=torch.uint8)
    image[:, 0, :, :2], image[:, 1, :2] = 200, 100
    shrunk = corrupt(image, "contrast", 2)  # by one half
    assert shrunk[0, 0].unique().tolist() == [50, 150]
    assert shrunk[0, 1].unique().tolist() == [25, 75]


def test_brightness_adds_and_ends_at_white():
    brighter = [float(corrupt(grey(150), "brightness", severity).double().mean()) for severity in SEVERITIES]
    assert brighter == pytest.approx([min(255, 150 + 25.5 * severity) for severity in SEVERITIES], abs=0.5)


def test_pixelation_shows_the_means_of_areas_as_blocks():
    image = torch.randint(256, (1, 1, 20, 20), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    blocks = corrupt(image, "pixelation", 2)[0, 0].view(10, 2, 10, 2)  # half of the pixels of a side are left
    means = image[0, 0].double().view(10, 2, 10, 2).mean(dim=(1, 3))
    assert float((blocks - means[:, None, :, None]).abs().max()) <= 0.5


def blocks_of_a_side(side: int) -> list[int]:
    """Return how many blocks a side has at each severity, in an image whose columns all differ."""
    image = torch.linspace(0, 255, side).to(torch.uint8).expand(1, 1, side, side)
    return [len(corrupt(image, "pixelation", severity)[0, 0, 0].unique()) for severity in SEVERITIES]


@pytest.mark.parametrize(
    "side, blocks",
    [
        (32, [21, 16, 13, 10, 6]),
        (28, [18, 14, 11, 8, 6]),
        (10, [6, 5, 4, 3, 2]),
        (8, [5, 4, 3, 2, 1]),
        (3, [2, 1, 1, 1, 1]),
    ],
)
def test_pixelation_has_fewer_blocks_at_each_severity_as_long_as_there_are_two(side, blocks):
    assert blocks_of_a_side(side) == blocks


@pytest.mark.parametrize("severity, degrees", [(1, 10), (2, 20), (3, 30), (4, 45), (5, 60)])
def test_a_dot_on_the_right_rotates_upwards(severity, degrees):
    """About the centre (16, 16), from three o'clock."""
    turned = corrupt(dot(16, 28), "rotation", severity)[0, 0].double()
    rows, columns = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
    row, column = (float((place * turned).sum() / turned.sum()) for place in (rows, columns))
    assert row == pytest.approx(16 - 12 * math.sin(math.radians(degrees)), abs=0.3)
    assert column == pytest.approx(16 + 12 * math.cos(math.radians(degrees)), abs=0.3)


def test_rotation_leaves_the_corners_black():
    corners = corrupt(grey(200), "rotation", 4)[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.tolist() == [0, 0, 0, 0]


def test_what_does_not_exist_is_refused_with_what_does():
    with pytest.raises(InvalidValue, match="--shift=fog: valid values are gaussian_noise, blur"):
        corrupt(grey(1), "fog", 1)
    with pytest.raises(InvalidValue, match="severities are 1 to 5"):
        corrupt(grey(1), "blur", 6)


def test_a_corruption_has_five_strengths():
    with pytest.raises(ValueError, match="a corruption has 5 strengths, not 2"):
        register_corruption("fog", 0.1, 0.2)
