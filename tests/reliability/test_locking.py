"""Many processes, one run: one works, and the others say so and leave, or wait and find the work done."""

from __future__ import annotations

import contextlib
import platform
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.open_lth.running import LENET, results, snapshot
from tests.reliability.processes import Command, Ended
from tests.reliability.test_signals import wait_for

RUNNING = ("--training_steps=2000ep",)  # longer than any test waits
HOLDER = rf"process (\d+) on {re.escape(platform.node())} since \d{{4}}-\d\d-\d\dT[:+\d]+"


def lottery(tmp_path: Path, *more: str) -> list[str]:
    return ["lottery", "--levels=1", *LENET, *more, f"--root={tmp_path / 'results'}"]


def run_directory(words: list[str], place: Path) -> Path:
    with Command([*words, "--display_output_location"], place) as command:
        return Path(command.wait().out.strip()).parent.parent


@contextlib.contextmanager
def started(words: list[str], place: Path, count: int) -> Iterator[list[Command]]:
    """Start a command several times at once."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Command(words, place / str(number))) for number in range(count)]


@contextlib.contextmanager
def held(tmp_path: Path) -> Iterator[tuple[Command, list[str], Path]]:
    """Give a lottery that trains and will not end, its command, and its directory."""
    words = lottery(tmp_path, *RUNNING, "--quiet")
    directory = run_directory(words, tmp_path / "asked")
    with Command(words, tmp_path / "holder") as holder:
        wait_for(directory / "level_0" / "main" / "checkpoint.pth", holder)
        yield holder, words, directory


def test_of_eight_processes_started_at_once_exactly_one_trains(tmp_path, tries, tally):
    count, lost = tries(1, 20), []
    with Command(lottery(tmp_path / "alone", "--quiet"), tmp_path / "alone") as alone:
        assert alone.wait().code == 0
    expected = results(tmp_path / "alone")
    for number in range(count):
        place = tmp_path / str(number)
        with started(lottery(place, "--quiet"), place, 8) as commands:
            ended = [command.wait() for command in commands]
        done = [one for one in ended if one == Ended(0, "", "")]
        refused = [one for one in ended if one.code == 2 and re.search(rf": in use by ({HOLDER}|another)", one.err)]
        if not done or len(done) + len(refused) != 8 or results(place) != expected:
            lost.append(ended)
    tally(8 * count, len(lost), "processes at once on one run")
    assert not lost


def test_of_eight_processes_that_wait_one_trains_and_all_succeed(tmp_path):
    words = lottery(tmp_path, "--lock_timeout=100")
    with started(words, tmp_path, 8) as commands:
        ended = [command.wait() for command in commands]
    assert [one.code for one in ended] == [0] * 8
    assert sum(" test  ep " in one.out for one in ended) == 1


def test_a_process_that_finds_a_run_in_use_leaves_at_once_and_names_the_holder(tmp_path):
    with held(tmp_path) as (holder, words, directory):
        before = time.monotonic()
        with Command(words, tmp_path / "second") as second:
            ended = second.wait()
        assert time.monotonic() - before < 5
        assert holder.is_alive
    assert (ended.code, ended.out) == (2, "")
    message = re.fullmatch(rf"error: {directory}: in use by {HOLDER}; wait for it or stop it\n", ended.err)
    assert message and int(message[1]) == holder.pid


def test_a_process_waits_as_long_as_it_may_and_says_for_whom(tmp_path):
    with held(tmp_path) as (holder, words, directory):
        words.remove("--quiet")
        before = time.monotonic()
        with Command([*words, "--lock_timeout=1.5"], tmp_path / "second") as second:
            ended = second.wait()
        assert time.monotonic() - before > 1.5
    assert ended.code == 2
    waiting, refused = ended.err.splitlines()
    assert re.fullmatch(rf"{directory}: waiting for {HOLDER}", waiting)
    assert f" {holder.pid} " in waiting and refused.startswith(f"error: {directory}: in use by process {holder.pid} ")


def test_a_process_that_waits_stops_at_once_when_it_is_asked_to(tmp_path):
    with held(tmp_path) as (holder, words, _):
        words.remove("--quiet")
        with Command([*words, "--lock_timeout=100"], tmp_path / "second") as second:
            while "waiting for" not in second.err:
                assert second.is_alive, second.wait()
                time.sleep(0.01)
            second.signal(signal.SIGTERM)
            assert second.wait(5).code == 75
        assert holder.is_alive


def test_a_holder_that_is_killed_is_taken_over_within_ten_seconds(tmp_path, tries, tally):
    count, late = tries(1, 20), 0
    for number in range(count):
        place = tmp_path / str(number)
        with held(place) as (holder, words, directory):
            words.remove("--quiet")
            with Command([*words, "--lock_timeout=100"], place / "second") as second:
                while "waiting for" not in second.err:
                    assert second.is_alive, second.wait()
                    time.sleep(0.01)
                trained = level_0(directory)
                holder.signal(signal.SIGKILL)
                killed = time.monotonic()
                while not trained_on(directory, second.pid):
                    assert second.is_alive, second.wait()
                    time.sleep(0.01)
                late += time.monotonic() - killed > 10
                assert level_0(directory).items() >= trained.items()
    tally(count, late, "a killed holder's run taken over")
    assert not late


def level_0(directory: Path) -> dict[str, bytes]:
    return {name: content for name, (_, content) in snapshot(directory / "level_0").items() if "model_" in name}


def trained_on(directory: Path, pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return f'"pid": {pid}' in (directory / ".lock_holder.json").read_text()
    return False


def test_what_was_done_while_a_process_waited_is_not_done_again(tmp_path):
    words = lottery(tmp_path)
    with Command(words, tmp_path / "first") as first:
        wait_for(run_directory(words, tmp_path / "asked") / "level_0" / "main" / "checkpoint.pth", first)
        with Command([*words, "--lock_timeout=100"], tmp_path / "second") as second:
            assert first.wait().code == 0
            before = snapshot(tmp_path / "results")
            assert second.wait().code == 0
    after = snapshot(tmp_path / "results")
    # The second process takes the lock, and says so, at any moment.
    assert {name: kept for name, kept in after.items() if ".lock" not in name} == {
        name: kept for name, kept in before.items() if ".lock" not in name
    }


@pytest.mark.parametrize("timeout", ["-1", "nan", "inf", "soon", ""])
def test_how_long_to_wait_is_a_number(workplace, timeout):
    message = workplace.refused("lottery", "--levels=1", *LENET, f"--lock_timeout={timeout}")
    assert message == f"error: --lock_timeout={timeout}: must be a number at least 0"
