from __future__ import annotations

import math

import pytest
import torch

from training import TrainingHparams
from training.precision import Precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_matrices_are_multiplied_in_the_arithmetic_asked_for(name, dtype):
    with Precision(name, CPU).autocast():
        product = torch.ones(2, 3) @ torch.ones(3, 2)
    assert product.dtype == dtype


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_without_fp16_losses_are_not_scaled(name):
    precision = Precision(name, CPU)
    assert precision.scale(torch.tensor(3.0)).item() == 3.0
    assert precision.state_dict() == {}


def scaled_step(precision: Precision, weight: torch.nn.Parameter, gradient: float) -> None:
    optimizer = torch.optim.SGD([weight], lr=1.0)
    weight.grad = None
    precision.scale((weight * gradient).sum()).backward()
    precision.step(optimizer)


def test_fp16_scales_the_gradient_up_and_the_step_down_again():
    precision, weight = Precision("fp16", CPU), torch.nn.Parameter(torch.tensor([1.0]))
    assert precision.scale(torch.tensor(1.0)) > 1000
    scaled_step(precision, weight, 0.25)
    assert weight.item() == 0.75


def test_fp16_skips_a_step_whose_gradient_overflows_and_scales_less_from_then_on():
    precision, weight = Precision("fp16", CPU), torch.nn.Parameter(torch.tensor([1.0]))
    before = precision.scale(torch.tensor(1.0)).item()
    scaled_step(precision, weight, math.inf)
    assert weight.item() == 1.0
    after = precision.scale(torch.tensor(1.0)).item()
    assert after == before / 2

    resumed = Precision("fp16", CPU)
    resumed.load_state_dict(precision.state_dict())
    assert resumed.scale(torch.tensor(1.0)).item() == after


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_a_network_trains_in_half_precision_with_its_weights_in_float32(runs, tmp_path, name):
    finals = {}
    for precision in ("fp32", name):
        hparams = TrainingHparams(optimizer_name="sgd", lr=0.02, training_steps="12ep", precision=precision)
        run = runs.make(tmp_path / precision, hparams, evaluate_only_at_end=True)
        model = runs.train(run)
        assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
        text, finals[precision] = runs.results(run)
        losses = [float(line.split(",")[2]) for line in text.splitlines() if line.startswith("train_loss")]
        assert losses[-1] < 0.5 * losses[0]
    assert not torch.equal(finals["fp32"]["fc.weight"], finals[name]["fc.weight"])
