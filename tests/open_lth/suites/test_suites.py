"""Suites: what figures are made of, and in which order it is run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from foundations.errors import UserError
from open_lth.suites import (
    SUITES,
    Experiment,
    Scale,
    Series,
    Suite,
    in_order,
    suites_of,
    with_networks,
    with_replicates,
)


@pytest.fixture
def two_figures(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    suites = {name: Suite(f"figure {name}", lambda scale: []) for name in ("1", "2")}
    monkeypatch.setattr(SUITES, "_entries", suites)
    monkeypatch.setattr(SUITES, "_aliases", {})
    yield


def commands(*series: Series) -> list[str]:
    return [" ".join(experiment.command) for experiment in in_order(series)]


def experiment(name: str, *after: Experiment) -> Experiment:
    return Experiment((name,), after)


def test_every_experiment_comes_once_and_after_what_it_needs():
    trunk = experiment("trunk")
    branch = experiment("branch", trunk)
    measured = experiment("measured", branch)
    assert commands(Series("", "a", (measured,)), Series("", "b", (trunk,)), Series("", "c", (branch,))) == [
        "trunk",
        "branch",
        "measured",
    ]


def test_equal_experiments_of_different_figures_are_one():
    assert commands(Series("left", "a", (experiment("x"),)), Series("right", "b", (experiment("x"),))) == ["x"]


def test_the_first_replicates_of_all_come_first_so_that_figures_can_soon_be_drawn():
    first = Series("", "a", tuple(map(experiment, ("a1", "a2", "a3"))))
    second = Series("", "b", tuple(map(experiment, ("b1", "b2"))))
    assert commands(first, second) == ["a1", "b1", "a2", "b2", "a3"]


def test_no_series_no_experiments():
    assert commands() == []


@pytest.mark.parametrize(
    ("scale", "asked", "expected"),
    [
        ({}, None, ["1", "2"]),
        ({}, [], ["1", "2"]),
        ({"figures": {"2": {}}}, None, ["2"]),
        ({"figures": {"2": {}}}, ["1"], ["1"]),
        ({"figures": {}}, ["2", "1"], ["2", "1"]),
    ],
)
def test_figures_are_those_asked_for_or_the_scales_own_or_all(two_figures, scale, asked, expected):
    assert list(suites_of(Scale(scale, "mine.json"), asked)) == expected


def test_an_unknown_figure_is_refused_with_the_valid_ones(two_figures):
    with pytest.raises(UserError, match="--figure=3: valid values are 1, 2"):
        suites_of(Scale({}, "mine.json"), ["3"])


def test_figures_of_a_scale_must_be_an_object(two_figures):
    with pytest.raises(UserError, match=r"--scale=mine\.json: figures must be an object"):
        suites_of(Scale({"figures": ["1"]}, "mine.json"))


def test_a_number_of_replicates_holds_for_all_figures_and_changes_nothing_else():
    content = {"levels": 3, "replicates": 5, "figures": {"1": {"networks": ["A"], "replicates": 7}, "2": {}}}
    scale = Scale(content, "mine.json")
    assert with_replicates(scale, 2) == {
        "levels": 3,
        "replicates": 2,
        "figures": {"1": {"networks": ["A"], "replicates": 2}, "2": {"replicates": 2}},
    }
    assert with_replicates(scale, 2).name == "mine.json"
    assert scale["replicates"] == 5


NETWORKS = {
    "networks": {"A net": "--a", "B": "--b", "C": "--c"},
    "larger_networks": {"A net": {"AA": "--aa"}, "B": {"BB": "--bb"}},
    "figures": {"1": {}, "2": {"networks": ["A net"], "replicates": 7}, "3": {"networks": ["C", "A net"]}},
}


def test_some_networks_alone_leave_out_the_others_everywhere_and_the_figures_of_others():
    scale = Scale(NETWORKS, "mine.json")
    assert with_networks(scale, ["C"]) == {
        "networks": {"C": "--c"},
        "larger_networks": {},
        "figures": {"1": {}, "3": {"networks": ["C"]}},
    }
    both = with_networks(scale, ["C", "A net"])
    assert list(both["networks"]) == ["A net", "C"]
    assert both["figures"]["2"] == {"networks": ["A net"], "replicates": 7}
    assert both["figures"]["3"]["networks"] == ["C", "A net"]
    assert list(scale["networks"]) == ["A net", "B", "C"]


def test_a_network_that_the_scale_does_not_have_is_refused_with_those_it_has():
    with pytest.raises(
        UserError, match=r"^--network=A nett: did you mean 'A net'\? valid values are 'A net', 'B', 'C'$"
    ):
        with_networks(Scale(NETWORKS, "mine.json"), ["B", "A nett"])


def test_a_network_without_a_figure_is_refused():
    scale = Scale({**NETWORKS, "figures": {"2": {"networks": ["A net"]}}}, "mine.json")
    with pytest.raises(UserError, match=r"^--network=B: --scale=mine\.json has no figure for it$"):
        with_networks(scale, ["B"])


@pytest.mark.parametrize("networks", [None, [], ["A net"], "A net", 5])
def test_networks_must_have_names(networks):
    with pytest.raises(UserError, match=r"^--scale=mine\.json: networks must be an object"):
        with_networks(Scale({"networks": networks}, "mine.json"), ["A net"])


@pytest.mark.parametrize(
    "malformed", [{"larger_networks": None}, {"larger_networks": ["A net"]}, {"figures": {"1": {"networks": 5}}}]
)
def test_what_else_is_malformed_is_left_to_the_suites(malformed):
    scale = Scale({"networks": {"A net": "--a"}, **malformed}, "mine.json")
    assert with_networks(scale, ["A net"]) == {"figures": {}, **scale}
