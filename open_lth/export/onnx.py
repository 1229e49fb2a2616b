"""Networks in ONNX's format, for programs that know neither this project nor PyTorch."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from foundations.errors import UserError
from open_lth.export.files import write_bytes

PACKAGES = ("onnx", "onnxscript")


def check_packages() -> None:
    """Check that what writes ONNX is installed.

    Raises:
        UserError: naming what is not.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"--onnx needs {' and '.join(missing)}: pip install 'open-lth[export]'")


def write_onnx(network: nn.Module, image_shape: Sequence[int], path: Path) -> None:
    """Write a network that maps `images` (batch, C, H, W), of any batch size, to `logits` (batch, classes)."""
    example = torch.zeros(2, *image_shape)  # one image would make the batch's size a constant
    batch = ({0: torch.export.Dim("batch")},)
    program = torch.onnx.export(
        network,
        (example,),
        dynamo=True,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=batch,
        verbose=False,
    )
    assert program is not None
    write_bytes(path, program.model_proto.SerializeToString())
