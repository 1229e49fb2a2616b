from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from datasets.sources import digits
from datasets.sources.digits import Digits, split
from foundations.errors import UserError


def test_the_split_is_fixed_complete_and_by_class(tmp_path: Path) -> None:
    target = load_digits().target.astype(np.int64)
    train, test = split(target, True), split(target, False)
    assert (len(train), len(test)) == (1437, 360)
    assert sorted([*train, *test]) == list(range(1797))
    assert test[:4].tolist() == split(target, False)[:4].tolist()
    for label in range(10):
        whole, part = int((target == label).sum()), int((target[test] == label).sum())
        assert abs(part - whole / 5) < 1


def test_images_are_bytes_over_the_whole_range(tmp_path: Path) -> None:
    bunch = load_digits()
    for train in (True, False):
        loaded = Digits().load(tmp_path, train)
        chosen = split(bunch.target.astype(np.int64), train)
        assert loaded.images.dtype == torch.uint8 and loaded.images.shape[1:] == (1, 8, 8)
        assert (int(loaded.images.min()), int(loaded.images.max())) == (0, 255)
        back = torch.round(loaded.images[:, 0] / 255 * 16)
        assert torch.equal(back, torch.from_numpy(bunch.images[chosen]).float())
        assert loaded.labels.tolist() == bunch.target[chosen].tolist()
    assert list(tmp_path.iterdir()) == []


def test_mean_and_std_are_those_of_the_training_images(tmp_path: Path) -> None:
    pixels = Digits().load(tmp_path, True).images.double() / 255
    assert abs(float(pixels.mean()) - Digits.mean[0]) < 1e-3 and abs(float(pixels.std()) - Digits.std[0]) < 1e-3


def test_a_missing_scikit_learn_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    digits._read.cache_clear()
    with pytest.raises(UserError, match="pip install scikit-learn"):
        Digits().load(tmp_path, True)
