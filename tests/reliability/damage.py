"""What can happen to a file: its end is lost, a byte changes, nothing is left of it."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from foundations.errors import UserError

TRUNCATIONS, FLIPS = 16, 64


def damages(whole: bytes) -> Iterator[bytes]:
    """Iterate over an empty file, a file truncated at 16 offsets, and with one byte changed at 64 places."""
    source = random.Random(len(whole))
    yield b""
    for offset in source.sample(range(1, len(whole)), min(TRUNCATIONS, len(whole) - 1)):
        yield whole[:offset]
    for place in source.sample(range(len(whole)), min(FLIPS, len(whole))):
        yield whole[:place] + bytes([whole[place] ^ source.randrange(1, 256)]) + whole[place + 1 :]


def refusals(path: Path, read: Callable[[], object], named: str) -> tuple[int, int, list[str]]:
    """Damage a file in every way and read each time.

    Args:
        named: what every message is to name; besides, it is to be one line that says what can be done.

    Returns:
        How often that was, how often it was read as if nothing had happened, and messages that are not as they should.
    """
    whole, tried, unnoticed, wrong = path.read_bytes(), 0, 0, []
    for damaged in damages(whole):
        path.write_bytes(damaged)
        tried += 1
        try:
            read()
            unnoticed += 1
        except UserError as error:
            if named not in str(error) or "delete" not in str(error) or "\n" in str(error):
                wrong.append(str(error))
    path.write_bytes(whole)
    return tried, unnoticed, wrong


def follow_advice(message: str) -> None:
    """Do what an error message asks for: delete what it names."""
    start = re.match(r"error: (/.*?): ", message)
    named = re.search(r" or delete (/.*) to begin again$", message)
    both = re.search(r"; delete (\S+) and (\S+) to train", message)
    assert start, message
    path = Path(start[1])
    if named:
        shutil.rmtree(named[1])
    elif both:
        for name in both.groups():
            (path.parent / name).unlink()
    else:
        assert "; delete it" in message or "; delete the file" in message or f"; delete {path.name}" in message, message
        path.unlink()
