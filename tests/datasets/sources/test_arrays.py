from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datasets import DatasetHparams, OwnSource, load_train
from datasets.sources.arrays import NpzSource
from foundations.context import RunContext
from foundations.errors import InvalidValue, UserError
from foundations.randomness import RandomStreams


def arrays(**changed: Any) -> dict[str, Any]:
    """Return 12 training and 6 test images, 28x28, of 3 classes."""
    random = np.random.RandomState(0)
    made = {
        "x_train": random.randint(256, size=(12, 28, 28)).astype(np.uint8),
        "y_train": np.arange(12) % 3,
        "x_test": random.randint(256, size=(6, 28, 28)).astype(np.uint8),
        "y_test": np.arange(6) % 3,
    }
    return {name: value for name, value in {**made, **changed}.items() if value is not None}


def write(path: Path, **changed: Any) -> dict[str, Any]:
    """Write them to a file, some changed or (None) left out, and return what was written."""
    made = arrays(**changed)
    np.savez(path, **made)
    return made


def hparams(path: Path, **more: Any) -> DatasetHparams:
    return DatasetHparams(dataset_name="npz", batch_size=4, dataset_dir=str(path), **more)


def test_what_is_in_the_file_is_read(tmp_path: Path) -> None:
    made = write(tmp_path / "own.npz")
    source = NpzSource(tmp_path / "own.npz", None)
    for split, train in (("train", True), ("test", False)):
        loaded = source.load(tmp_path, train)
        assert torch.equal(loaded.images, torch.from_numpy(made[f"x_{split}"])[:, None])
        assert torch.equal(loaded.labels, torch.from_numpy(made[f"y_{split}"]))
    assert (source.num_classes, source.num_train, source.num_test, source.image_shape) == (3, 12, 6, (1, 28, 28))


@pytest.mark.parametrize("layout", ["channels last", "channels first", "floats"])
def test_layouts_are_told_apart(layout: str, tmp_path: Path) -> None:
    images = np.random.RandomState(1).randint(256, size=(12, 20, 24, 3)).astype(np.uint8)
    given = {
        "channels last": images,
        "channels first": images.transpose(0, 3, 1, 2),
        "floats": (images / 255).astype(np.float32),
    }[layout]
    write(tmp_path / "own.npz", x_train=given, x_test=given[:6])
    loaded = NpzSource(tmp_path / "own.npz", None).load(tmp_path, True)
    assert torch.equal(loaded.images, torch.from_numpy(images).permute(0, 3, 1, 2))


def test_training_images_get_mean_0_and_standard_deviation_1(tmp_path: Path) -> None:
    write(tmp_path / "own.npz")
    context = RunContext(tmp_path / "results", tmp_path)
    loader = load_train(hparams(tmp_path / "own.npz"), None, "net", RandomStreams(1), context)
    images = torch.cat([images for images, _ in loader.epoch(0)]).double()
    assert images.mean().item() == pytest.approx(0, abs=1e-6)
    assert images.std(correction=0).item() == pytest.approx(1, abs=1e-6)


def test_the_hash_is_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    made = write(tmp_path / "own.npz")
    np.savez_compressed(tmp_path / "moved.npz", **dict(reversed(made.items())))
    assert str(hparams(tmp_path / "own.npz")) == str(hparams(tmp_path / "moved.npz"))
    changed = {**made, "y_test": made["y_test"][::-1]}
    np.savez(tmp_path / "changed.npz", **changed)
    assert str(hparams(tmp_path / "changed.npz")) != str(hparams(tmp_path / "own.npz"))


def test_the_text_of_the_hash_holds_the_digest(tmp_path: Path) -> None:
    made, digest = write(tmp_path / "own.npz"), hashlib.sha256()
    for name, array in made.items():
        digest.update(f"{name} {array.dtype.str} {array.shape};".encode() + array.tobytes())
    text = f"Hparams(batch_size=4, dataset_dir='{digest.hexdigest()}', dataset_name='npz')"
    assert str(hparams(tmp_path / "own.npz")) == text


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "own.npz")
    before = hparams(tmp_path / "own.npz")
    text = str(before)
    write(tmp_path / "own.npz", y_test=np.zeros(6, dtype=np.int64))
    assert str(replace(before)) != text


def test_images_are_brought_to_a_size_from_their_centre(tmp_path: Path) -> None:
    images = np.zeros((12, 8, 16), dtype=np.uint8)
    images[:, :, 4:12] = np.arange(8, dtype=np.uint8) * 30
    write(tmp_path / "own.npz", x_train=images, x_test=images[:6])
    chosen = hparams(tmp_path / "own.npz", image_size=8)
    assert chosen.image_shape == (1, 8, 8) and isinstance(chosen.source, OwnSource)
    assert torch.equal(chosen.source.load(tmp_path, True).images[0, 0, 0], torch.arange(8, dtype=torch.uint8) * 30)
    assert hparams(tmp_path / "own.npz", image_size=4).source.load(tmp_path, True).images.shape == (12, 1, 4, 4)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x_test": None}, "has no x_test; an .npz file needs x_train, y_train, x_test, y_test"),
        ({"y_train": np.zeros(12, dtype=int)}, "y_train holds one class alone"),
        ({"y_train": np.arange(12) % 3 * 2}, "y_train must number the classes 0, 1, 2, ... without gaps, not 0, 2, 4"),
        ({"y_train": np.arange(12) % 3 + 1}, "without gaps, not 1, 2, 3"),
        ({"y_train": np.arange(12) / 12}, "y_train is float64 of (12,), not whole numbers"),
        ({"y_train": np.arange(11) % 3}, "x_train and y_train are 12 images and 11 labels"),
        ({"x_train": np.zeros((12, 784), np.uint8)}, "x_train is (12, 784), not images (N, H, W)"),
        ({"x_train": np.zeros((12, 28, 28, 4), np.uint8)}, "of 1 or 3 channels"),
        ({"x_train": np.zeros((0, 28, 28), np.uint8)}, "x_train is (0, 28, 28), not images"),
        ({"x_train": np.zeros((12, 28, 28), np.int32)}, "x_train is int32, not uint8 or floats in [0, 1]"),
        ({"x_train": np.full((12, 28, 28), 0.123)}, "x_train holds floats that are not bytes / 255"),
        ({"x_train": np.full((12, 28, 28), np.nan)}, "x_train holds floats that are not bytes / 255"),
        ({"x_train": np.zeros((12, 32, 32), np.uint8)}, "x_train and x_test hold images of other shapes"),
        ({"x_train": np.array([{}] * 12)}, "cannot be read as an .npz file"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(changed: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path / "own.npz", **changed)
    with pytest.raises(UserError) as caught:
        hparams(tmp_path / "own.npz")
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_images_of_one_colour_cannot_be_normalised(tmp_path: Path) -> None:
    write(tmp_path / "own.npz", x_train=np.full((12, 28, 28), 7, np.uint8))
    with pytest.raises(UserError, match="all of one colour"):
        _ = hparams(tmp_path / "own.npz").source.std


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", pickle.dumps({}), b"\x93NUMPY\x01\x00"])
def test_other_files_are_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "own.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"own.npz: (cannot be read as|is no) .*npz file"):
        hparams(tmp_path / "own.npz")


def test_a_single_array_is_no_npz_file(tmp_path: Path) -> None:
    np.save(tmp_path / "own.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"is no \.npz file"):
        hparams(tmp_path / "own.npy")


def test_the_flag_is_named_where_there_is_no_file(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.npz"):
        with pytest.raises(InvalidValue) as caught:
            hparams(path)
        assert caught.value.field == "dataset_dir"
