"""The processes that train one run together, as torchrun starts them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from foundations.errors import RankLost, UserError
from foundations.interruption import interruption_requests

Made = TypeVar("Made")

_LEADER = 0
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
        self._is_amid_work = False

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
            with raising_rank_lost():
                dist.all_reduce(tensor)

    def send(self, value: Any = None) -> Any:
        """Return the leader's value on every rank; tensors in it must be on the CPU."""
        if self.size == 1:
            return value
        carrier = [value]
        with raising_rank_lost():
            dist.broadcast_object_list(carrier, _LEADER, device=_HOST)
        return carrier[0]

    def send_tensors(self, tensors: Mapping[str, Tensor]) -> None:
        """Give every rank the leader's values, in place."""
        if self.size > 1:
            with raising_rank_lost():
                for tensor in tensors.values():
                    dist.broadcast(tensor, _LEADER)

    def collect(self, value: Any) -> list[Any]:
        """Return every rank's value, in their order, on every rank; tensors in it must be on the CPU."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        with raising_rank_lost():
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
    def leading(self, work: Callable[..., object], *arguments: Any) -> Iterator[None]:
        """Let the others, which follow, do their part of what the block does; if the block fails, they are left alone.

        Args:
            work: a function of a module, called with the rank's own `Ranks` and the arguments; all of them travel as
                pickles.
        """
        if self.size > 1:
            self._is_amid_work = True
            self.send((torch.get_num_threads(), work, arguments))
        yield
        self._is_amid_work = False

    def follow(self) -> None:
        """Do what the leader leads, until it needs nobody any more.

        Raises:
            Interrupted: if a signal asked for a stop; the leader has saved what was reached.
            RankLost: if the leader or another rank is gone.
        """
        while (told := self._hear()) is not None:
            threads, work, arguments = told
            torch.set_num_threads(threads)
            self._is_amid_work = True
            work(self, *arguments)
            self._is_amid_work = False

    def shut_down(self) -> None:
        """Let the others go, if this is the leader, and close the connections.

        A rank that was stopped amid work with others leaves them open until it ends: closing would wait for what the
        others may never say.
        """
        if self.size > 1 and not self._is_amid_work:
            if self.is_leader:
                with contextlib.suppress(RankLost):  # then it needs no letting go
                    self.send(None)
            self.close()

    def close(self) -> None:
        """Close the connections."""
        dist.destroy_process_group()

    def _hear(self) -> tuple[int, Callable[..., object], tuple[Any, ...]] | None:
        # Signals find this process waiting, in code that cannot be interrupted; the leader gets them, too.
        with interruption_requests():
            told: tuple[int, Callable[..., object], tuple[Any, ...]] | None = self.send()
        return told


@contextmanager
def raising_rank_lost() -> Iterator[None]:
    """Turn a connection that breaks inside the block into `RankLost`.

    Raises:
        RankLost: if one does.
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
