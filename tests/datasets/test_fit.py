from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datasets.fit import ImageShape, fit_images, fitted_shape
from foundations.errors import InvalidValue


def image(channels: int, side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(side)
    return torch.randint(1, 256, (2, channels, side, side), generator=generator).to(torch.uint8)


@pytest.mark.parametrize("wanted", [(3, 32, 32), (None, 32, 32), (None, None, None), None])
def test_what_fits_already_passes(wanted: ImageShape | None) -> None:
    images = image(3, 32)
    assert fit_images(images, wanted, "cifar10", "net") is images


def test_28_becomes_32_by_a_black_border() -> None:
    fitted = fit_images(image(1, 28), (1, 32, 32), "mnist", "net")
    assert torch.equal(fitted[:, :, 2:-2, 2:-2], image(1, 28))
    assert int(fitted.sum()) == int(image(1, 28).sum())


@pytest.mark.parametrize("side", [28, 32])
def test_8_is_enlarged(side: int) -> None:
    fitted = fit_images(image(1, 8), (1, side, side), "digits", "net")
    assert fitted.shape == (2, 1, side, side) and fitted.dtype == torch.uint8
    assert abs(float(fitted.float().mean()) - float(image(1, 8).float().mean())) < 8


@pytest.mark.parametrize("side", [8, 28])
def test_one_channel_becomes_three_equal_ones(side: int) -> None:
    fitted = fit_images(image(1, side), (3, 32, 32), "mnist", "net")
    assert fitted.shape == (2, 3, 32, 32)
    assert torch.equal(fitted[:, 0], fitted[:, 1]) and torch.equal(fitted[:, 0], fitted[:, 2])


def test_a_misfit_is_told_in_one_line() -> None:
    with pytest.raises(InvalidValue) as caught:
        fitted_shape((3, 32, 32), (1, 28, 28), "cifar10", "mnist_lenet_300_100")
    assert caught.value.field == "dataset_name"
    assert str(caught.value) == (
        "--dataset_name=cifar10: its images of 3x32x32 do not fit mnist_lenet_300_100, a network that takes 1x28x28"
    )


@pytest.mark.parametrize("wanted", [(3, 28, 28), (1, 32, 32), (3, 224, 224), (3, 32, 28)])
def test_colour_and_big_images_are_not_forced(wanted: ImageShape) -> None:
    with pytest.raises(InvalidValue):
        fit_images(image(3, 32), wanted, "cifar10", "net")


sides = st.sampled_from([None, 8, 28, 32, 224])


@given(st.sampled_from([1, 3]), st.sampled_from([8, 28, 32]), st.sampled_from([None, 1, 3]), sides, sides)
def test_shapes_alone_tell_what_images_become(
    c: int, side: int, wc: int | None, wh: int | None, ww: int | None
) -> None:
    images = image(c, side)
    try:
        shape = fitted_shape((c, side, side), (wc, wh, ww), "d", "m")
    except InvalidValue:
        with pytest.raises(InvalidValue):
            fit_images(images, (wc, wh, ww), "d", "m")
    else:
        assert tuple(fit_images(images, (wc, wh, ww), "d", "m").shape[1:]) == shape
