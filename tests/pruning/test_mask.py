from __future__ import annotations

import json
import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from foundations.errors import UserError
from foundations.paths import RunPaths
from foundations.storage import save_tensors
from pruning import Mask
from pruning.mask import check_same_tensors

MASK = Mask({"conv.weight": torch.tensor([[1, 0], [0, 0]]), "fc.weight": torch.tensor([1, 1, 1, 0, 1, 0])})


@pytest.mark.parametrize("value", [2.0, -1.0, 0.5, 1.0000001, math.nan, math.inf])
def test_values_other_than_zero_and_one_are_refused_by_name(value):
    with pytest.raises(UserError, match=r"^the mask of b\.weight holds values other than 0 and 1$"):
        Mask({"a.weight": torch.ones(3), "b.weight": torch.tensor([1.0, value])})


def test_something_that_is_no_tensor_is_refused():
    with pytest.raises(UserError, match=r"the mask of a\.weight"):
        Mask({"a.weight": [0, 1]})  # type: ignore[dict-item]


def test_a_name_that_is_no_text_is_refused():
    with pytest.raises(UserError, match=r"^the mask names a tensor 3, which is no text$"):
        Mask({3: torch.ones(2)})  # type: ignore[dict-item]


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int32, torch.int64, torch.float16, torch.float64])
def test_a_mask_of_any_type_becomes_int32(dtype):
    mask = Mask({"a": torch.tensor([1, 0, 1]).to(dtype)})
    assert mask["a"].dtype == torch.int32
    assert mask["a"].tolist() == [1, 0, 1]


def test_counts_and_densities():
    assert (MASK.total, MASK.unpruned, MASK.density) == (10, 5, 0.5)
    assert MASK.densities == {"conv.weight": 0.25, "fc.weight": 4 / 6}


def test_ones_keeps_everything():
    mask = Mask.ones({"a": (3, 2), "b": torch.Size([4])})
    assert (mask.total, mask.unpruned, mask.density) == (10, 10, 1.0)
    assert mask["a"].shape == (3, 2)


def test_counts_do_not_overflow_or_round():
    mask = Mask({"a": torch.ones(2**24 + 1, dtype=torch.int8)})
    assert mask.unpruned == 2**24 + 1


@given(
    st.dictionaries(st.text(min_size=1, max_size=9), st.lists(st.integers(0, 1), min_size=1, max_size=9), min_size=1)
)
def test_a_mask_comes_back_from_its_file(tmp_path_factory, values):
    mask = Mask({name: torch.tensor(kept) for name, kept in values.items()})
    paths = RunPaths(tmp_path_factory.mktemp("run"))
    mask.save(paths)
    found = Mask.load(paths.mask)
    assert list(found) == list(mask)
    assert all(torch.equal(found[name], mask[name]) and found[name].dtype == torch.int32 for name in mask)


def test_the_file_is_a_plain_dict_of_int32_as_openlth_reads_it(tmp_path):
    MASK.save(RunPaths(tmp_path))
    content = torch.load(tmp_path / "mask.pth", weights_only=True)
    assert type(content) is dict
    assert {tensor.dtype for tensor in content.values()} == {torch.int32}


def test_openlths_masks_load_and_their_reports_are_written_to_the_letter(openlth_levels, tmp_path):
    for level, paths in enumerate(openlth_levels):
        mask, again = Mask.load(paths.mask), RunPaths(tmp_path / str(level))
        assert torch.load(paths.mask, weights_only=True)["fc.weight"].dtype == torch.int32
        mask.save(again)
        assert again.sparsity_report.read_text() == paths.sparsity_report.read_text()
        assert json.loads(again.sparsity_report.read_text()) == {"total": 9584.0, "unpruned": mask.unpruned}


@pytest.mark.parametrize("content", [[], {}, torch.ones(2), 3, None])
def test_a_file_that_is_no_mask_is_refused_by_name(tmp_path, content):
    save_tensors(tmp_path / "mask.pth", content)
    path = tmp_path / "mask.pth"
    with pytest.raises(UserError, match=f"^{re.escape(str(path))}: is not a mask; delete it to have it made again$"):
        Mask.load(path)


def test_a_state_dict_is_not_taken_for_a_mask(openlth_levels):
    model = next(openlth_levels[1].directory.glob("model_ep2*"))
    with pytest.raises(UserError, match=f"^{re.escape(str(model))}: the mask of .* values other than 0 and 1"):
        Mask.load(model)


def test_a_missing_or_damaged_mask_is_named(tmp_path):
    with pytest.raises(UserError, match=r"mask\.pth: no such file"):
        Mask.load(tmp_path / "mask.pth")
    (tmp_path / "mask.pth").write_bytes(b"\x00")
    with pytest.raises(UserError, match=r"mask\.pth: "):
        Mask.load(tmp_path / "mask.pth")


SHAPES = {"conv.weight": (2, 2), "fc.weight": (6,)}


def test_a_mask_fits_a_network_of_the_same_names_and_shapes():
    check_same_tensors(MASK, SHAPES, "the mask")


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"conv.weight": (2, 2)}, "fc.weight is in the mask but not in the network"),
        ({**SHAPES, "bn.weight": (2,)}, "bn.weight is in the network but not in the mask"),
        ({**SHAPES, "fc.weight": (2, 3)}, "fc.weight has shape (2, 3) there and (6,) in the mask"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused_with_the_first_tensor_that_differs(shapes, message):
    with pytest.raises(UserError, match=f"^the ticket does not fit the network: {re.escape(message)}$"):
        check_same_tensors(MASK, shapes, "the ticket")


def test_what_is_put_into_a_mask_later_is_checked_as_well():
    mask = Mask(MASK)
    mask["conv.weight"] = torch.ones(2, 2)
    assert mask["conv.weight"].dtype == torch.int32
    with pytest.raises(UserError, match=r"^the mask of fc\.weight holds values other than 0 and 1$"):
        mask["fc.weight"] = torch.full((6,), 0.5)


def test_the_sparsity_is_what_is_pruned_and_arrays_are_as_the_tensors():
    assert MASK.sparsity == pytest.approx(1 - 5 / 10)
    assert {name: array.tolist() for name, array in MASK.numpy().items()} == {
        "conv.weight": [[1, 0], [0, 0]],
        "fc.weight": [1, 1, 1, 0, 1, 0],
    }
