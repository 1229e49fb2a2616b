"""Where networks are put, and that compiling them changes nothing but speed and the last bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from foundations.context import RunContext
from foundations.errors import InvalidValue
from models import ModelHparams, build_network
from training import logits_of
from training.placement import place

# The compiler's own code warns.
pytestmark = pytest.mark.filterwarnings("ignore")


def network(name="cifar_resnet_8_4"):
    return build_network(ModelHparams(model_name=name, model_init="kaiming_normal", batchnorm_init="uniform"), 10, 0)


def context(**values):
    return RunContext(root=Path("unused"), dataset_root=Path("unused"), **values)


def test_a_network_is_laid_out_with_channels_last_and_keeps_its_names():
    model, names = network(), list(network().state_dict())
    placed = place(model, context())
    assert placed is model
    assert list(placed.state_dict()) == names
    assert placed.get_parameter("conv.weight").is_contiguous(memory_format=torch.channels_last)


def test_a_compiled_network_computes_the_same_keeps_its_names_and_really_is_compiled():
    batches = [torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) for seed in range(3)]
    plain, compiled = place(network(), context()), place(network(), context(compile=True))
    torch._dynamo.utils.counters.clear()
    found, expected = logits_of(compiled.eval(), batches), logits_of(plain.eval(), batches)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    assert not torch._dynamo.utils.counters["graph_break"]
    assert list(compiled.state_dict()) == list(plain.state_dict())


def test_without_a_compiler_the_flag_is_refused_in_one_line(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InvalidValue, match=r"--compile=True: needs a C\+\+ compiler"):
        place(network(), context(compile=True))
