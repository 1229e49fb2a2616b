"""Files that are written whole or not at all, with a checksum, and read without running what they hold."""

from __future__ import annotations

import functools
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from foundations.atomic import written_beside
from foundations.checksum import open_checked, put_in_place
from foundations.errors import UnreadableFile, is_machines_fault

if TYPE_CHECKING:
    import numpy as np

_IS_DIRECTORY = 0x10  # in MS-DOS's attributes, which zip keeps


def _number(dtype: np.dtype[Any], data: bytes) -> float | int | bool:
    """Return the number that a pickle of a NumPy scalar stands for, in the place of what NumPy would make of it.

    Raises:
        TypeError: if it stands for anything else, such as an object.
    """
    if type(dtype) not in _number_types() or not isinstance(data, bytes) or len(data) != dtype.itemsize:
        raise TypeError("a NumPy scalar that is no number")
    import numpy as np

    number: float | int | bool = np.frombuffer(data, dtype)[0].item()
    return number


@functools.cache
def _number_types() -> tuple[type, ...]:
    import numpy as np

    return tuple(type(np.dtype(code)) for code in "?bBhHiIlLqQefd")


@functools.cache
def _numpy_numbers() -> list[Any]:
    """Return what `torch.load` may call besides its own, by its name in the file: OpenLTH counts in such numbers."""
    import numpy as np

    of_scalars = ((_number, f"numpy.{module}.multiarray.scalar") for module in ("core", "_core"))
    return [np.dtype, *_number_types(), *of_scalars]


def _write(path: Path, write: Callable[[IO[bytes]], object], previous: Path | None = None) -> None:
    with written_beside(path, write) as new:
        put_in_place(new, path, previous)


def write_text(path: Path, text: str) -> None:
    """Write a text file."""
    _write(path, lambda file: file.write(text.encode()))


def write_json(path: Path, value: object) -> None:
    """Write a JSON file."""
    write_text(path, json.dumps(value, indent=4))


def save_tensors(path: Path, value: object, previous: Path | None = None) -> None:
    """Save nested dicts of tensors and plain values, in `torch.save`'s format.

    Args:
        previous: where the file goes that lies in that place now; if None, it is replaced.
    """
    import torch  # which what reads text need not wait for

    _write(path, lambda file: torch.save(value, file), previous)


@contextmanager
def _checked(path: Path) -> Iterator[tuple[IO[bytes], bool]]:
    try:
        if path.exists() and not path.is_file():  # reading a pipe or a device would never end
            raise UnreadableFile(path, "is a directory" if path.is_dir() else "is no regular file")
        file, has_checksum = open_checked(path)
    except FileNotFoundError:
        raise UnreadableFile(path, "no such file", remedy="") from None
    except OSError as error:
        raise UnreadableFile(path, f"unreadable ({error.strerror or error})", remedy="", is_transient=True) from None
    with file:
        yield file, has_checksum


def read_text(path: Path, errors: str = "strict") -> str:
    """Read a text file.

    Args:
        errors: what to make of bytes that are no UTF-8, as for `bytes.decode`.

    Raises:
        UnreadableFile: if the file is missing or damaged.
    """
    with _checked(path) as (file, _):
        try:
            return file.read().decode(errors=errors)
        except (OSError, UnicodeDecodeError) as error:
            raise UnreadableFile(path, f"unreadable ({error})") from None


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UnreadableFile: if the file is missing or damaged.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnreadableFile(path, f"unreadable ({error})") from None


def load_tensors(path: Path) -> Any:
    """Load what `save_tensors` (or OpenLTH) wrote, onto the CPU; NumPy's numbers become Python's.

    Raises:
        UnreadableFile: if the file is missing, damaged, or holds anything but tensors and plain values.
    """
    import torch

    with _checked(path) as (file, has_checksum), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, about what is refused at once
        try:
            if not has_checksum:
                _check_entries(file)
            with torch.serialization.safe_globals(_numpy_numbers()):
                return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises whatever its unpickler stumbles over: IndexError, struct.error, ...
            if is_machines_fault(error):
                raise
            raise UnreadableFile(path, _reason(error)) from None


def _reason(error: Exception) -> str:
    # Where torch names its argument, it goes on to recommend what runs the code in the file.
    if isinstance(error, pickle.UnpicklingError) or "weights_only" in str(error):
        return "holds something other than tensors and plain values, or is damaged; it was not loaded"
    return f"damaged ({str(error).splitlines()[0] if str(error) else type(error).__name__})"


def _check_entries(file: IO[bytes]) -> None:
    """Compare the CRC-32 of a zip archive's entries, at which torch does not look."""
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            # One bit makes an entry a directory, and then torch leaves the tensor's memory as it found it.
            directories = [entry.filename for entry in archive.infolist() if entry.external_attr & _IS_DIRECTORY]
            damaged = next(iter(directories), None) or archive.testzip()
        if damaged is not None:
            raise ValueError(f"the entry {damaged} is not as it was written")
    file.seek(0)
