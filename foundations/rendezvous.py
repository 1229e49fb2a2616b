"""How the processes of one run find each other: those that torchrun, or a launcher like it, has started."""

from __future__ import annotations

import contextlib
import ctypes
import datetime
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from foundations.errors import UserError
from foundations.ranks import Ranks

VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
"""What every launcher sets for each process."""

_PATIENCE = datetime.timedelta(days=7)
"""How long ranks that have met wait for each other: the leader may wait for a lock. A rank that dies is noticed."""

_BETWEEN = 0.1  # seconds between two looks
_SILENCE = 10.0  # seconds after which a process says what it waits for
_SET_PARENT_DEATH_SIGNAL = 1  # of prctl, in linux/prctl.h


@dataclass(frozen=True)
class Launch:
    """What a launcher tells a process of its place among the others.

    Args:
        number: its rank.
        size: how many there are.
        local: its number on its machine.
        local_size: how many there are on its machine.
        host: where they meet.
        by_torchrun: whether torchrun is the parent, and the host of the meeting.
        attempt: torchrun may start all of them again.
    """

    number: int
    size: int
    local: int
    local_size: int
    host: str
    port: int
    by_torchrun: bool = False
    attempt: str = "0"


def read_launch(environment: Mapping[str, str]) -> Launch | None:
    """Return what a launcher tells this process, or None if it is alone; warn if that is told in part.

    Raises:
        UserError: if a variable has a value that no launcher gives it.
    """
    given = {name: environment.get(name, "") for name in VARIABLES}
    missing = [name for name, value in given.items() if not value]
    if missing:
        if given["WORLD_SIZE"] not in ("", "1"):
            text = f"WORLD_SIZE={given['WORLD_SIZE']} is set, but {missing[0]} is not: this process runs alone"
            warnings.warn(text, stacklevel=2)
        return None
    size = _number("WORLD_SIZE", given["WORLD_SIZE"], 1, 10**6)
    if size == 1:
        return None
    return Launch(
        number=_number("RANK", given["RANK"], 0, size - 1),
        size=size,
        local=_number("LOCAL_RANK", given["LOCAL_RANK"], 0, size - 1),
        local_size=_number("LOCAL_WORLD_SIZE", environment.get("LOCAL_WORLD_SIZE") or str(size), 1, size),
        host=given["MASTER_ADDR"],
        port=_number("MASTER_PORT", given["MASTER_PORT"], 1, 65535),
        by_torchrun=environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True",
        attempt=environment.get("TORCHELASTIC_RESTART_COUNT", "0"),
    )


def _number(name: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        valid = f"must be a whole number from {least} to {most}, or unset, as must {VARIABLES[0]}, to run alone"
        raise UserError(f"the environment variable {name}={text}: {valid}")
    return int(text)


def join_ranks(minutes: float, environment: Mapping[str, str] = os.environ) -> Ranks:
    """Return this process's place among those that a launcher has started, once all are there; alone if there is none.

    Signals are obeyed while it waits.

    Args:
        minutes: how long to wait for the others.

    Raises:
        UserError: if they do not come in time, or cannot be connected.
    """
    launch = read_launch(environment)
    if launch is None:
        return Ranks()
    if launch.by_torchrun:
        _end_with_parent()
    # As many as there are processes on this machine: all of them find the same.
    have_gpus = torch.cuda.device_count() >= launch.local_size
    if have_gpus:
        torch.cuda.set_device(launch.local)
    store = _meet(launch, time.monotonic() + 60 * minutes)
    with _failures_in_words(launch):
        backend, timeout = "cpu:gloo,cuda:nccl" if have_gpus else "gloo", datetime.timedelta(minutes=minutes)
        dist.init_process_group(backend, store=store, rank=launch.number, world_size=launch.size, timeout=timeout)
        for device in ("cpu", "cuda") if have_gpus else ("cpu",):
            dist.all_reduce(torch.zeros(1, device=device))  # connections are made when they are first used
        _wait_for_each_other(_PATIENCE)
    _meetings.append(launch)
    return Ranks(launch.number, launch.size, launch.local, have_gpus)


def have_met() -> bool:
    """Return whether this process has been connected to other ranks: threads of gloo's stay, even after a goodbye."""
    return bool(_meetings)


_meetings: list[Launch] = []


def _meet(launch: Launch, deadline: float) -> Store:
    """Return the store that the processes share, once all of them have come to it."""
    is_host = launch.number == 0 and not launch.by_torchrun
    if not is_host:
        _until(lambda: _unreachable(launch), deadline)
    with _failures_in_words(launch):
        store: Store = TCPStore(launch.host, launch.port, is_master=is_host, wait_for_workers=False)
        store = PrefixStore(f"open_lth/{launch.attempt}", store)
        store.set(str(launch.number), "there")
        _until(lambda: _absent(launch, store), deadline)
    return store


def _unreachable(launch: Launch) -> str:
    try:
        socket.create_connection((launch.host, launch.port), timeout=1).close()
    except OSError as error:
        return (
            f"the process that MASTER_ADDR={launch.host} and MASTER_PORT={launch.port} name ({error.strerror or error})"
        )
    return ""


def _absent(launch: Launch, store: Store) -> str:
    numbers = [str(number) for number in range(launch.size) if not store.check([str(number)])]
    return f"rank {', '.join(numbers)} of the {launch.size} that WORLD_SIZE announces" if numbers else ""


def _until(awaited: Callable[[], str], deadline: float) -> None:
    """Wait until nothing is awaited any more.

    Raises:
        UserError: if that takes too long.
    """
    began, said = time.monotonic(), False
    while what := awaited():
        now = time.monotonic()
        if now > deadline:
            remedy = "unset RANK and WORLD_SIZE to run alone, or give it more --ranks_timeout"
            raise UserError(f"waited in vain for {what}; {remedy}")
        if now - began > _SILENCE and not said:
            said = True
            print(f"waiting for {what}", file=sys.stderr, flush=True)
        time.sleep(_BETWEEN)


@contextlib.contextmanager
def _failures_in_words(launch: Launch) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"rank {launch.number} of {launch.size} cannot be connected to the others ({str(error).splitlines()[0]}); "
            "GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME choose the network's interface, MASTER_PORT the port"
        ) from None


def _wait_for_each_other(timeout: datetime.timedelta) -> None:
    if hasattr(dist, "set_timeout"):
        dist.set_timeout(timeout)
    else:  # before torch 2.13
        dist.distributed_c10d._set_pg_timeout(timeout)


def _end_with_parent() -> None:
    """Have this process asked to stop when its parent dies, as a killed torchrun does; Linux alone can do that."""
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died in between
            signal.raise_signal(signal.SIGTERM)
