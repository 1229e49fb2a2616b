from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from datasets import DatasetHparams, OwnSource
from datasets.sources.folder import FolderSource
from foundations.errors import InvalidValue, UserError

CLASSES = ("ant", "bee", "cow")


def pixels(size: tuple[int, int] = (28, 28), channels: int = 1, seed: int = 0) -> np.ndarray:
    shape = size if channels == 1 else (*size, channels)
    return np.random.RandomState(seed).randint(256, size=shape).astype(np.uint8)


def write(root: Path, test: str = "test", **image: Any) -> dict[str, np.ndarray]:
    """Write 4 training and 2 test images of each of 3 classes, and return them by their path below the root."""
    made = {}
    for split, each in (("train", 4), (test, 2)):
        for name in CLASSES:
            (root / split / name).mkdir(parents=True)
            for index in range(each):
                path = f"{split}/{name}/{index}.png"
                made[path] = pixels(seed=len(made), **image)
                Image.fromarray(made[path]).save(root / path)
    return made


def hparams(path: Path, **more: Any) -> DatasetHparams:
    return DatasetHparams(dataset_name="folder", batch_size=4, dataset_dir=str(path), **more)


@pytest.mark.parametrize("test", ["test", "val"])
def test_images_are_read_class_by_class(test: str, tmp_path: Path) -> None:
    made = write(tmp_path, test)
    source = FolderSource(tmp_path, None)
    assert (source.num_classes, source.num_train, source.num_test, source.image_shape) == (3, 12, 6, (1, 28, 28))
    for split, train in (("train", True), (test, False)):
        loaded = source.load(tmp_path, train)
        expected = [image for path, image in made.items() if path.startswith(split)]
        assert torch.equal(loaded.images[:, 0], torch.from_numpy(np.stack(expected)))
        assert loaded.labels.tolist() == [label for label in range(3) for _ in range(4 if train else 2)]


def test_classes_that_the_test_images_lack_keep_their_numbers(tmp_path: Path) -> None:
    write(tmp_path)
    shutil.rmtree(tmp_path / "test" / "ant")
    assert FolderSource(tmp_path, None).load(tmp_path, False).labels.tolist() == [1, 1, 2, 2]


def test_one_image_in_colour_makes_all_have_three_channels(tmp_path: Path) -> None:
    made = write(tmp_path)
    Image.fromarray(pixels(channels=3)).save(tmp_path / "test" / "bee" / "0.png")
    source = FolderSource(tmp_path, None)
    assert source.image_shape == (3, 28, 28)
    grey = source.load(tmp_path, True).images[0]
    assert all(torch.equal(channel, torch.from_numpy(made["train/ant/0.png"])) for channel in grey)


def test_the_hash_is_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    write(tmp_path / "own")
    write(tmp_path / "moved", "val")
    assert str(hparams(tmp_path / "own")) == str(hparams(tmp_path / "moved"))
    (tmp_path / "moved" / "train" / "ant" / "0.png").rename(tmp_path / "moved" / "train" / "bee" / "9.png")
    assert str(hparams(tmp_path / "own")) != str(hparams(tmp_path / "moved"))


def test_one_changed_pixel_makes_it_another_experiment(tmp_path: Path) -> None:
    made = write(tmp_path)
    before = str(hparams(tmp_path))
    changed = made["test/cow/1.png"].copy()
    changed[0, 0] ^= 1
    Image.fromarray(changed).save(tmp_path / "test" / "cow" / "1.png")
    assert str(hparams(tmp_path)) != before


def test_images_of_several_sizes_are_brought_to_one(tmp_path: Path) -> None:
    write(tmp_path)
    Image.fromarray(pixels((40, 30))).save(tmp_path / "train" / "ant" / "0.png")
    with pytest.raises(InvalidValue, match=r"--image_size.*must be given where images differ.*30x40") as caught:
        hparams(tmp_path)
    assert caught.value.field == "image_size"
    source = hparams(tmp_path, image_size=16).source
    assert isinstance(source, OwnSource) and source.image_shape == (1, 16, 16)
    assert source.load(tmp_path, True).images.shape == (12, 1, 16, 16)


def test_an_image_is_cut_to_a_square_at_its_centre(tmp_path: Path) -> None:
    write(tmp_path)
    wide = np.zeros((28, 56), dtype=np.uint8)
    wide[:, 14:42] = pixels()
    Image.fromarray(wide).save(tmp_path / "train" / "ant" / "0.png")
    source = hparams(tmp_path, image_size=28).source
    assert isinstance(source, OwnSource)
    assert torch.equal(source.load(tmp_path, True).images[0, 0], torch.from_numpy(pixels()))


def _one_class(root: Path) -> None:
    for split in ("train", "test"):
        for name in CLASSES[1:]:
            shutil.rmtree(root / split / name)


def _broken_head(root: Path) -> None:
    (root / "train" / "bee" / "1.png").write_bytes(b"no image")


def _sixteen_bits(root: Path) -> None:
    Image.fromarray(pixels().astype(np.uint16) * 257).save(root / "train" / "bee" / "1.png")


def _unknown_class(root: Path) -> None:
    (root / "test" / "cow").rename(root / "test" / "dog")


def _empty_class(root: Path) -> None:
    (root / "train" / "dog").mkdir()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_one_class, "train holds one class alone"),
        (_broken_head, "train/bee/1.png: cannot be read as an image"),
        (_sixteen_bits, "train/bee/1.png: has pixels of type I;16, not bytes"),
        (_unknown_class, "class dog is not among those of"),
        (_empty_class, "does not hold a directory of images for each class"),
        (lambda root: shutil.rmtree(root / "train"), "has no train; images go into"),
        (lambda root: shutil.rmtree(root / "test"), "has no test or val; images go into"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(damage: Any, message: str, tmp_path: Path) -> None:
    write(tmp_path)
    damage(tmp_path)
    with pytest.raises(UserError) as caught:
        hparams(tmp_path)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_file_that_breaks_off_is_named(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / "train" / "bee" / "1.png"
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"bee/1\.png: cannot be read as an image"):
        FolderSource(tmp_path, None).load(tmp_path, True)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"dataset_name": "folder"}, "dataset_dir"),
        ({"dataset_name": "folder", "dataset_dir": "missing"}, "dataset_dir"),
        ({"dataset_name": "cifar10", "dataset_dir": "."}, "dataset_dir"),
        ({"dataset_name": "imagenet", "image_size": 64}, "image_size"),
        ({"dataset_name": "cifar10", "image_size": 0}, "image_size"),
    ],
)
def test_flags_that_do_not_go_together_are_named(words: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        DatasetHparams(batch_size=4, **words)
    assert caught.value.field == field


def test_another_working_directory_leads_to_the_same_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "own")
    monkeypatch.chdir(tmp_path)
    assert hparams(Path("own")).dataset_dir == str(tmp_path / "own")
