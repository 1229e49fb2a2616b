"""What the sinks wrote, read back: TensorBoard by its own reader, Weights & Biases' offline files record by record."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb.proto.wandb_internal_pb2 import Record

_PATIENCE = 30.0
_BLOCK = 1 << 15
_FILE_HEADER, _PART_HEADER = 7, 7
_WHOLE, _LAST = 1, 4

Values = dict[tuple[str, int], float]


def tensorboard_values(run: Path) -> Values:
    """Return the values in a run's event files by tag and step; no step may be there twice."""
    reader = EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0})
    reader.Reload()
    found = [((tag, e.step), e.value) for tag in reader.Tags()["scalars"] for e in reader.Scalars(tag)]
    assert len(dict(found)) == len(found)
    return dict(found)


def wandb_files(directory: Path) -> list[Path]:
    """Return the files of the offline runs below a directory, the oldest first, once each is written to its end."""
    files = sorted(directory.rglob("offline-run-*/*.wandb"), key=lambda path: path.parent.name)
    deadline = time.monotonic() + _PATIENCE
    while not all(map(wandb_exit_codes, files)):  # wandb's own process may lag behind
        assert time.monotonic() < deadline, files
        time.sleep(0.02)
    return files


def wandb_values(file: Path) -> Values:
    """Return the values of an offline run by name and step."""
    rows = [record.history for record in records(file) if record.WhichOneof("record_type") == "history"]
    found = [
        ((item.nested_key[0] if item.nested_key else item.key, row.step.num), json.loads(item.value_json))
        for row in rows
        for item in row.item
    ]
    assert len(dict(found)) == len(found)
    return {(name, step): value for (name, step), value in found if not name.startswith("_")}


def wandb_run(file: Path) -> Any:
    """Return what an offline run says of itself."""
    return next(record.run for record in records(file) if record.WhichOneof("record_type") == "run")


def wandb_config(file: Path) -> dict[str, Any]:
    """Return an offline run's configuration, its own notes left out."""
    found = {entry.key: json.loads(entry.value_json) for entry in wandb_run(file).config.update}
    return {name: value for name, value in found.items() if not name.startswith("_")}


def wandb_exit_codes(file: Path) -> list[int]:
    """Return how an offline run was closed, if it was."""
    return [record.exit.exit_code for record in records(file) if record.WhichOneof("record_type") == "exit"]


def records(file: Path) -> Iterator[Any]:
    """Iterate over an offline file's records: a log of LevelDB's form, whose records are parts in blocks of 32 KiB."""
    content, place, parts = file.read_bytes(), _FILE_HEADER, b""
    while place + _PART_HEADER <= len(content):
        left = _BLOCK - place % _BLOCK
        if left < _PART_HEADER:
            place += left
            continue
        length, kind = struct.unpack("<HB", content[place + 4 : place + _PART_HEADER])
        place += _PART_HEADER
        parts += content[place : place + length]
        place += length
        if kind in (_WHOLE, _LAST):
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""
