from __future__ import annotations

import time
from collections.abc import Callable

import pytest


def busy(seconds: float, mebibytes: int) -> Callable[[], object]:
    """Work that takes so much processor time and touches so much memory; in a process of its own."""
    held = bytearray(mebibytes << 20)

    def work() -> None:
        held[:: 1 << 12] = b"1" * len(held[:: 1 << 12])
        end = time.process_time() + seconds
        while time.process_time() < end:
            pass

    return work


def failing() -> Callable[[], object]:
    raise SystemExit(3)


@pytest.mark.slow
def test_competitors_are_measured_in_turns_each_in_its_own_process() -> None:
    from measuring import Competitor, side_by_side

    small, big = side_by_side(
        [Competitor("small", busy, (0.02, 1), repeats=4), Competitor("big", busy, (0.06, 128))], rounds=2, warm_up=1
    )
    assert len(small.seconds) == len(big.seconds) == 2
    assert small.median == pytest.approx(0.02, rel=0.3)
    assert big.median == pytest.approx(0.06, rel=0.3)
    assert small.mebibytes == pytest.approx(1, abs=1)
    assert big.mebibytes == pytest.approx(128, abs=8)
    assert big.over(small).startswith("3")


@pytest.mark.slow
def test_a_competitor_that_fails_is_named() -> None:
    from measuring import Competitor, side_by_side

    with pytest.raises(SystemExit, match="the broken one: its process failed"):
        side_by_side([Competitor("the broken one", failing)], rounds=1)


def test_a_ratio_is_taken_round_by_round() -> None:
    from measuring import Cost

    assert Cost((2.0, 30.0, 4.0), 0).over(Cost((1.0, 10.0, 1.0), 0)) == "3 (2–4)"
    assert Cost((2.0, 30.0, 4.0), 0).median == 4


@pytest.mark.parametrize(
    ("value", "text"), [(1234.5, "1,234"), (99.96, "100"), (12.34, "12.3"), (0.012345, "0.0123"), (0.0, "0")]
)
def test_figures_have_three_digits_that_count(value: float, text: str) -> None:
    from measuring import figure

    assert figure(value) == text
