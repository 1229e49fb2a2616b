from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundations.errors import UserError
from foundations.metric_logger import MetricLogger
from foundations.paths import ReplicatePaths, RunPaths
from foundations.step import Step

OPENLTH_ROOT = Path(__file__).parents[1] / "data" / "openlth_root"
TEXT = "test_loss,0,2.5\ntest_accuracy,0,0.1\ntest_loss,20,1.5\ntest_accuracy,20,0.6\ntest_accuracy,10,0.7"

entries = st.lists(
    st.tuples(st.from_regex(r"[a-z]+_[a-z0-9]+", fullmatch=True), st.integers(0, 10**9), st.floats()), max_size=8
)


def step(iteration: int) -> Step:
    return Step(iteration, 10)


@given(entries)
def test_measures_come_back_from_their_file_bit_for_bit(tmp_path_factory, measures):
    logger = MetricLogger()
    for name, iteration, value in measures:
        logger.add(name, step(iteration), value)
    paths = RunPaths(tmp_path_factory.mktemp("run"))
    logger.save(paths)
    found = MetricLogger.load(paths.logger)
    assert str(found) == str(logger) == paths.logger.read_text()
    assert found.names() == logger.names()
    for name in logger.names():
        assert list(map(repr, found.get(name).items())) == list(map(repr, logger.get(name).items()))


def test_lines_are_name_iteration_value_in_the_order_in_which_they_were_added():
    logger = MetricLogger()
    for line in TEXT.splitlines():
        name, iteration, value = line.split(",")
        logger.add(name, step(int(iteration)), float(value))
    assert str(logger) == TEXT


def test_values_are_found_by_measure_and_by_iteration():
    logger = MetricLogger.parse(TEXT)
    assert logger.names() == ["test_loss", "test_accuracy"]
    assert list(logger.get("test_accuracy").items()) == [(0, 0.1), (10, 0.7), (20, 0.6)]
    assert logger.get("train_loss") == {}
    assert list(logger.rows().items()) == [
        (0, {"test_loss": 2.5, "test_accuracy": 0.1}),
        (10, {"test_accuracy": 0.7}),
        (20, {"test_loss": 1.5, "test_accuracy": 0.6}),
    ]


def test_a_second_value_replaces_the_first_and_keeps_its_place():
    logger = MetricLogger.parse(TEXT)
    logger.add("test_loss", step(0), 9)
    assert str(logger) == TEXT.replace("test_loss,0,2.5", "test_loss,0,9.0")


def test_the_best_value_is_the_greatest_or_nothing():
    logger = MetricLogger.parse(TEXT)
    assert logger.best() == 0.7
    assert logger.best("test_loss") == 2.5
    assert math.isnan(logger.best("train_loss"))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "test_loss",
        "test_loss,0",
        "test_loss,0,1.0,2",
        "test_loss,x,1.0",
        "test_loss,0,one",
        ",0,1.0",
        "test_loss,-1,1.0",
        "test_loss,1.5,1.0",
        "test_loss,0,",
    ],
)
def test_a_malformed_line_is_reported_with_its_file_and_number(tmp_path, line):
    (tmp_path / "logger").write_text(f"test_loss,0,1.0\n{line}\ntest_loss,1,1.0")
    with pytest.raises(UserError) as caught:
        MetricLogger.load(tmp_path / "logger")
    reason = "line 2 is not of the form name,iteration,value; delete the file to have it made again"
    assert str(caught.value) == f"{tmp_path / 'logger'}: {reason}"


def test_a_file_that_cannot_be_read_is_reported_by_name(tmp_path):
    with pytest.raises(UserError, match=f"^{tmp_path / 'logger'}: no such file"):
        MetricLogger.load(tmp_path / "logger")
    (tmp_path / "logger").write_bytes(b"test_loss,0,\xff")
    with pytest.raises(UserError, match=f"^{tmp_path / 'logger'}: unreadable"):
        MetricLogger.load(tmp_path / "logger")


def test_openlths_logger_is_read_and_written_to_the_letter():
    paths = ReplicatePaths(OPENLTH_ROOT, "lottery_10ded27454e22a1b71fcd332ae4f15d0", 1).level(0)
    logger = MetricLogger.load(paths.logger)
    assert logger.rows() == {
        0: {"test_loss": 2.4765626953125, "test_accuracy": 0.0788, "test_examples": 10000.0},
        20: {"test_loss": 1.8532982421875, "test_accuracy": 0.3109, "test_examples": 10000.0},
    }
    assert str(logger) == paths.logger.read_text()
