"""What users are told while something goes on: messages of one logger, which a library's users route as they like."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LOGGER: Final = logging.getLogger("open_lth")


class _Lines(logging.Handler):
    """Writes each message once, as a line that begins with its level."""

    def __init__(self) -> None:
        super().__init__()
        self._written: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        line = f"{record.levelname.lower()}: {record.getMessage()}"
        if line not in self._written:
            self._written.add(line)
            sys.stderr.write(f"{line}\n")


@contextmanager
def messages_on_stderr() -> Iterator[None]:
    """Write messages to stderr inside the block, and what other packages warn of in the same form."""
    handler = _Lines()
    LOGGER.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: LOGGER.warning("%s", message)
            yield
    finally:
        LOGGER.removeHandler(handler)
