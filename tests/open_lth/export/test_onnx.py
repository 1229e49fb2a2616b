"""Networks in ONNX's format compute what they do here, for any number of images."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch
from torch import Tensor

from foundations.errors import UserError
from open_lth.compaction import compact
from open_lth.export import onnx as export_onnx
from open_lth.export.onnx import check_packages, write_onnx
from tests.open_lth.compaction.networks import pruned

pytest.importorskip("onnxscript", reason="the extra `export` is not installed")


def run_elsewhere(content: bytes, images: Tensor) -> np.ndarray:
    """Compute logits by ONNX's own means."""
    feed = {"images": images.numpy()}
    if importlib.util.find_spec("onnxruntime") is not None:
        from onnxruntime import InferenceSession

        [logits] = InferenceSession(content, providers=["CPUExecutionProvider"]).run(["logits"], feed)
    else:
        from onnx.reference import ReferenceEvaluator

        [logits] = ReferenceEvaluator(content).run(["logits"], feed)
    return logits


OTHERS = ("cifar_vgg_11_4", "cifar_resnet_8_4", "cifar_vit_1_32_2")


@pytest.mark.parametrize(
    "name", ["mnist_lenet_30_20", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
)
def test_every_family_and_its_compacted_form(name, tmp_path):
    model, images = pruned(name, density=0.03, seed=0)
    narrow = compact(model, lambda: [images]).network
    for form, network in {"model": model, "compact": narrow}.items():
        write_onnx(network, images.shape[1:], tmp_path / f"{form}.onnx")
        content = (tmp_path / f"{form}.onnx").read_bytes()
        for some in (images[:1], images):
            with torch.no_grad():
                assert np.allclose(run_elsewhere(content, some), network(some).numpy(), atol=1e-5)
    assert (tmp_path / "compact.onnx").stat().st_size < (tmp_path / "model.onnx").stat().st_size


def test_missing_packages_are_named_in_one_line(monkeypatch):
    monkeypatch.setattr(export_onnx, "PACKAGES", ("no_such_package",))
    with pytest.raises(UserError, match=r"--onnx needs no_such_package: pip install 'open-lth\[export\]'"):
        check_packages()
