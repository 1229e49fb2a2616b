"""The private attributes of torch-blue that the adapter sets and reads: a release that renames one fails here first."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from torch import nn
from torch_blue import vi

from bayesian import adapter

SET = {"_has_sampling_responsibility", "_fast_path_flag"}
READ = {"_weight_mean", "_weight_log_std", "_bias_mean", "_bias_log_std"}
PUBLIC = {"variational_distribution", "get_variational_parameters", "forward"}
OF_TORCH = {"_calculate_fan_in_and_fan_out", "_modules"}

LAYERS = {"linear": lambda: vi.VILinear(3, 2), "convolution": lambda: vi.VIConv2d(3, 2, 1)}


def private_attributes(source: str) -> set[str]:
    """Return the attributes that begin with one underscore, but for those of `self`."""
    found = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Attribute))
    of_others = (node for node in found if not (isinstance(node.value, ast.Name) and node.value.id == "self"))
    return {node.attr for node in of_others if re.match(r"_[a-z]", node.attr)}


def test_the_adapter_touches_no_others():
    assert private_attributes(inspect.getsource(adapter)) == SET | READ | OF_TORCH


def test_only_the_adapter_touches_any():
    for path in Path(adapter.__file__).parent.rglob("*.py"):
        if path != Path(adapter.__file__):
            assert not private_attributes(path.read_text(encoding="utf-8")) & (SET | READ), path


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_layers_have_what_is_read(make):
    layer = make()
    assert {name for name, _ in layer.named_parameters()} == READ
    assert all(hasattr(layer, name) for name in PUBLIC)
    assert set(layer.variational_distribution) == {"weight", "bias"}
    assert [
        tensor is getattr(layer, name)
        for tensor, name in zip(
            layer.get_variational_parameters("weight"), ("_weight_mean", "_weight_log_std"), strict=True
        )
    ] == [True, True]
    assert "forward" in vars(layer), "which is replaced there"


def test_layers_have_what_is_set():
    """Setting an attribute that nothing looks at any more would fail silently: layers would sample by themselves."""
    assert "_has_sampling_responsibility" in vi.VIModule.__annotations__
    assert "_fast_path_flag" in vi.VILinear.__annotations__
    assert all(make()._has_sampling_responsibility for make in LAYERS.values())
    assert LAYERS["linear"]()._fast_path_flag is None


@pytest.mark.parametrize("layer", [nn.Linear(3, 2), nn.Conv2d(3, 2, 1)], ids=["linear", "convolution"])
def test_converted_layers_are_inner_ones_that_do_not_sample(layer):
    model = nn.Sequential(layer)
    adapter.convert(model, lambda fan_in: 0.01 * (3 * fan_in) ** -0.5)
    assert (model[0]._has_sampling_responsibility, model[0]._fast_path_flag) == (False, False)
