"""Data sets in torchvision's files: found, unpacked, downloaded, or asked for in one line.

Whatever is unpacked or downloaded comes into a temporary directory first, is read there, and only then moves,
file by file, to its place, with a checksum beside it. So nothing half-made or damaged later is ever taken for data,
and a directory that cannot be written to serves as well, as long as the files are in it.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import shutil
import socket
import tarfile
import tempfile
import zlib
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from filelock import FileLock

from datasets.source import DatasetSource, LabelledImages
from foundations.checksum import open_checked, put_in_place
from foundations.errors import UserError

_UNREADABLE = (AssertionError, EOFError, KeyError, OSError, RuntimeError, TypeError, ValueError, zlib.error)
_DOWNLOAD_FAILED = (OSError, EOFError, RuntimeError, http.client.HTTPException, tarfile.TarError, zlib.error)
_TIMEOUT = 20.0  # seconds without a byte


class TorchvisionSource(DatasetSource):
    """A data set that torchvision can read.

    Attributes:
        name: its name, which is also the directory under the data sets' root where its files go.
        hint: where else the files can be had, as the end of a sentence.
        in_own_folder: whether files are brought below `<root>/<name>`, as OpenLTH does with those that it knows.
    """

    name: ClassVar[str]
    hint: ClassVar[str] = ""
    in_own_folder: ClassVar[bool] = True

    @abstractmethod
    def files(self, train: bool) -> list[str]:
        """Return the files that must lie under torchvision's root for `read`."""

    @abstractmethod
    def wanted(self, train: bool) -> list[str]:
        """Return the files, packed or not, that a user would put under torchvision's root."""

    @abstractmethod
    def read(self, folder: Path, train: bool) -> LabelledImages:
        """Read the files under torchvision's root, through torchvision's own class."""

    @abstractmethod
    def is_intact(self, path: Path) -> bool:
        """Return whether one of the files is undamaged, or raise what reading it raises."""

    @abstractmethod
    def unpack(self, folder: Path, stage: Path) -> None:
        """Bring what lies packed under one root, unpacked, under another."""

    @abstractmethod
    def download(self, stage: Path, train: bool) -> None:
        """Let torchvision download the files under a root."""

    def load(self, root: Path, train: bool) -> LabelledImages:
        """Return the examples from `<root>/<name>` or `<root>`; torchvision downloads them if they are not there."""
        folders = [root / self.name, root] if self.in_own_folder else [root, root / self.name]
        for folder in folders:
            if self._complete(folder, train):
                return self._read(folder, train, origin=folder)
        lock = root / f".{self.name}.lock"
        with _created_if_needed(root), _one_at_a_time(lock), _staging(root, f".staging-{self.name}-") as stage:
            for folder in folders:  # another process may have brought them meanwhile
                if self._complete(folder, train):
                    return self._read(folder, train, origin=folder)
            folder = next((p for p in folders if self._any(p, train)), folders[0])
            self._unpack(folder, stage)
            if not self._complete(stage, train):
                self._download(folder, stage, train)
            examples = self._read(stage, train, origin=folder)
            _install(self.files(train), stage, folder)
        return examples

    def _complete(self, folder: Path, train: bool) -> bool:
        return all((folder / file).is_file() for file in self.files(train))

    def _any(self, folder: Path, train: bool) -> bool:
        return any((folder / file).is_file() for file in (*self.files(train), *self.wanted(train)))

    def _read(self, folder: Path, train: bool, origin: Path) -> LabelledImages:
        try:
            for file in self.files(train):
                open_checked(folder / file)[0].close()
            return self.read(folder, train)
        except ModuleNotFoundError as error:
            raise UserError(f"{self.name}: reading it needs {error.name} (pip install {error.name})") from None
        except _UNREADABLE as error:
            damaged = [origin / file for file in self.files(train) if not self._reads_as_intact(folder / file)]
            # What was unpacked came from a packed file of the same name.
            named = [path if path.is_file() else path.with_name(f"{path.name}.gz") for path in damaged]
            paths = ", ".join(str(path) for path in named if path.is_file()) or str(origin)
            raise UserError(f"{self.name}: {paths} is damaged ({_reason(error)}); delete it and try again") from None

    def _reads_as_intact(self, path: Path) -> bool:
        try:
            return self.is_intact(path)
        except _UNREADABLE:
            return False

    def _unpack(self, folder: Path, stage: Path) -> None:
        try:
            self.unpack(folder, stage)
        except (*_UNREADABLE, tarfile.TarError) as error:
            raise UserError(f"{self.name}: cannot unpack what lies in {folder} ({_reason(error)})") from None

    def _download(self, folder: Path, stage: Path, train: bool) -> None:
        try:
            with _silent_with_timeout():
                self.download(stage, train)
        except _DOWNLOAD_FAILED as error:
            missing = [folder / file for file in self.wanted(train) if not (folder / file).is_file()]
            missing = [path for path in missing if path.suffix != ".gz" or not path.with_suffix("").is_file()]
            names = ", ".join(path.name for path in missing)
            raise UserError(
                f"{self.name}: not found, and the download failed ({_reason(error)}); "
                f"put {names} into {missing[0].parent}{self.hint}"
            ) from None


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(":") if lines else type(error).__name__


@contextlib.contextmanager
def _staging(root: Path, prefix: str) -> Iterator[Path]:
    """Make a temporary directory, on the root's file system if possible, and leave nothing of it behind.

    What killed processes left goes, too: call it with the lock held that goes with the prefix.
    """
    for left in root.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        stage = Path(tempfile.mkdtemp(dir=root, prefix=prefix))
    except OSError:
        stage = Path(tempfile.mkdtemp())
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


@contextlib.contextmanager
def _created_if_needed(root: Path) -> Iterator[None]:
    """Make a directory, if that is possible, and remove it again if nothing was put there."""
    created = [directory for directory in (root, *root.parents) if not directory.exists()]
    with contextlib.suppress(OSError):
        root.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        for directory in created:
            with contextlib.suppress(OSError):  # it holds the data now
                directory.rmdir()


@contextlib.contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Wait for other processes inside such a block, so that they do not all download the same files.

    Without a lock they would, and each would leave the same files: where nothing can be locked, none is needed.
    """
    lock = FileLock(path)
    with contextlib.suppress(OSError, NotImplementedError):
        lock.acquire()
    try:
        yield
    finally:
        if lock.is_locked:
            with contextlib.suppress(OSError):
                path.unlink()
        lock.release()


def _install(files: list[str], stage: Path, folder: Path) -> None:
    """Move files to where they are found next time, if that is possible."""
    with contextlib.suppress(OSError):
        for file in files:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            put_in_place(stage / file, folder / file)


@contextlib.contextmanager
def _silent_with_timeout() -> Iterator[None]:
    """Keep torchvision from printing, and from waiting for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)
