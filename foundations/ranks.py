"""The processes that train one run together, as torchrun starts them."""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from foundations.errors import RankLost, UserError

Made = TypeVar("Made")

_LEADER = 0
_PATIENCE = datetime.timedelta(days=7)
"""How long ranks wait for each other: the leader may wait for another process's lock. A rank that dies is noticed."""

_HOST = torch.device("cpu")


class Ranks:
    """The processes of one run: which of them this is, and how they speak to each other.

    Every method that speaks must be called by all ranks, in the same order. Alone, all of them are free.

    Args:
        number: this process's, from 0; rank 0 leads: it alone reads and writes results.
        size: how many there are.
        local: this process's number on its machine, which chooses its GPU.
        have_gpus: whether there is a GPU for each process.
    """

    def __init__(self, number: int = _LEADER, size: int = 1, local: int = 0, have_gpus: bool = False) -> None:
        self.number = number
        self.size = size
        self.local = local
        self.have_gpus = have_gpus
        self._is_leading = False

    @property
    def is_leader(self) -> bool:
        """Whether this is the process that reads and writes results."""
        return self.number == _LEADER

    def part(self, count: int) -> slice:
        """Return which of `count` things are this rank's: as many as the others', or one more."""
        least, extra = divmod(count, self.size)
        start = self.number * least + min(self.number, extra)
        return slice(start, start + least + (self.number < extra))

    def add_up(self, tensor: Tensor) -> None:
        """Replace a tensor by its sum over the ranks."""
        if self.size > 1:
            with speaking():
                dist.all_reduce(tensor)

    def send(self, value: Any = None) -> Any:
        """Return the leader's value on every rank; tensors in it must be on the CPU."""
        if self.size == 1:
            return value
        carrier = [value]
        with speaking():
            dist.broadcast_object_list(carrier, _LEADER, device=_HOST)
        return carrier[0]

    def send_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Give every rank the leader's values, in place."""
        if self.size > 1:
            with speaking():
                for tensor in tensors.values():
                    dist.broadcast(tensor, _LEADER)

    def collect(self, value: Any) -> list[Any]:
        """Return every rank's value, in their order, on every rank; tensors in it must be on the CPU."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        with speaking():
            dist.all_gather_object(values, value)
        return values

    def leader_first(self, make: Callable[[], Made]) -> Made:
        """Return what is made, first by the leader and then by the others."""
        made = make() if self.is_leader else None
        self.send()
        return make() if made is None else made

    def check_same(self, what: str, digest: str) -> None:
        """Check that all ranks have the same.

        Raises:
            UserError: naming what differs, and where.
        """
        digests = self.collect(digest)
        others = [str(number) for number, other in enumerate(digests) if other != digests[_LEADER]]
        if others:
            raise UserError(f"{what}: on rank {', '.join(others)} not what it is on rank {_LEADER}; a mistake of ours")

    @contextmanager
    def leading(self, task: object) -> Iterator[None]:
        """Let the others do a task along with the block; if the block fails, they are left alone."""
        if self.size > 1:
            self._is_leading = True
            self.send(task)
        yield
        self._is_leading = False

    def dismiss(self) -> None:
        """Let the others go, unless they were left in the middle of a task."""
        if self.size > 1 and not self._is_leading:
            with contextlib.suppress(RankLost):  # then it needs no letting go
                self.send(None)

    def leave(self) -> None:
        """Close the connections."""
        if self.size > 1:
            dist.destroy_process_group()


@contextmanager
def speaking() -> Iterator[None]:
    """Say in words that another rank is gone.

    Raises:
        RankLost: if the connection to it broke inside the block.
    """
    try:
        yield
    except RuntimeError as error:
        if isinstance(error, dist.DistError) or "gloo" in str(error) or "Connection" in str(error):
            reason = str(error).splitlines()[0]
            raise RankLost(
                f"another rank is gone, so this one ends, too; the same command goes on ({reason})"
            ) from None
        raise


def join_ranks(environment: Mapping[str, str] = os.environ) -> Ranks:
    """Return this process's place among those that torchrun has started; alone if it has started none."""
    size = int(environment.get("WORLD_SIZE", "1"))
    if size == 1 or "RANK" not in environment:
        return Ranks()
    number, local = int(environment["RANK"]), int(environment.get("LOCAL_RANK", "0"))
    # As many as there are processes on this machine: all of them find the same.
    have_gpus = torch.cuda.device_count() >= int(environment.get("LOCAL_WORLD_SIZE", size))
    if have_gpus:
        torch.cuda.set_device(local)
    with speaking():
        dist.init_process_group("cpu:gloo,cuda:nccl" if have_gpus else "gloo", timeout=_PATIENCE)
    return Ranks(number, size, local, have_gpus)
