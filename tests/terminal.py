"""A pseudo-terminal, for what is only shown on one."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios


class Terminal:
    """A terminal of 120 columns: what is written to it can be read back."""

    def __init__(self) -> None:
        self._master, slave = os.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
        self.stream = open(slave, "w", buffering=1)  # noqa: SIM115

    def text(self) -> str:
        """Return what has been written since the last call; the kernel delivers it a little later."""
        self.stream.flush()
        found = b""
        while select.select([self._master], [], [], 0.3)[0]:
            found += os.read(self._master, 100_000)
        return found.decode()

    def close(self) -> None:
        self.stream.close()
        os.close(self._master)
