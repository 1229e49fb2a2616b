"""Files that create another file when they are unpickled, in every format in which somebody may send one."""

from __future__ import annotations

import builtins
import io
import os
import pickle
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

Packed = Callable[[object], bytes]


class Payload:
    """Creates a file when it is unpickled."""

    def __init__(self, marker: Path, how: str = "touch") -> None:
        code = f"open({str(marker)!r}, 'w').close()"
        self.call: tuple[Callable[..., object], tuple[object, ...]] = {
            "touch": (Path.touch, (marker,)),
            "system": (os.system, (f"touch '{marker}'",)),
            "exec": (builtins.exec, (code,)),
        }[how]

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self.call


HOW = ("touch", "system", "exec")


def _torch_zip(value: object) -> bytes:
    file = io.BytesIO()
    torch.save({"weights": torch.zeros(2), "more": value}, file)
    return file.getvalue()


def _torch_legacy(value: object) -> bytes:
    file = io.BytesIO()
    torch.save({"weights": torch.zeros(2), "more": value}, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def _torch_tar(value: object) -> bytes:
    """As torch saved until 2016."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:", format=tarfile.PAX_FORMAT) as tar:
        for name in ("sys_info", "pickle", "storages", "tensors"):
            content = pickle.dumps(value, protocol=2)
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def _torch_script(value: object) -> bytes:
    """A zip archive that torch takes for TorchScript, with a pickle in it."""
    file = io.BytesIO(_torch_zip(value))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("archive/constants.pkl", pickle.dumps(value, protocol=2))
    return file.getvalue()


def _numpy(value: object) -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([value, 1], dtype=object), allow_pickle=True)
    return file.getvalue()


def _numpy_zip(value: object) -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.array([value, 1], dtype=object))
    return file.getvalue()


FORMATS: dict[str, Packed] = {
    "torch zip": _torch_zip,
    "torch legacy": _torch_legacy,
    "torch tar": _torch_tar,
    "TorchScript": _torch_script,
    "npy": _numpy,
    "npz": _numpy_zip,
    **{f"pickle {p}": lambda value, p=p: pickle.dumps(value, protocol=p) for p in (0, 2, 4)},  # type: ignore[misc]
}


def set_off(name: str, path: Path) -> None:
    """Load a file as nobody should."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if name in ("npy", "npz"):
            loaded = np.load(path, allow_pickle=True)
            _ = loaded["a"] if name == "npz" else loaded
        elif name.startswith("pickle"):
            pickle.loads(path.read_bytes())
        elif name == "TorchScript":
            with zipfile.ZipFile(path) as archive:
                pickle.loads(archive.read("archive/constants.pkl"))
        else:
            torch.load(path, weights_only=False)
