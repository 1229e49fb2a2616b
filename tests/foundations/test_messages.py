"""Messages: lines on stderr in a command, records of the logger `open_lth` for whoever uses the packages."""

from __future__ import annotations

import logging
import warnings

import pytest

from foundations.messages import LOGGER, messages_on_stderr


def test_a_message_is_one_line_on_stderr_with_its_level(capsys):
    with messages_on_stderr():
        LOGGER.warning("%s: %d %% of it", "a", 3)
        LOGGER.error("too bad")
    assert capsys.readouterr() == ("", "warning: a: 3 % of it\nerror: too bad\n")


def test_a_message_comes_once_in_a_command_and_again_in_the_next(capsys):
    for _ in range(2):
        with messages_on_stderr():
            for name in "aba":
                LOGGER.warning("left out: %s", name)
        assert capsys.readouterr().err == "warning: left out: a\nwarning: left out: b\n"


@pytest.mark.filterwarnings("default")
def test_what_other_packages_warn_of_looks_the_same_and_has_no_place_in_the_code(capsys):
    with messages_on_stderr():
        warnings.warn("this is old", FutureWarning, stacklevel=1)
    assert capsys.readouterr().err == "warning: this is old\n"


def test_outside_of_commands_messages_are_records_that_propagate_and_nothing_is_written(caplog, capsys):
    with messages_on_stderr():
        pass
    LOGGER.warning("left out: %s", "a")
    assert caplog.record_tuples == [("open_lth", logging.WARNING, "left out: a")]
    assert capsys.readouterr() == ("", "")
    assert not LOGGER.handlers


def test_after_a_failure_nothing_of_it_is_left(capsys):
    shown = warnings.showwarning
    with pytest.raises(ZeroDivisionError), messages_on_stderr():
        raise ZeroDivisionError
    assert not LOGGER.handlers and warnings.showwarning is shown
