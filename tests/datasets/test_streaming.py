from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from datasets import (
    DatasetHparams,
    iterations_per_epoch,
    load_test,
    load_train,
    load_training_set,
    load_validation,
)
from datasets.image_files import central_crop, random_crop, read_image
from datasets.loader import Batch, Loader
from datasets.sources.imagenet import ImageNet
from foundations.context import RunContext
from foundations.errors import UserError
from foundations.randomness import RandomStreams

workers = pytest.mark.filterwarnings("ignore:This DataLoader will create", "ignore:.*fork.*")


@pytest.fixture(autouse=True)
def files(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> Path:
    generator = torch.Generator().manual_seed(0)
    for split, each in (("train", 4), ("val", 2)):
        for name in ("n01", "n02"):
            folder = context.dataset_root / "imagenet" / split / name
            folder.mkdir(parents=True)
            for i in range(each):
                side = [40 + 7 * i, 60 - 5 * i, 3]
                pixels = torch.randint(256, side, generator=generator).to(torch.uint8).numpy()
                Image.fromarray(pixels).save(folder / f"{i}.png")
    monkeypatch.setattr(ImageNet, "num_train", 8)
    monkeypatch.setattr(ImageNet, "num_test", 4)
    return context.dataset_root / "imagenet"


def hparams(**changes: object) -> DatasetHparams:
    return DatasetHparams(**{"dataset_name": "imagenet", "batch_size": 3, **changes})


def train(context: RunContext, **changes: object) -> Loader:
    return load_train(hparams(**changes), (3, 224, 224), "net", RandomStreams(1), context)


def same(one: list[Batch], other: list[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(one, other, strict=True)
    )


@workers
def test_worker_processes_change_no_bit(context: RunContext) -> None:
    alone = list(train(context).epoch(1))
    assert same(alone, list(train(replace(context, num_workers=2)).epoch(1)))
    assert [tuple(x.shape) for x, _ in alone] == [(3, 3, 224, 224), (3, 3, 224, 224), (2, 3, 224, 224)]
    assert all(x.dtype == torch.float32 and y.dtype == torch.int64 for x, y in alone)
    assert sorted(int(i) for _, y in alone for i in y) == [0] * 4 + [1] * 4


def test_resuming_sees_what_the_whole_epoch_shows(context: RunContext) -> None:
    made = train(context)
    whole = list(made.epoch(1))
    assert same(whole[1:], list(made.epoch(1, 1))) and list(made.epoch(1, 3)) == []
    assert not same(whole, list(made.epoch(2)))


def test_batch_size_does_not_change_an_image(context: RunContext) -> None:
    one, other = (torch.cat([x for x, _ in train(context, batch_size=b).epoch(0)]) for b in (3, 8))
    assert torch.equal(one, other)


def test_the_length_is_known_and_the_default_generator_left_alone(context: RunContext) -> None:
    before = torch.random.get_rng_state()
    for fraction in (None, 0.1, 0.5, 0.51, 1.0):
        made = train(context, subsample_fraction=fraction)
        assert iterations_per_epoch(hparams(subsample_fraction=fraction)) == made.iterations_per_epoch
        assert len(list(made.epoch(0))) == made.iterations_per_epoch
    assert torch.equal(before, torch.random.get_rng_state())


def test_crops_are_torchvisions(files: Path) -> None:
    from torchvision import transforms as tv

    path = str(files / "train" / "n01" / "1.png")
    image = Image.open(path)
    transform = tv.Compose([tv.RandomResizedCrop(224), tv.RandomHorizontalFlip()])
    for seed in range(6):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            expected = transform(image)
        assert random_crop(image, seed).tobytes() == expected.tobytes()
    expected = tv.Compose([tv.Resize(256), tv.CenterCrop(224)])(image)
    assert central_crop(image).tobytes() == expected.tobytes()
    assert torch.equal(read_image(path, None), tv.functional.pil_to_tensor(expected))


def test_evaluation_is_central_and_in_order(context: RunContext, files: Path) -> None:
    made = load_test(hparams(), (3, 224, 224), "net", context)
    [(x, y)] = list(made)
    assert y.tolist() == [0, 0, 1, 1] and made.num_examples == 4 and made.num_classes == 1000
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (ImageNet.mean, ImageNet.std))
    expected = (read_image(str(files / "val" / "n02" / "0.png"), None) / 255 - mean) / std
    torch.testing.assert_close(x[2], expected)


def test_held_out_images_are_central_and_not_trained_on(context: RunContext) -> None:
    changes = {"validation_fraction": 0.4, "do_not_augment": True}
    held_out = list(load_validation(hparams(**changes), (3, 224, 224), "net", context))
    trained = list(train(context, **changes).epoch(0))
    every = list(train(context, do_not_augment=True).first_examples(8))
    found = [x.numpy().tobytes() for batches in (held_out, trained) for images, _ in batches for x in images]
    assert sum(len(y) for _, y in held_out) == 4
    assert sorted(found) == sorted(x.numpy().tobytes() for images, _ in every for x in images)


def test_first_examples_are_fixed_and_central(context: RunContext) -> None:
    one, two = list(train(context).first_examples(5)), list(train(context, do_not_augment=True).first_examples(5))
    assert same(one, two) and [len(y) for _, y in one] == [3, 2]


def test_rotations_turn_by_their_label(context: RunContext) -> None:
    changed = load_test(hparams(unsupervised_labels="rotation"), (3, 224, 224), "net", context)
    assert changed.num_classes == 4
    [(x, turns)], [(plain, _)] = list(changed), list(load_test(hparams(), (3, 224, 224), "net", context))
    for after, quarters, before in zip(x, turns.tolist(), plain, strict=True):
        assert torch.equal(after, before.rot90(quarters, (1, 2)))
    assert train(context, unsupervised_labels="rotation").num_classes == 4


def test_labels_are_randomised_and_images_blurred(context: RunContext) -> None:
    plain = list(train(context, do_not_augment=True).epoch(0))
    changed = list(train(context, do_not_augment=True, random_labels_fraction=1.0, blur_factor=8).epoch(0))
    assert float(changed[0][0].std()) < float(plain[0][0].std())
    assert max(int(i) for _, y in changed for i in y) > 1


@workers
@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_damaged_image_is_named_in_one_line(context: RunContext, files: Path, num_workers: int) -> None:
    bad = files / "train" / "n02" / "3.png"
    bad.write_bytes(bad.read_bytes()[:60])
    with pytest.raises(UserError) as caught:
        list(train(replace(context, num_workers=num_workers)).epoch(0))
    assert str(caught.value).startswith(f"{bad}: cannot be read as an image") and "\n" not in str(caught.value)


def test_missing_and_incomplete_folders_are_told(context: RunContext, files: Path) -> None:
    (files / "train" / "n01" / "0.png").unlink()
    with pytest.raises(UserError, match="holds 7 images in 2 folders, not 8 in 1000"):
        train(context)
    nowhere = replace(context, dataset_root=context.dataset_root / "elsewhere")
    with pytest.raises(UserError, match=r"elsewhere/imagenet/train$"):
        train(nowhere)
    (nowhere.dataset_root / "imagenet" / "train").mkdir(parents=True)
    with pytest.raises(UserError, match="does not hold a folder of images for each class"):
        train(nowhere)


@workers
def test_leaving_an_epoch_early_leaves_no_process_waiting(context: RunContext) -> None:
    import multiprocessing

    batches = train(replace(context, num_workers=2)).epoch(0)
    next(batches)
    del batches
    assert multiprocessing.active_children() == []


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 48)])
def test_images_have_the_shape_that_their_source_states(
    context: RunContext, files: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int, int]
) -> None:
    from torchvision import transforms as tv

    for name, value in (("image_shape", shape), ("mean", (0.5,) * shape[0]), ("std", (0.25,) * shape[0])):
        monkeypatch.setattr(ImageNet, name, value)
    made = load_train(hparams(), shape, "net", RandomStreams(1), context)
    assert {tuple(x.shape[1:]) for x, _ in made.epoch(0)} == {shape}
    [(x, _)] = list(load_test(hparams(), shape, "net", context))
    image = Image.open(files / "val" / "n02" / "0.png").convert("L" if shape[0] == 1 else "RGB")
    crop = tv.Compose([tv.Resize(round(max(shape[1:]) * 256 / 224)), tv.CenterCrop(shape[1:]), tv.ToTensor()])
    torch.testing.assert_close(x[2], (crop(image) - 0.5) / 0.25)


def test_other_numbers_of_channels_are_refused(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageNet, "image_shape", (4, 28, 28))
    with pytest.raises(UserError, match="imagenet: images in files have 1 or 3 channels, not 4"):
        load_train(hparams(), (4, 28, 28), "net", RandomStreams(1), context)


def test_the_training_set_is_measured_central_and_in_order(context: RunContext, files: Path) -> None:
    made = load_training_set(hparams(subsample_fraction=0.5), (3, 224, 224), "net", context)
    trained = train(context, subsample_fraction=0.5, do_not_augment=True).first_examples(4)
    images, labels = (torch.cat(parts) for parts in zip(*made, strict=True))
    others, of_others = (torch.cat(parts) for parts in zip(*trained, strict=True))
    assert made.num_examples == 4 and sorted(labels.tolist()) == sorted(of_others.tolist())
    assert torch.equal(images.flatten(1).sum(1).sort().values, others.flatten(1).sum(1).sort().values)
