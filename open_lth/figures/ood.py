"""How well uncertainty tells what is out of distribution, over the weights remaining."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from foundations.errors import UserError
from open_lth.figures.comparison import PAIRED, are_compared, differences, with_columns
from open_lth.figures.curves import draw_panel
from open_lth.figures.drawing import Drawing
from open_lth.figures.layout import in_order_of, method_line, panel_grid
from open_lth.figures.points import KEYS, Measure, in_order_of_runs
from open_lth.results.tables import read_ood
from open_lth.suites.styles import DASH_DOTTED, Style
from open_lth.suites.suite_runs import SuiteRuns

AUROC = Measure("auroc", "AUROC")
BY_CONFIDENCE, BY_SAMPLES = "max_probability", "mutual_information"
HEADINGS = {
    "ood": "out of distribution",
    "weights": "weights remaining (%)",
    "score": "told by",
    "auroc": "AUROC",
    "auroc_replicates": "AUROC: std over replicates",
    "aupr": "AUPR",
    "fpr95": "FPR at 95 % TPR",
    "replicates": "networks",
}


def make(runs: SuiteRuns, styles: Mapping[str, Style], title: str) -> Drawing:
    """Draw the AUROC by the greatest probability, and by the mutual information where there is one."""
    measured = told_apart(runs.table)
    found = detections(measured)
    caption = (
        "How well the final networks' uncertainty tells other images (rows) from the test images, over the percentage "
        "of prunable weights that remain: area under the receiver operating characteristic, 0.5 for chance. Lines with "
        "markers: by the greatest probability. Without markers: by the mutual information of label and weights, where "
        "samples of the weights, or members of an ensemble, are averaged. Bands: one standard deviation over "
        "replicates; an ensemble is one. Dotted horizontal lines: the dense networks. In the table what is out of "
        "distribution is the positive class."
    )
    caption += f" {PAIRED}" if are_compared(found) else ""
    numbers = compared(found, measured, runs.against).rename(columns=HEADINGS)
    return Drawing(title, draw_detections(found, styles), numbers, caption, runs.missing)


def told_apart(runs: pd.DataFrame) -> pd.DataFrame:
    """Return how well each run tells which images from the test images, by score, with panel, method and density.

    Raises:
        UserError: if no run has been asked to tell anything from the test images.
    """
    told = read_ood(dict.fromkeys(runs["directory"]))
    if told.empty:
        raise UserError("no run has been measured out of distribution; `evaluate --ood=NAME,...` does it")
    wide = told.pivot_table(index=["directory", "ood", "score"], columns="measure", values="value", sort=False)
    labelled = runs.dropna(subset=["level"])[[*KEYS, "replicate", "density", "directory"]]
    return labelled.merge(wide.reset_index(), on="directory", how="inner")


def detections(measured: pd.DataFrame) -> pd.DataFrame:
    """Return means over replicates by panel, images, method, level and score."""
    groups = measured.groupby(["panel", "ood", "method", "level", "score"], sort=False, observed=True)
    found = pd.DataFrame({"weights": 100 * groups["density"].mean(), "auroc": groups["auroc"].mean()})
    found["auroc_replicates"] = groups["auroc"].std(ddof=1)
    found = found.assign(aupr=groups["aupr"].mean(), fpr95=groups["fpr95"].mean(), replicates=groups.size())
    return in_order_of_runs(found.reset_index(), measured, ["panel", "ood", "method", "level", "score"])


def compared(found: pd.DataFrame, measured: pd.DataFrame, against: str | None) -> pd.DataFrame:
    """Return what `detections` does, with differences between methods."""
    within = ("ood", "score")
    added = differences(measured, AUROC.name, AUROC.label, against, within=within)
    return with_columns(found, added, [*KEYS, *within])


def draw_detections(found: pd.DataFrame, styles: Mapping[str, Style]) -> Figure:
    """Draw what `detections` returns."""
    panels, others = (list(dict.fromkeys(found[name])) for name in ("panel", "ood"))
    legend = {method: method_line(styles[method]) for method in in_order_of(styles, found["method"])}
    if (found["score"] == BY_SAMPLES).any():
        legend["by mutual information"] = Line2D([], [], color="#666666", linestyle=DASH_DOTTED, linewidth=1.2)
    figure, grid = panel_grid(panels, others, legend)
    for name, row in zip(others, grid, strict=True):
        for panel, axis in zip(panels, row, strict=True):
            own = found[(found["panel"] == panel) & (found["ood"] == name)]
            draw_panel(axis, own[own["score"] == BY_CONFIDENCE], AUROC, styles)
            for method, curve in own[own["score"] == BY_SAMPLES].groupby("method", sort=False):
                colour = styles[str(method)].colour
                axis.plot(curve["weights"], curve["auroc"], color=colour, linestyle=DASH_DOTTED, linewidth=1.2)
        row[0].set_ylabel(AUROC.label)
    return figure
