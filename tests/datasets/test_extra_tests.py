"""Shifted test sets and such that are out of distribution, as a network gets them."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch

from datasets import CORRUPTIONS, OOD_CHANGES, DatasetHparams, ExtraTests, LabelledImages
from datasets.corruptions import corrupt
from datasets.sources.cifar import Cifar10
from datasets.sources.digits import Digits
from datasets.sources.idx import Mnist
from foundations.context import RunContext
from foundations.errors import InvalidValue
from tests.datasets.sources import test_idx
from tests.datasets.test_cifar_c import write

Examples = dict[bool, LabelledImages]
SHAPE = (3, 32, 32)


def extra_of(context: RunContext, shape: tuple[int, int, int] = SHAPE, **changes: object) -> ExtraTests:
    hparams = DatasetHparams(**{"dataset_name": "cifar10", "batch_size": 10, **changes})
    return ExtraTests(hparams, shape, "net", context)


def together(batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)


def normalised(images: torch.Tensor, source: type = Cifar10) -> torch.Tensor:
    mean, std = (torch.tensor(values).view(1, -1, 1, 1) for values in (source.mean, source.std))
    return (images / 255 - mean) / std


def test_shifted_images_are_the_corrupted_test_images_with_their_labels(context, small_cifar10: Examples):
    for shift in CORRUPTIONS.names():
        for severity in (1, 5):
            images, labels = together(extra_of(context).shifted(shift, severity))
            torch.testing.assert_close(images, normalised(corrupt(small_cifar10[False].images, shift, severity)))
            assert labels.equal(small_cifar10[False].labels)


def test_all_stands_for_every_corruption_that_is_made_here(context, small_cifar10: Examples):
    extra = extra_of(context)
    assert extra.shifts(["all"]) == CORRUPTIONS.names()
    assert extra.shifts(["blur", "all", "blur"]) == ["blur", *(n for n in CORRUPTIONS.names() if n != "blur")]
    with pytest.raises(InvalidValue, match=r"--shift=fog: valid values are all, gaussian_noise, .*, cifar10_c$"):
        extra.shifts(["fog"])


def test_published_corruptions_are_read_and_not_made(context, small_cifar10: Examples):
    made = write(context.dataset_root / "CIFAR-10-C")
    extra = extra_of(context)
    assert extra.shifts(["cifar10_c"]) == ["cifar10_c/fog", "cifar10_c/snow"]
    images, labels = together(extra.shifted("cifar10_c/fog", 2))
    torch.testing.assert_close(images, normalised(torch.from_numpy(made["fog"][17:34]).permute(0, 3, 1, 2)))
    assert labels.tolist() == made["labels"][:17].tolist()


def test_published_corruptions_are_of_one_data_set(context):
    with pytest.raises(InvalidValue, match="--shift=cifar10_c: valid values are all, gaussian_noise"):
        extra_of(context, (1, 28, 28), dataset_name="digits").shifts(["cifar10_c"])


@pytest.mark.parametrize("name", OOD_CHANGES.names())
def test_own_images_beyond_recognition(name, context, small_cifar10: Examples):
    own = small_cifar10[False].images
    images, labels = together(extra_of(context).out_of_distribution(name))
    torch.testing.assert_close(images, normalised(OOD_CHANGES.get(name)(own)))
    assert not labels.any()
    again, _ = together(extra_of(context).out_of_distribution(name))
    assert again.equal(images)


def test_what_the_own_images_become(small_cifar10: Examples):
    own = small_cifar10[False].images
    rotated, inverted, noised = (OOD_CHANGES.get(name)(own) for name in ("rotated", "inverted", "noised"))
    assert rotated[3, :, 0, 5].equal(own[3, :, 5, -1])  # what was on the right is above
    assert inverted.int().add(own.int()).unique().tolist() == [255]
    grey = torch.full((1, 1, 200, 200), 128, dtype=torch.uint8)
    noise = OOD_CHANGES.get("noised")(grey).double()
    assert float((noise == 0).double().mean()) == pytest.approx(0.157, abs=0.01)  # below -1 standard deviation
    assert noised.shape == own.shape


def test_another_data_set_comes_in_the_shape_and_normalisation_of_this_one(context, small_cifar10: Examples):
    images, labels = together(extra_of(context).out_of_distribution("digits"))
    assert images.shape == (360, 3, 32, 32) and labels.shape == (360,)
    assert (
        images[:, 0]
        .mul(Cifar10.std[0])
        .add(Cifar10.mean[0])
        .sub(images[:, 1].mul(Cifar10.std[1]).add(Cifar10.mean[1]))
        .abs()
        .max()
        < 1e-5
    )  # one grey in all channels


def test_28_pixels_get_a_border_where_32_are_wanted(context, small_cifar10: Examples, monkeypatch):
    made = test_idx.write(context.dataset_root / "mnist" / "MNIST/raw")
    monkeypatch.setattr(Mnist, "num_test", len(made[False][1]))
    images, _ = together(extra_of(context).out_of_distribution("mnist"))
    expected = torch.nn.functional.pad(torch.as_tensor(made[False][0]).reshape(-1, 1, 28, 28), (2, 2, 2, 2))
    torch.testing.assert_close(images, normalised(expected.repeat(1, 3, 1, 1)))


def test_colours_become_grey(context, small_cifar10: Examples):
    """Digits of 8x8 as the data set, for a network of 28x28."""
    colours = torch.zeros(17, 3, 32, 32, dtype=torch.uint8)
    colours[:, 1] = 200
    small_cifar10[False].images.copy_(colours)
    images, _ = together(extra_of(context, (1, 28, 28), dataset_name="digits").out_of_distribution("cifar10"))
    assert images.shape == (17, 1, 28, 28)
    torch.testing.assert_close(images, normalised(torch.full_like(images, 117), Digits))  # 0.587 of 200


def test_a_data_set_is_not_out_of_its_own_distribution(context):
    with pytest.raises(InvalidValue, match=r"--ood=cifar10: valid values are .*digits.*rotated, inverted, noised"):
        extra_of(context).out_of_distribution("cifar10")


def test_a_data_set_that_is_streamed_has_none(context):
    extra = extra_of(context, (3, 224, 224), dataset_name="imagenet")
    for flag, ask in (("shift", lambda: extra.shifts(["all"])), ("ood", lambda: extra.out_of_distribution("digits"))):
        with pytest.raises(InvalidValue, match=f"--{flag}=imagenet: its images are read one by one"):
            ask()


def test_images_that_do_not_fit_the_network_are_refused(context):
    with pytest.raises(InvalidValue, match="--dataset_name=cifar10: its images of 3x32x32 do not fit net"):
        extra_of(context, (1, 28, 28))
