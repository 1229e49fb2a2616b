"""The words of the figures: headings that stand alone, and captions that say what is compared."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("file", "headings"),
    [
        (
            "figure_2.csv",
            "panel,method,level,weights remaining (%),layer index,layer,weights of the layer,kept of them,"
            "weights of the layer pruned (%)",
        ),
        (
            "figure_3.csv",
            "method,weights of the layer,kept of them,weights of the layer remaining (%),"
            "mean initial magnitude of the kept weights",
        ),
        (
            "figure_4.csv",
            "panel,method,level,weights remaining (%),test accuracy (%),"
            "test accuracy: std over replicates,replicates,test accuracy (%) at the end,"
            "test accuracy: difference from the panel's first method",
        ),
        (
            "table_1.csv",
            "panel,method,minutes per level,minutes per level: std over trainings,"
            "minutes per level relative to the panel's first method,number of trainings,processor,device,"
            "threads,machine",
        ),
        (
            "matching.csv",
            "panel,method,test accuracy of the dense network (%),"
            "standard deviation of the dense network's test accuracy (%),standard deviation over,"
            "sparsest matching level,weights remaining at the matching level (%),"
            "test accuracy at the matching level (%),last level run,"
            "weights remaining at the last level (%),replicates,test accuracy of the panel's best dense network (%),"
            "sparsest level matching the best dense network,weights remaining at the level matching the best (%)",
        ),
        (
            "overlap.csv",
            "panel,methods,level,weights remaining (%),layer index,layer,overlap (intersection over union),"
            "overlap of random masks",
        ),
        (
            "posterior.csv",
            "panel,pruned for level,method,weights remaining at that level (%),quantity,kept or pruned,"
            "number of weights kept or pruned,5th percentile,25th percentile,50th percentile,75th percentile,"
            "95th percentile",
        ),
        (
            "reliability.csv",
            "panel,ticket,method,bin of the confidence,weights remaining (%),predictions in the bin,"
            "mean confidence in the bin,fraction correct in the bin",
        ),
    ],
)
def test_the_headings_of_every_table_stand_alone(figures, file, headings):
    assert figures[file].decode().splitlines()[0] == headings


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("matching.md", "Branches, whatever variant they train, are compared with the dense networks of their"),
        ("cost.md", "each curve runs from the densest network to the sparsest."),
        ("reliability.md", "one for each test image; the mean over 1 or 2 evaluation passes counts."),
        ("figure_2.md", "layers that the pruning is told to ignore are left out."),
        ("figure_3.md", "the table is about the whole layer."),
    ],
)
def test_captions_say_what_is_held_against_what(figures, file, sentence):
    assert sentence in figures[file].decode()
