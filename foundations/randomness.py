"""Named random streams: every random number is derived from a replicate and from what it is for."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch


def derive_seed(*parts: str | int) -> int:
    """Return the 63-bit seed that belongs to a sequence of names and numbers."""
    digest = hashlib.sha256("/".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


@dataclass(frozen=True)
class RandomStreams:
    """The random streams of one training run.

    The experiment's name plays no part, so experiments of one replicate share initial weights and
    data order, whatever is compared.

    Args:
        replicate: the replicate's number.
        level: the pruning level (or `pretrain`), so that levels see different orders.
        rank: the process, where several train one run together and are not to draw the same; 0 is like a process alone.
    """

    replicate: int
    level: str | int = 0
    rank: int = 0

    def of_rank(self, rank: int) -> RandomStreams:
        """Return the streams that a process has for itself."""
        return dataclasses.replace(self, rank=rank)

    def seed(self, purpose: str, *parts: str | int) -> int:
        """Return the seed of a stream, e.g. `seed("data_order", epoch)`."""
        own = ("rank", self.rank) if self.rank else ()
        return derive_seed(self.replicate, self.level, purpose, *parts, *own)

    def generator(self, purpose: str, *parts: str | int, device: torch.device | str = "cpu") -> torch.Generator:
        """Return a fresh generator for a stream, at its beginning."""
        return torch.Generator(device).manual_seed(self.seed(purpose, *parts))


def seed_default_generators(seed: int, device: torch.device) -> None:
    """Seed what layers draw from on the CPU and on a device.

    At every step: `torch.manual_seed` does the same, but looks for devices of every kind each time, which takes longer
    than replaying a step does.
    """
    if device.type not in ("cpu", "cuda"):
        torch.manual_seed(seed)
        return
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        torch.cuda.default_generators[index].manual_seed(seed)


@contextmanager
def default_generator_seeded(seed: int) -> Iterator[None]:
    """Seed torch's default CPU generator inside the block and restore it afterwards.

    Layers and initialisers of `torch.nn` draw from the default generator; this is how they get a named stream.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
