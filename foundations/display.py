"""Standard output and standard error, which may go away, or lack letters, while the work goes on without them.

What they show may come from others, such as names of files: a terminal is to show it, and not to obey it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_CURSOR_UP = re.compile(r"(\x1b\[A)+")
"""What progress bars write to go back, by itself."""


def shown(text: str) -> str:
    """Return a text with what would control a terminal, such as escape sequences, written out in hexadecimal."""
    return text if _CURSOR_UP.fullmatch(text) else _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


class LastingStream:
    """A text stream that is written to as long as that is possible; afterwards what is written is dropped.

    A pipe whose reader has left, a terminal that was closed and a disk that is full end no training. What would control
    a terminal is written out.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text."""
        try:
            self._stream.write(shown(text))
        except (OSError, ValueError):
            self._let_go()
        return len(text)

    def flush(self) -> None:
        """Write what is kept back."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._let_go()

    def _let_go(self) -> None:
        # What is kept back still has to go somewhere when Python ends.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def let_streams_last() -> None:
    """Let the process's streams outlive their readers, and write letters that they lack as escapes."""
    os.environ.setdefault("PYTHON_COLORS", "0")  # Python's own messages would have their colours written out
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # it was closed before the program began
            stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - as long as the process lives
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        setattr(sys, name, LastingStream(stream))
