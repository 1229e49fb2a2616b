"""Every script at a tiny size: it measures nothing, and prints whole tables."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

RESNET, LENET = "cifar_resnet_8_2", "mnist_lenet_10"
WIDER = "cifar_resnet_8_8"
"""The grouped form knows plain layers only, not those that pick their pixels first (`models.build`)."""
TINY = {
    "sampling": f"--networks {RESNET} {LENET} --batch 4 --rounds 1",
    "data_pipeline": f"--dataset_root ROOT --images 256 --network {RESNET} --rounds 1",
    "evaluation": f"--networks {RESNET} {LENET} --batches 8 16 --images 24 --rounds 1",
    "grouped_samples": f"--network {WIDER} --samples 2 3 --batch 4 --rounds 1",
    "parity": f"--root ROOT --dataset digits --model {LENET} --levels 1 --epochs 1 --replicates 2 "
    "--estimators antithetic:2",
    "gradient_noise": f"--root ROOT --dataset digits --networks {LENET} --fraction 1 --epochs 1 --draws 3",
    "gpu_levels": "--tiny",
    "gpu_step": "--tiny",
    "large_networks": f"--networks {RESNET} {LENET} --batch 2 --quick",
    "batchnorm_modes": f"--dataset digits --network {RESNET} --examples 64 --epochs 1 --evaluation_samples 1",
}
ROWS = {
    "sampling": [8, 8],
    "data_pipeline": [1],
    "evaluation": [16],
    "grouped_samples": [4],
    "parity": [3],
    "gradient_noise": [6],
    "gpu_levels": [3],
    "gpu_step": [8, 2],
    "large_networks": [6],
    "batchnorm_modes": [6],
}
SLOW = ("evaluation", "gpu_levels", "gpu_step", "parity")


@pytest.fixture(autouse=True)
def everything_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process for each competitor takes seconds to start; `test_measuring` starts real ones."""
    import measuring

    @contextlib.contextmanager
    def here(competitor: measuring.Competitor, threads: int) -> Iterator[Callable[[int], float]]:
        work = competitor.prepare(*competitor.arguments)
        yield lambda units: measuring.processor_seconds(work, 1) if units else 1.0

    monkeypatch.setattr(measuring, "_process", here)


def parameter(script: str) -> Any:
    return pytest.param(script, marks=[pytest.mark.slow] if script in SLOW else [])


def tables(text: str) -> list[list[list[str]]]:
    """The cells of every Markdown table, the titles first."""
    found: list[list[list[str]]] = []
    lines = text.splitlines()
    for line, following in itertools.zip_longest(lines, lines[1:], fillvalue=""):
        if following.startswith("| ---"):
            found.append([])
        if line.startswith("|") and not line.startswith("| ---"):
            found[-1].append([cell.strip() for cell in line.strip("|").split(" | ")])
    return found


@pytest.mark.parametrize("script", [*map(parameter, TINY)])
def test_a_script_prints_whole_tables_of_finite_numbers(
    script: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    importlib.import_module(script).main(TINY[script].replace("ROOT", str(tmp_path)).split())
    printed = tables(capsys.readouterr().out)
    assert [len(table) - 1 for table in printed] == ROWS[script]
    for titles, *rows in printed:
        for row in rows:
            assert len(row) == len(titles)
            assert not re.search(r"nan|inf|failed", " ".join(row))
            assert any(re.match(r"[\d,.]+", cell) for cell in row[1:])


def test_finished_lotteries_are_not_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import parity

    words = [*TINY["parity"].replace("ROOT", str(tmp_path)).split(), "--replicates", "1", "--levels", "0"]
    parity.main(words)
    first = capsys.readouterr().out
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    parity.main(words)
    assert capsys.readouterr().out == first
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == written


def test_a_pair_of_opposite_samples_has_no_noise_where_the_loss_is_linear_in_the_weights() -> None:
    """There the gradient of a mean is the same everywhere, and that of log σ is σ times the noise."""
    import gradient_noise
    from bayesian.adapter import convert

    class LinearLoss(torch.nn.Module):
        """The loss of label 0 is 50 and the sum of the weights, up to exp(-50)."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(4, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            total = self.layer(images.flatten(1)).squeeze(1)
            return torch.stack([torch.zeros_like(total), total + 50.0], dim=1)

    model = LinearLoss()
    convert(model, lambda fan_in: 0.1)
    batch = torch.ones(2, 1, 2, 2), torch.zeros(2, dtype=torch.long)
    assert gradient_noise.variances(model, "antithetic", 2, batch, 5) == pytest.approx((0, 0), abs=1e-9)
    assert gradient_noise.variances(model, "weights", 1, batch, 400) == pytest.approx((0, 5 * 0.1**2), abs=5e-3)


def test_the_overlap_of_masks() -> None:
    from parity import overlap
    from pruning import Mask

    one = Mask({"a": torch.tensor([1, 1, 1, 1]), "b": torch.tensor([0, 0])})
    other = Mask({"a": torch.tensor([1, 1, 0, 0]), "b": torch.tensor([1, 1])})
    assert overlap(one, one) == (1, 1)
    assert overlap(one, other) == (2 / 6, 2 / 4)


def test_grouped_convolutions_compute_what_the_network_computes_under_each_sample() -> None:
    from grouped_samples import forward, weight_samples
    from models import build_network
    from models.cifar_resnet import ResidualNetwork
    from steps import model_hparams, random_batch

    model = build_network(model_hparams(WIDER), 10, 0)
    assert isinstance(model, ResidualNetwork)
    images, _ = random_batch(WIDER, 5)
    weights = weight_samples(model, 3, torch.channels_last)
    logits = forward(model, weights, images, 3)
    layers = [layer for layer in model.modules() if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear)]
    for sample in range(3):
        for layer, drawn in zip(layers, weights, strict=True):
            layer.weight.data = drawn.detach().reshape(3, *layer.weight.shape)[sample]
        torch.testing.assert_close(model.train()(images), logits[sample], rtol=1e-4, atol=1e-4)


def test_without_a_gpu_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import gpu_levels

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match=r"^no GPU here .*--tiny runs on the CPU$"):
        gpu_levels.main([])


def test_when_the_time_is_used_up_the_rest_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    import gpu_levels

    gpu_levels.main(["--tiny", "--minutes", "0"])
    rest = ("deterministic", "antithetic 2", "weights 10")
    named = "; ".join(f"{RESNET}, {kind}" for kind in rest)
    assert capsys.readouterr().out.endswith(f"no time was left for: {named}\n")
