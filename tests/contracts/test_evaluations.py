"""What every corruption of test images, and every change that makes them something else, must keep."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tests.contracts.table import LENET, REGISTRIES, ROWS, VARIANT_FLAGS
from tests.open_lth.running import Workplace, snapshot

FLAGS = (*LENET, "--batch_size=4", "--training_steps=3it", "--evaluate_only_at_end", "--quiet")
ENTRIES = [
    (registry, name)
    for registry in ("corruption", "OOD change")
    for name in ROWS[registry]
    if name in REGISTRIES[registry]
]


@pytest.mark.parametrize("variant", VARIANT_FLAGS)
@pytest.mark.parametrize("registry, name", ENTRIES)
def test_it_can_be_asked_of_every_variant(
    registry: str, name: str, variant: str, dataset_root: Path, tmp_path: Path
) -> None:
    workplace = Workplace(tmp_path / "results", dataset_root)
    words = (*FLAGS, *VARIANT_FLAGS[variant], *ROWS[registry][name])
    flag = "shift" if registry == "corruption" else "ood"
    workplace.done("train", *words)
    for _ in range(2):
        before = snapshot(workplace.root)
        workplace.done("evaluate", "train", *words, f"--{flag}={name}")
    assert snapshot(workplace.root) == before, "what is done is done again"
    kept = json.loads((workplace.place("train", *words) / "evaluation.json").read_text())[flag][name]
    assert list(kept) == ["1", "2", "3", "4", "5"] if flag == "shift" else {"max_probability", "entropy"} <= kept.keys()
    assert all(math.isfinite(spread["mean"]) for part in kept.values() for spread in part.values())
