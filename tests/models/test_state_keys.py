"""State-dict keys and shapes are OpenLTH's, so its results load here."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from models import find_family, output_tensor_names, prunable_tensor_names

KEYS = Path(__file__).parents[1] / "data" / "state_keys.txt"


def blocks() -> dict[str, tuple[str, list[str]]]:
    """Return each model's heading and lines of `key shape`."""
    found: dict[str, tuple[str, list[str]]] = {}
    for line in KEYS.read_text().splitlines():
        if line.startswith("# "):
            name, heading = line.removeprefix("# ").split(" ", 1)
            found[name] = (heading, [])
        elif line.strip():
            found[name][1].append(line)
    return found


@pytest.mark.parametrize("name", blocks())
def test_keys_shapes_and_names_are_those_of_openlth(name):
    heading, lines = blocks()[name]
    family = find_family(name)
    with torch.device("meta"):
        model = family.build(name, 1000 if name.startswith("imagenet") else 10)
    found = [f"{key} {'x'.join(map(str, tensor.shape)) or 'scalar'}" for key, tensor in model.state_dict().items()]
    assert found == lines
    prunable, output = prunable_tensor_names(model), output_tensor_names(model, family)
    assert f"prunable: {len(prunable)} output: {output}" == heading
    assert prunable == [key for key in model.state_dict() if key in prunable]


@pytest.mark.parametrize("name", blocks())
def test_every_listed_model_was_read(name):
    assert len(blocks()) == 4
    assert len(blocks()[name][1]) > 5
