from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

import pytest

from foundations import interruption
from foundations.interruption import (
    STOP_SIGNALS,
    Interrupted,
    hidden_interruption,
    ignore_stop_signals,
    interruption_requests,
    stopping_at_once,
)


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> Iterator[None]:
    """Python's own handlers; a shell that starts tests in the background lets them ignore Ctrl-C."""
    before = {number: signal.getsignal(number) for number in STOP_SIGNALS}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in STOP_SIGNALS]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 75), (signal.SIGUSR1, 75)])
def test_a_signal_stops_at_once_and_the_exit_code_tells_a_hand_from_a_batch_system(number, code):
    with pytest.raises(Interrupted) as caught, stopping_at_once():
        os.kill(os.getpid(), number)
        pytest.fail("the signal did nothing")
    assert isinstance(caught.value, KeyboardInterrupt)
    assert caught.value.exit_code == code
    assert str(caught.value) == f"stopped by {number.name}; what was finished or saved stays"


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_while_work_would_be_lost_a_signal_only_asks(number):
    with pytest.raises(Interrupted) as caught, interruption_requests() as request:
        assert not request.requested
        signal.raise_signal(number)
        assert request.requested
        request.allow_immediate_stop("level_2/main at 1ep3it")
        pytest.fail("the request was forgotten")
    assert str(caught.value) == f"stopped by {number.name} in level_2/main at 1ep3it; everything up to there is saved"


def test_once_everything_is_saved_a_signal_stops_at_once_until_that_is_deferred_again():
    with pytest.raises(Interrupted, match=r"SIGTERM in level_0/main at 0ep4it"), interruption_requests() as request:
        request.allow_immediate_stop("level_0/main at 0ep0it")
        request.defer_stop()
        request.allow_immediate_stop("level_0/main at 0ep4it")
        signal.raise_signal(signal.SIGTERM)
        pytest.fail("the signal did nothing")
    with pytest.raises(Interrupted, match="what was finished"), interruption_requests() as request:
        request.allow_immediate_stop("level_0/main at 0ep0it")
        request.defer_stop()
        signal.raise_signal(signal.SIGTERM)
        assert request.requested


def test_a_second_signal_stops_at_once_though_nothing_is_saved(monkeypatch):
    with pytest.raises(Interrupted, match="SIGINT; what"), interruption_requests() as request:
        signal.raise_signal(signal.SIGTERM)
        monkeypatch.setattr(interruption, "ONE_REQUEST", 0.0)
        assert request.requested
        signal.raise_signal(signal.SIGINT)
        pytest.fail("the second signal did nothing")


def test_signals_at_about_the_same_time_are_one_request():
    """A batch system signals every process of a job, and some of them pass the signal on."""
    with pytest.raises(Interrupted, match="everything up to there"), interruption_requests() as request:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
        request.allow_immediate_stop("level_0/main at 0ep4it")


def test_a_request_that_nobody_looked_at_stops_at_the_end_of_the_block():
    with pytest.raises(Interrupted, match="SIGUSR1; what"), interruption_requests():
        signal.raise_signal(signal.SIGUSR1)


@pytest.mark.parametrize("block", [stopping_at_once, interruption_requests])
def test_the_handlers_of_before_are_back_after_the_block_and_after_an_error(block):
    before = handlers()
    with block():
        assert not set(map(id, before)) & set(map(id, handlers()))
    assert handlers() == before
    with pytest.raises(RuntimeError, match="inside"), block():
        raise RuntimeError("inside")
    assert handlers() == before


@pytest.mark.parametrize("block", [stopping_at_once, interruption_requests])
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_that_was_ignored_stays_ignored(block, number):
    signal.signal(number, signal.SIG_IGN)
    with block():
        assert signal.getsignal(number) is signal.SIG_IGN
        signal.raise_signal(number)
        assert handlers().count(signal.SIG_IGN) == 1
    assert signal.getsignal(number) is signal.SIG_IGN


@pytest.mark.parametrize("block", [stopping_at_once, interruption_requests])
def test_in_another_thread_the_block_changes_nothing(block):
    before, found = handlers(), []

    def work() -> None:
        with block():
            found.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [before]


def test_a_worker_process_leaves_stopping_to_the_main_one():
    ignore_stop_signals(0)
    assert handlers() == [signal.SIG_IGN] * len(STOP_SIGNALS)


def test_a_stop_is_found_behind_the_errors_that_it_led_to():
    stop = Interrupted(signal.SIGTERM, "level_0")
    try:
        try:
            try:
                raise stop
            finally:
                [].pop()
        except IndexError:
            raise ValueError from None
    except ValueError as error:
        assert hidden_interruption(error) is stop
    try:
        [].pop()
    except IndexError as error:
        assert hidden_interruption(error) is None


@pytest.mark.parametrize("stopped", [False, True])
def test_signals_change_nothing_any_more_after_a_block_with_which_the_process_ends(stopped):
    with contextlib.suppress(Interrupted), stopping_at_once(ends_here=True):
        if stopped:
            signal.raise_signal(signal.SIGTERM)
    for number in STOP_SIGNALS:
        signal.raise_signal(number)
    assert handlers() == [signal.SIG_IGN] * len(STOP_SIGNALS)
