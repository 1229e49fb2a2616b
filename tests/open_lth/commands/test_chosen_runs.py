"""Runs that are chosen by name: compared, plotted and reported without a scale."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from open_lth.results.chosen import choose, labels
from tests.open_lth.running import Trunk, Workplace, outcome_of

LENET = ("--default_hparams=mnist_lenet_12", "--dataset_name=digits", "--training_steps=1ep", "--batch_size=256")


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """A lottery of two replicates with a branch, and one of another learning rate; names by what they are."""
    place = tmp_path_factory.mktemp("chosen")
    workplace = Workplace(place / "results", place / "data")
    one, other = Trunk(workplace, LENET), Trunk(workplace, (*LENET, "--lr=0.3"))
    for trunk in (one, other):
        trunk.find_tickets(levels=2)
    workplace.done("lottery", *LENET, "--levels=2", "--replicate=2", "--quiet")
    names = {"one": one.directory.parent.name, "other": other.directory.parent.name}
    names["shuffled"] = one.branch("shuffle", "--seed=1", levels="1-2").name
    return workplace, {name: full.rpartition("_")[2][:10] for name, full in names.items()}, names


def test_what_differs_is_compared(two):
    workplace, short, full = two
    out = outcome_of("runs", f"--root={workplace.root}", "--compare", short["one"], short["other"]).out
    rows = [line.split() for line in out.splitlines()]
    assert rows == [["hyperparameter", full["one"], full["other"]], ["lr", "0.1", "0.3"]]
    words = ("runs", f"--root={workplace.root}", "--format=json", "--compare", short["one"], short["shuffled"])
    found = json.loads(outcome_of(*words).out)
    assert found[full["one"]]["kind"] == "-" and found[full["shuffled"]]["kind"] == "randomly_prune"
    assert found[full["shuffled"]]["seed"] == "1"


def test_curves_are_labelled_by_what_tells_them_apart_and_have_their_replicates(two, tmp_path):
    workplace, short, _ = two
    words = ("plot", f"--root={workplace.root}", f"--output={tmp_path}", "--runs", *short.values())
    outcome = outcome_of(*words)
    assert outcome.code == 0 and outcome.err == ""
    assert {path.name for path in tmp_path.iterdir()} == {f"runs.{kind}" for kind in ("png", "pdf", "csv", "md")}
    table = pd.read_csv(tmp_path / "runs.csv")
    assert table["panel"].unique().tolist() == ["mnist_lenet_12 (digits)"]
    replicates = table.groupby("method", sort=False)["replicates"].max().to_dict()
    assert replicates == {"lr=0.1": 2, "lr=0.3": 1, "randomly_prune, lr=0.1": 1}
    assert table.groupby("method")["level"].max().unique().tolist() == [2]
    assert {"test accuracy (%)", "NLL", "MACE", "ECE"} <= set(table)


def test_a_report_has_the_figure_and_the_commands(two, tmp_path):
    workplace, short, _ = two
    page = tmp_path / "page.html"
    outcome = outcome_of(
        "report", f"--root={workplace.root}", f"--output={page}", "--runs", short["one"], short["other"]
    )
    assert outcome.code == 0 and outcome.err == ""
    text = page.read_text(encoding="utf-8")
    assert "lottery --default_hparams=mnist_lenet_12" in text and "--lr=0.3" in text and "Chosen runs" in text


def test_labels_are_as_short_as_they_can_be_and_never_alike(two):
    workplace, short, full = two
    assert labels(choose(workplace.root, [short["one"], short["other"]])) == ["lr=0.1", "lr=0.3"]
    assert labels(choose(workplace.root, [short["one"]])) == [full["one"].rpartition("_")[2][:8]]
    twice = labels(choose(workplace.root, [short["one"], short["one"]]))
    assert twice[0] == twice[1]  # the same run twice is one curve


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("plot", "--runs", "lottery_none"), "no experiment under"),
        (("plot", "--runs", "lottery_"), "several experiments begin so"),
        (("plot", "--runs", "ONE", "--scale=small"), "--scale: has no effect with --runs"),
        (("plot", "--runs", "ONE", "--network=LeNet"), "--network: has no effect with --runs"),
        (("plot", "--runs", "ONE", "--select=validation"), "--select=validation: no run has held examples out"),
        (("plot", "--runs", "ONE", "--against=lr=0.2"), "--against=lr=0.2: valid values are '"),
        (("runs", "--compare", "ONE"), "--compare: needs two names or more"),
    ],
)
def test_mistakes_are_refused(two, tmp_path, words, message):
    workplace, short, _ = two
    words = [short["one"] if word == "ONE" else word for word in words]
    output = (f"--output={tmp_path}",) if words[0] == "plot" else ()
    outcome = outcome_of(*words, f"--root={workplace.root}", *output)
    assert outcome.code == 2 and message in outcome.err and outcome.err.count("\n") == 1
