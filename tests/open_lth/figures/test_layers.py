"""The sparsity of layers: of those that are pruned, as the lottery's own description tells."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from foundations.paths import RunPaths
from open_lth.figures.layers import layer_sparsities
from open_lth.figures.overlap import overlaps
from pruning import Mask

KEPT = {"input": [1, 1, 1, 1], "hidden": [1, 0, 0, 0], "untouched": [1, 1], "output": [1, 1]}


@pytest.fixture
def runs(tmp_path: Path) -> pd.DataFrame:
    """Level 1 of two methods of which each has a layer that happens to be kept whole."""
    rows = []
    for method, kept in (("IMP", KEPT), ("other", {**KEPT, "input": [1, 1, 0, 0]})):
        lottery = tmp_path / method / "replicate_1"
        (lottery / "level_0" / "main").mkdir(parents=True)
        (lottery / "level_0" / "main" / "hparams.log").write_text("    * pruning_layers_to_ignore => output.weight")
        directory = lottery / "level_1" / "main"
        Mask({f"{name}.weight": torch.tensor(kept[name]) for name in kept}).save(RunPaths(directory))
        rows.append(
            {
                "panel": "LeNet",
                "method": method,
                "replicate": 1,
                "level": 1,
                "density": 0.7,
                "directory": str(directory),
            }
        )
    return pd.DataFrame(rows)


def test_a_layer_that_happens_to_be_kept_whole_is_shown_and_an_ignored_one_is_not(runs):
    found = layer_sparsities(runs[runs["method"] == "IMP"])
    assert found["layer"].tolist() == ["input", "hidden", "untouched"]
    assert found["sparsity"].tolist() == [0, 75, 0]
    assert found[["total", "kept"]].to_numpy().tolist() == [[4, 4], [4, 1], [2, 2]]


def test_the_overlap_is_that_of_the_same_layers_under_the_same_indices(runs):
    overlapping = overlaps(runs).set_index("layer")
    assert overlapping["jaccard"].to_dict() == {"input": 0.5, "hidden": 1, "untouched": 1, "all layers": 5 / 7}
    indices = layer_sparsities(runs).drop_duplicates("layer").set_index("layer")["index"]
    assert overlapping["index"].drop("all layers").to_dict() == indices.to_dict()
    assert pd.isna(overlapping.loc["all layers", "index"])
