"""How masks are spread over layers and how far two agree, against counts by hand and by brute force."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from foundations.errors import UserError
from foundations.paths import RunPaths
from open_lth.results.masks import ignored_tensors, last_common_level, layer_densities, load_mask, overlap
from pruning import Mask
from tests.open_lth.running import BAYESIAN, INPUT, LENET, OUTPUT, Trunk
from training import ALL_LAYERS


def make_mask(**layers: list[int]) -> Mask:
    return Mask({f"{name}.weight": torch.tensor(kept) for name, kept in layers.items()})


def random_mask(seed: int) -> Mask:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"conv.weight": (4, 3, 3, 3), "fc.weight": (5, 7)}
    return Mask({name: torch.randint(2, shape, generator=generator) for name, shape in shapes.items()})


def test_densities_are_counts_in_the_order_of_the_network():
    found = layer_densities(make_mask(second=[1, 0, 0, 0], first=[1, 1]))
    assert found.to_dict("list") == {
        "index": [1, 2],
        "layer": ["second", "first"],
        "kept": [1, 2],
        "total": [4, 2],
        "density": [0.25, 1.0],
    }


def test_overlap_is_the_kept_of_both_over_the_kept_of_either():
    found = overlap(make_mask(a=[1, 1, 1, 0], b=[1, 0]), make_mask(a=[0, 1, 1, 0], b=[0, 1])).set_index("layer")
    assert found.loc["a", ["kept_left", "kept_right", "both", "either"]].tolist() == [3, 2, 2, 3]
    assert found["jaccard"].to_dict() == pytest.approx({"a": 2 / 3, "b": 0.0, ALL_LAYERS: 2 / 5})
    # By chance a and b share 3*2/4 = 1.5 and 1*1/2 = 0.5 weights.
    assert found["chance"].to_dict() == pytest.approx({"a": 1.5 / 3.5, "b": 0.5 / 1.5, ALL_LAYERS: 2.0 / 5.0})


@pytest.mark.parametrize("seed", range(3))
def test_overlap_agrees_with_sets_of_weights(seed):
    left, right = random_mask(seed), random_mask(seed + 100)
    sets = [
        {(name, place) for name, t in mask.items() for place, kept in enumerate(t.flatten().tolist()) if kept}
        for mask in (left, right)
    ]
    everything = overlap(left, right).set_index("layer").loc[ALL_LAYERS]
    assert everything["both"] == len(sets[0] & sets[1]) and everything["either"] == len(sets[0] | sets[1])
    assert everything["jaccard"] == len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_chance_is_what_random_masks_have():
    generator = torch.Generator().manual_seed(0)
    left, right = ([1] * 3000 + [0] * 7000, [1] * 6000 + [0] * 4000)
    shuffled = [torch.tensor(kept)[torch.randperm(10000, generator=generator)].tolist() for kept in (left, right)]
    found = overlap(make_mask(a=shuffled[0]), make_mask(a=shuffled[1])).iloc[0]
    assert found["chance"] == pytest.approx(0.18 / 0.72)
    assert found["jaccard"] == pytest.approx(found["chance"], abs=0.01)


def test_a_mask_agrees_with_itself_and_layers_can_be_left_out():
    mask = make_mask(a=[1, 0, 1], output=[1, 1])
    assert overlap(mask, mask)["jaccard"].tolist() == [1.0, 1.0, 1.0]
    without = overlap(mask, mask, ignored={"output.weight"})
    assert without["layer"].tolist() == ["a", ALL_LAYERS] and without["kept_left"].tolist() == [2, 2]


def test_a_layer_has_one_index_whatever_is_left_out_and_all_layers_have_none():
    mask = make_mask(first=[1, 1], second=[1, 0], third=[1, 0, 0])
    found = overlap(mask, mask, ignored={"first.weight"})
    indices = layer_densities(mask).set_index("layer")["index"]
    assert found["index"].tolist() == [indices["second"], indices["third"], pd.NA] == [2, 3, pd.NA]


def test_masks_of_different_networks_are_refused():
    with pytest.raises(UserError, match="masks of different networks cannot be compared"):
        overlap(make_mask(a=[1, 0]), make_mask(a=[1, 0, 1]))


@pytest.mark.parametrize("words", [(), BAYESIAN])
def test_what_pruning_ignores_is_what_the_lottery_says_of_itself(workplace, words):
    trunk = Trunk(workplace, (*LENET, *words, f"--pruning_layers_to_ignore={INPUT},{OUTPUT}"))
    trunk.find_tickets(levels=0)
    assert ignored_tensors(str(trunk.level(0))) == {INPUT, OUTPUT}
    assert ignored_tensors(str(trunk.directory / "level_3" / "lottery_branch_reinit_0")) == {INPUT, OUTPUT}


def test_where_nothing_is_said_nothing_is_ignored(tmp_path):
    assert ignored_tensors(str(tmp_path / "replicate_1" / "level_0" / "main")) == set()


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ({"one": [0, 1, 2], "other": [0, 1]}, 1),
        ({"trunk": [0, 1, 2, 3], "branch": [2, 3]}, 3),
        ({"one": [0, 1, 2], "barely begun": [0]}, 2),
        ({"one": [0], "other": [0]}, 0),
    ],
)
def test_the_last_common_level_is_the_least_of_the_last_levels(levels, expected):
    rows = [(method, level) for method, own in levels.items() for level in own]
    assert last_common_level(pd.DataFrame(rows, columns=["method", "level"]).astype({"level": "Int64"})) == expected


def test_a_mask_comes_from_its_run_or_the_run_is_named(tmp_path):
    mask = make_mask(a=[1, 0, 1])
    mask.save(RunPaths(tmp_path))
    assert layer_densities(load_mask(str(tmp_path)))["kept"].tolist() == [2]
    with pytest.raises(UserError, match="nowhere"):
        load_mask(str(tmp_path / "nowhere"))
