"""How hard these tests try, and the table of what they lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.open_lth.running import Workplace

_KEY = "tally"
_COLUMNS = ("test", "tries", "lost")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option; it is there if a path under this directory is given to pytest."""
    parser.addoption("--full_size", action="store_true", help="try as often as the project's claims say: takes long")


@pytest.fixture
def tries(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Return how often to try: `tries(small, full)` is the second with `--full_size`, else the first."""
    is_full = bool(request.config.getoption("--full_size", default=False))
    return lambda small, full: full if is_full else small


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Add a row to the table at the end: `tally(tried, lost)`, or `tally(tried, lost, "under another name")`.

    Tests may share a name.
    """

    def add(tried: int, lost: int, test: str = request.node.name) -> None:
        # A report's properties travel from parallel workers, too.
        request.node.user_properties.append((_KEY, (test, tried, lost)))

    return add


def _rows(reporter: pytest.TerminalReporter) -> Iterator[tuple[str, int, int]]:
    for outcome in ("passed", "failed"):
        for report in reporter.stats.get(outcome, []):
            if getattr(report, "when", None) == "call":
                yield from (tuple(row) for key, row in report.user_properties if key == _KEY)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table; rows of one name are one."""
    counts: dict[str, list[int]] = {}
    for test, *found in _rows(terminalreporter):
        counts[test] = [total + more for total, more in zip(counts.get(test, (0, 0)), found, strict=True)]
    if counts:
        table = [_COLUMNS, *((test, *map(str, found)) for test, found in sorted(counts.items()))]
        widths = [max(len(row[column]) for row in table) for column in range(len(_COLUMNS))]
        terminalreporter.section("reliability")
        for row in table:
            terminalreporter.write_line(" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    """An empty root."""
    return Workplace(tmp_path / "results", tmp_path / "data")
