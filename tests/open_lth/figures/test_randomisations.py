"""Which layer and level show what randomisations do, and pictures that stand in line."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from foundations.errors import UserError
from open_lth.figures.layout import look
from open_lth.figures.randomisations import (
    Tile,
    as_matrix,
    clearest_level,
    draw_tiles,
    most_changed_layer,
    most_complete_replicate,
    numbers,
)
from pruning import Mask

METHODS = ["deterministic", "new weights", "shuffled layerwise", "shuffled globally", "shuffled evenly"]


@pytest.mark.parametrize("methods", [1, 2, 5])
@pytest.mark.parametrize("shape", [(12, 48), (48, 48), (48, 9)])
def test_magnitudes_stand_right_above_their_masks_and_nothing_is_cut_off(methods, shape):
    tiles = [Tile(name, torch.rand(shape), torch.randint(2, shape)) for name in METHODS[:methods]]
    with look():
        figure = draw_tiles(tiles)
        figure.canvas.draw()
        *boxes, _ = [axis.get_window_extent() for axis in figure.axes]  # the last is the bar's
        whole = figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    assert len(boxes) == 2 * methods
    for above, below in zip(boxes[:methods], boxes[methods:], strict=True):
        assert (above.x0, above.x1) == pytest.approx((below.x0, below.x1), abs=0.5)
        assert above.height == pytest.approx(below.height, abs=0.5) and above.y0 > below.y1
    assert whole.x0 >= -0.5 and whole.y0 >= -0.5
    assert whole.x1 <= figure.bbox.x1 + 0.5 and whole.y1 <= figure.bbox.y1 + 0.5
    above, below = (axis.yaxis.label.get_window_extent() for axis in (figure.axes[0], figure.axes[methods]))
    assert above.y0 > below.y1
    assert max(figure.get_size_inches()) < 12


def runs(*rows: tuple[str, int, str, int, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["panel", "replicate", "method", "level", "density"])


def test_the_panel_and_replicate_with_the_most_methods_is_shown():
    found = most_complete_replicate(runs(("A", 1, "IMP", 1, 0.8), ("A", 2, "IMP", 1, 0.8), ("A", 2, "shuffle", 1, 0.8)))
    assert found["replicate"].tolist() == [2, 2]
    with pytest.raises(UserError, match="no level above 0 is finished"):
        most_complete_replicate(runs(("A", 1, "IMP", 0, 1.0)))


def test_of_the_levels_with_all_methods_the_one_nearest_to_three_tenths_is_shown():
    table = runs(
        *(("A", 1, "IMP", level, 0.5**level) for level in (1, 2, 3)),
        ("A", 1, "shuffle", 1, 0.5),
        ("A", 1, "shuffle", 3, 0.125),
    )
    assert clearest_level(table) == 3
    assert clearest_level(table[table["method"] == "IMP"]) == 2


def test_the_layer_farthest_from_the_mean_density_is_shown():
    kept = {"near.weight": 100, "like it.weight": 100, "far.weight": 250, "full.weight": 300, "small.weight": 0}
    sizes = {name: 10 if name == "small.weight" else 300 for name in kept}
    mask = Mask({name: (torch.arange(size) < kept[name]).int() for name, size in sizes.items()})
    assert most_changed_layer(mask, {"full.weight"}) == "far.weight"  # small.weight says little
    assert most_changed_layer(mask) == "full.weight"  # which was only not pruned yet


def test_all_numbers_are_of_the_whole_layer_also_where_the_picture_is_cut():
    magnitudes, mask = torch.zeros(100, 50), torch.zeros(100, 50, dtype=torch.int)
    magnitudes[0, 0], magnitudes[99, :3] = 1.0, 5.0
    mask[0, 0], mask[99, :3] = 1, 1
    found = numbers([Tile("IMP", magnitudes, mask), Tile("emptied", magnitudes, torch.zeros_like(mask))])
    assert found.loc[0].tolist() == ["IMP", 5000, 4, 100 * 4 / 5000, (1.0 + 3 * 5.0) / 4]
    assert found.loc[1, "kept"] == 0 and pd.isna(found.loc[1, "magnitude"])


def test_a_convolution_is_a_matrix_of_outputs_by_inputs():
    tensor = torch.arange(2 * 3 * 2 * 2.0).reshape(2, 3, 2, 2)
    assert as_matrix(tensor).tolist() == [list(range(12)), list(range(12, 24))]
    assert as_matrix(torch.zeros(100, 200)).shape == (48, 48)
