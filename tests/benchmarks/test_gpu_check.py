"""The checks of captured training, where what stands in for CUDA graphs captures: they pass, and can fail."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch

import training.graphs
from tests.bayesian.as_on_a_gpu import as_on_a_gpu
from tests.training.operation_graph import OperationGraph
from training import VARIANTS


class Forgetful(OperationGraph):
    """Forgets what random numbers it is to go on with, as a graph does whose generators are not registered."""

    def replay(self) -> None:
        torch.manual_seed(0)
        for generator in self._generators:
            generator.manual_seed(0)
        super().replay()


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What the checks register and switch lasts for a test."""
    monkeypatch.setattr(VARIANTS, "_entries", dict(VARIANTS._entries))
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32
    yield
    cudnn.deterministic, cudnn.allow_tf32, matmul.allow_tf32 = before


@pytest.fixture
def capturing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU, as far as a CPU can: fused optimisers, and graphs of operations."""
    as_on_a_gpu(monkeypatch)
    monkeypatch.setattr(training.graphs, "graphs_of", lambda device: OperationGraph)


def check(capsys: pytest.CaptureFixture[str], *only: str) -> tuple[int, list[str]]:
    import gpu_check

    words: list[Any] = ["--tiny", *(["--only", *only] if only else [])]
    return gpu_check.main(words), capsys.readouterr().out.splitlines()


@pytest.mark.slow
def test_captured_steps_pass_and_their_replays_are_counted(capsys, capturing):
    code, lines = check(capsys, "deterministic, Adam")
    assert code == 0 and lines[-1] == "all passed"
    assert re.fullmatch(r"PASS  deterministic, Adam, .*: the same bits, \d+ replays of \d graphs \(.* s\)", lines[0])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["estimator weights", "stopped and resumed, Bayesian"])
def test_graphs_that_draw_other_numbers_fail(capsys, capturing, monkeypatch, name):
    monkeypatch.setattr(training.graphs, "graphs_of", lambda device: Forgetful)
    code, lines = check(capsys, name)
    assert code == 1 and lines[-1] == "1 failed"
    assert lines[0].startswith(f"FAIL  {name}: apart by ")


def test_training_that_is_never_captured_fails(capsys, capturing, monkeypatch):
    monkeypatch.setattr(training.graphs.Graphs, "of", lambda context, what, obstacles: training.graphs.Graphs())
    code, lines = check(capsys, "deterministic, Adam")
    assert code == 1 and lines[0].startswith("FAIL  deterministic, Adam, a smaller last batch: nothing was replayed")


def test_without_a_gpu_one_line_says_so(monkeypatch):
    import gpu_check

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"^no GPU here .*--tiny runs on the CPU$"):
        gpu_check.main([])


@pytest.mark.slow
def test_all_checks_pass(capsys, capturing, monkeypatch):
    import gpu_check

    kept = {name: one for name, one in gpu_check.checks("random_images_48_32").items() if "compiled" not in name}
    monkeypatch.setattr(gpu_check, "checks", lambda even: kept)
    code, lines = check(capsys)
    assert [line for line in lines if not line.startswith("PASS")] == ["all passed"] and code == 0
    assert len(lines) == len(kept) + 1
