"""The subcommand `plot`: figures and tables from real runs, complete or not."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path

import pandas as pd
import pytest

from foundations.errors import UserError
from open_lth.figures.plotter import Plotter
from open_lth.results import read_runs
from open_lth.suites import SUITES, Scale, Suite
from open_lth.suites.plots import figure_names, stem_of
from tests.open_lth.reproduced import TINY, Reproduced
from tests.open_lth.running import Workplace

KINDS = ("png", "pdf", "csv", "md")
HEADINGS = {"accuracy": "test accuracy (%)", "mace": "MACE"}


def copy_of(reproduced: Reproduced, place: Path) -> Workplace:
    shutil.copytree(reproduced.workplace.root, place / "results")
    return Workplace(place / "results", place / "data")


def test_the_runs_are_all_that_reproduce_would_make(reproduced):
    outcome = reproduced.run("reproduce")
    number = len(reproduced.commands)
    assert outcome.code == 0 and outcome.out.endswith(f"{number} of {number} are done already\n")


@pytest.mark.slow
def test_every_figure_has_a_picture_in_two_formats_and_a_table_in_two(figures):
    assert set(figures) == {f"{stem_of(name)}.{kind}" for name in figure_names() for kind in KINDS}
    for name, content in figures.items():
        start = {"png": b"\x89PNG", "pdf": b"%PDF", "md": b"# ", "csv": b"panel,"}[name.partition(".")[2]]
        assert content.startswith(start) or name == "figure_3.csv", name


def test_the_numbers_of_figure_1_are_those_of_loggers_and_evaluations(reproduced, some_figures, tmp_path):
    (tmp_path / "figure_1.csv").write_bytes(some_figures["figure_1.csv"])
    drawn = pd.read_csv(tmp_path / "figure_1.csv").set_index(["method", "level"])
    strategies = {"Bayesian, |μ|/σ": "_snr", "Bayesian, √(μ²+σ²)": "_square", "Bayesian, |μ|": "_mu"}
    of_other_figures = ("--shift", "ivon", "--bayesian_estimator")
    evaluations = [
        c for c in reproduced.commands if " evaluate " in c and not any(word in c for word in of_other_figures)
    ]
    assert len(drawn) == 3 * len(evaluations) == 12
    for method in drawn.index.unique("method"):
        ending = f"--pruning_strategy=sparse_global{strategies.get(method, '')} "
        [command] = [c for c in evaluations if (ending in c if method in strategies else "--bayesian" not in c)]
        words = [
            word
            for word in shlex.split(command)[3:]
            if not word.startswith(("--passes=", "--root=", "--dataset_root="))
        ]
        trunk = reproduced.workplace.place(*words)
        for level in range(3):
            check_row(drawn.loc[(method, level)], trunk / f"level_{level}" / "main")


def check_row(row: pd.Series, run: Path) -> None:
    logged: dict[str, list[float]] = {}
    for line in (run / "logger").read_text().splitlines():
        name, _, value = line.split(",")
        logged.setdefault(name, []).append(float(value))
    best = logged["test_accuracy"].index(max(logged["test_accuracy"]))
    evaluation = json.loads((run / "evaluation.json").read_text())
    report = json.loads((run / "sparsity_report.json").read_text())
    assert row["weights remaining (%)"] == pytest.approx(100 * report["unpruned"] / report["total"])
    assert row["replicates"] == 1
    assert pd.isna(row["passes"]) if evaluation["passes"] == 1 else row["passes"] == evaluation["passes"]
    for measure, factor in (("accuracy", 100), ("mace", 1)):
        heading, std = HEADINGS[measure], evaluation["final"][measure]["std"]
        assert row[heading] == pytest.approx(factor * logged[f"test_{measure}"][best], rel=1e-6)
        spread = row[f"{heading.partition(' (')[0]}: std over passes"]
        assert pd.isna(spread) if std is None else spread == pytest.approx(factor * std, rel=1e-6, abs=1e-9)
        assert pd.isna(row[f"{heading.partition(' (')[0]}: std over replicates"])


@pytest.mark.slow
def test_the_same_command_again_gives_the_same_bytes(reproduced, figures, tmp_path):
    reproduced.run("plot", f"--output={tmp_path}", "--figure", "1", "3", "posterior")
    again = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert len(again) == 12
    assert [name for name, content in again.items() if content != figures[name]] == []


def test_a_transplant_costs_less_than_the_bayesian_ticket_it_stands_for_by_the_recorded_times(reproduced, some_figures):
    rows = [line.rsplit(",", 5) for line in some_figures["cost.csv"].decode().splitlines()]
    runs = read_runs(reproduced.workplace.root)
    trunk = runs[(runs["experiment"] == runs.loc[runs["kind"] == "transplant", "experiment"].iloc[0])]
    arguments = trunk["branch_arguments"].fillna("")
    trunk = trunk[~arguments.str.contains("start_at=end") & ~arguments.str.contains("shuffle_seed")]
    seconds = trunk[trunk["kind"].isin(["main", "transplant"])].set_index(["kind", "level"])["seconds"]
    [level_2] = [row for row in rows if row[0] == "LeNet-12,transplanted" and row[1] == "2"]
    expected = (seconds["main", 0] + seconds["main", 1] + seconds["transplant", 2]) / 60
    assert float(level_2[-2]) == pytest.approx(expected, rel=1e-6)


def test_of_some_runs_the_figure_is_drawn_and_the_others_are_named(reproduced, tmp_path):
    workplace = copy_of(reproduced, tmp_path)
    command = next(c for c in reproduced.commands if "_square " in c and " evaluate " not in c)
    words = [word for word in shlex.split(command)[2:] if not word.startswith(("--root=", "--dataset_root="))]
    (workplace.place(*words) / "level_2" / "main" / "logger").unlink()
    outcome = workplace.run("plot", f"--scale={reproduced.scale}", "--figure=1", f"--output={tmp_path / 'out'}")
    line = "LeNet-12, Bayesian, √(μ²+σ²), replicate 1: level 2 is not finished"
    assert outcome.code == 0 and outcome.err == f"figure 1: missing: {line}\n"
    assert f"Missing:\n\n- {line}\n" in (tmp_path / "out" / "figure_1.md").read_text(encoding="utf-8")
    drawn = pd.read_csv(tmp_path / "out" / "figure_1.csv")
    assert drawn.groupby("method")["level"].max()["Bayesian, √(μ²+σ²)"] == 1 and len(drawn) == 11


def without(reproduced: Reproduced, place: Path, *keys: str, **changes: object) -> Path:
    """Return a scale that says nothing about some of its experiments, whose other runs are there."""
    path = place / "partial.json"
    path.write_text(json.dumps({**{key: value for key, value in TINY.items() if key not in keys}, **changes}))
    return path


def test_figures_of_which_a_scale_says_nothing_are_not_among_its_own(reproduced, tmp_path):
    everything = Plotter(Scale(TINY, "tiny"), reproduced.workplace.root, tmp_path).names()
    assert everything == figure_names()
    keys = (
        "learning_rates",
        "larger_networks",
        "std_learning_rates",
        "optimizers",
        "one_shot",
        "rewinding",
        "settings",
    )
    scale = {key: value for key, value in TINY.items() if key not in keys}
    fewer = Plotter(Scale(scale, "tiny"), reproduced.workplace.root, tmp_path).names()
    assert [name for name in everything if name not in fewer] == [
        *("6", "7", "scores", "optimizers", "pruning", "stability", "settings", "overlap_scores")
    ]


@pytest.mark.parametrize("command", ["plot", "report"])
def test_a_figure_of_which_a_scale_says_nothing_is_not_said_to_be_made_by_running_it(reproduced, tmp_path, command):
    scale = without(reproduced, tmp_path, "learning_rates")
    words = (command, f"--scale={scale}", f"--output={tmp_path / 'out'}", "--figure")
    line = "error: figure 7: the scale has no experiments for it"
    assert reproduced.workplace.refused(*words, "7") == line
    assert not (tmp_path / "out").exists()
    outcome = reproduced.workplace.run(*words, "2", "7")  # what can be drawn is, and the mistake is still one
    assert (outcome.code, outcome.err) == (2, line + "\n")
    assert all(Path(path).exists() for path in outcome.out.splitlines()) and outcome.out.startswith(str(tmp_path))


@pytest.mark.parametrize("command", ["plot", "report"])
def test_a_scale_whose_figures_have_no_experiments_is_refused(reproduced, tmp_path, command):
    scale = without(reproduced, tmp_path, "larger_networks", figures={"6": {}})
    line = reproduced.workplace.refused(command, f"--scale={scale}", f"--output={tmp_path / 'out'}")
    assert line == f"error: --scale={scale}: has no experiments for any of its figures"


def test_while_only_dense_networks_are_finished_the_other_figures_are_drawn(reproduced, tmp_path):
    workplace = copy_of(reproduced, tmp_path)
    for logger in workplace.root.rglob("level_[12]/*/logger"):
        logger.unlink()
    names = ("matching", "overlap", "posterior", "3")
    outcome = workplace.run(
        "plot", f"--scale={reproduced.scale}", f"--output={tmp_path / 'out'}", "--figure", "2", *names
    )
    assert outcome.code == 2 and len(outcome.out.splitlines()) == 4
    undrawn = [line.removeprefix("error: ") for line in outcome.err.splitlines() if ": missing: " not in line]
    assert [line.partition(":")[0] for line in undrawn] == [f"figure {name}" for name in names]


def test_without_runs_the_command_that_makes_them_is_named(workplace, tmp_path):
    scale = tmp_path / "tiny.json"
    scale.write_text(json.dumps(TINY))
    line = workplace.refused("plot", f"--scale={scale}", "--figure=9", f"--output={tmp_path / 'out'}")
    assert f"`python open_lth.py reproduce --scale={scale} --figure 9` makes them" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ((), "error: --scale is required: valid values are "),
        (("--scale=none.json",), "error: --scale=none.json: valid values are "),
        (("--scale=paper", "--figure=10"), "error: --figure=10: valid values are 1, 2, 3, "),
        (("--scale=paper", "--replicates=0"), "error: --replicates=0: must be a whole number of at least 1"),
    ],
)
@pytest.mark.parametrize("command", ["plot", "report"])
def test_a_mistake_ends_in_one_line(workplace, command, words, complaint):
    assert workplace.refused(command, *words).startswith(complaint)


def test_a_suite_for_which_the_scale_is_not_hinders_none_of_the_others(reproduced, monkeypatch, tmp_path):
    def refuse(scale):
        raise UserError("--scale: tides is missing")

    before = Plotter(Scale(TINY, "tiny"), reproduced.workplace.root, tmp_path).styles
    monkeypatch.setattr(SUITES, "_entries", {**SUITES._entries, "tides": Suite("Tides", refuse)})
    scale = {**TINY, "figures": {"2": {}}}
    plotter = Plotter(Scale(scale, "tiny"), reproduced.workplace.root, tmp_path)
    assert plotter.styles == before and plotter.names() == ["2"]
    with pytest.raises(UserError, match="tides is missing"):
        plotter.runs("tides")
