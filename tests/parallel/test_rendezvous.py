"""Processes that find each other, and what keeps them apart."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest

WHOLE = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
JOINING = """
import sys
from foundations.errors import UserError
from foundations.interruption import Interrupted, stopping_at_once
from foundations.rendezvous import join_ranks
try:
    with stopping_at_once():
        print("joining", flush=True)
        ranks = join_ranks(float(sys.argv[1]))
        print("joined", ranks.number, ranks.size, ranks.collect(ranks.number), flush=True)
        ranks.close()
except UserError as error:
    print(f"error: {error}")
    sys.exit(2)
except Interrupted as stop:
    sys.exit(stop.exit_code)
"""


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


def start(minutes: float, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    """Start a process that joins others."""
    alone = {name: value for name, value in os.environ.items() if name not in WHOLE}
    return subprocess.Popen(
        [sys.executable, "-c", JOINING, str(minutes)],
        env={**alone, "TORCH_CPP_LOG_LEVEL": "ERROR", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def of_rank(number: int, port: int, size: int = 2) -> dict[str, str]:
    return dict(zip(WHOLE, (str(number), str(size), str(number), "127.0.0.1", str(port)), strict=True))


def test_processes_that_come_one_after_the_other_meet():
    port = free_port()
    second = start(5, of_rank(1, port))
    first = start(5, of_rank(0, port))
    printed = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert printed == [f"joining\njoined {number} 2 [0, 1]\n" for number in range(2)]
    assert (first.returncode, second.returncode) == (0, 0)


@pytest.mark.parametrize(
    ("number", "awaited"),
    [
        (0, "rank 1, 2 of the 3 that WORLD_SIZE announces"),
        (1, "the process that MASTER_ADDR=127.0.0.1 and MASTER_PORT={port} name (Connection refused)"),
    ],
)
def test_left_over_variables_are_named_after_the_time(number, awaited):
    port = free_port()
    process = start(0.01, of_rank(number, port, size=3))
    printed, _ = process.communicate(timeout=120)
    awaited = awaited.format(port=port)
    remedy = "unset RANK and WORLD_SIZE to run alone, or give it more --ranks_timeout"
    assert (process.returncode, printed) == (2, f"joining\nerror: waited in vain for {awaited}; {remedy}\n")


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_signals_are_obeyed_while_it_waits(number, sent, code):
    with start(5, of_rank(number, free_port())) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "joining\n"
        time.sleep(0.5)
        process.send_signal(sent)
        assert process.wait(20) == code


def test_a_port_in_use_is_named():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        process = start(1, of_rank(0, listening.getsockname()[1]))
        printed, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "error: rank 0 of 2 cannot be connected to the others (" in printed and "MASTER_PORT the port\n" in printed


def test_a_wrong_interface_is_a_mistake_and_no_lost_rank():
    port = free_port()
    both = [start(0.1, {**of_rank(number, port), "GLOO_SOCKET_IFNAME": "bogus0"}) for number in range(2)]
    printed = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [2, 2], printed
    assert all("cannot be connected to the others (" in text and "bogus0" in text for text in printed), printed
