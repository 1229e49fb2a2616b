from __future__ import annotations

import os
import signal
import threading

import pytest

from foundations.step import Step
from training import Interrupted
from training.interruption import InterruptionRequest


def test_the_first_ctrl_c_only_asks_and_the_second_stops_at_once():
    with pytest.raises(KeyboardInterrupt) as caught, InterruptionRequest() as interruption:
        assert not interruption.requested
        signal.raise_signal(signal.SIGINT)
        assert interruption.requested
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the second Ctrl-C did nothing")
    assert type(caught.value) is KeyboardInterrupt


def test_the_handler_of_before_is_back_after_the_block_and_after_an_error():
    before = signal.getsignal(signal.SIGINT)
    with InterruptionRequest():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(RuntimeError, match="inside"), InterruptionRequest():
        raise RuntimeError("inside")
    assert signal.getsignal(signal.SIGINT) is before


def test_in_another_thread_the_block_changes_nothing():
    before, found = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with InterruptionRequest() as interruption:
            found.append((interruption.requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, before)]


def test_the_message_says_where_training_stopped():
    error = Interrupted("level_2/main", Step(13, 10))
    assert isinstance(error, KeyboardInterrupt)
    assert str(error) == "stopped in level_2/main at 1ep3it; everything up to there is saved"
