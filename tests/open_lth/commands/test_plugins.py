"""The subcommand `plugins`: who brings what."""

from __future__ import annotations

import re

import pytest

import cli
from models import MODEL_FAMILIES
from open_lth.branch import BRANCHES
from open_lth.plugins import REGISTRIES, Plugin, load


@pytest.fixture
def listed(capsys) -> list[list[str]]:
    assert cli.main(["plugins"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return [re.split(r"  +", line) for line in captured.out.splitlines()]


@pytest.fixture
def own_branches(monkeypatch) -> None:
    """Let what a test registers as a branch be gone afterwards."""
    monkeypatch.setattr(BRANCHES, "_entries", dict(BRANCHES._entries))
    monkeypatch.setattr(BRANCHES, "_aliases", dict(BRANCHES._aliases))
    monkeypatch.setattr(BRANCHES, "_owners", dict(BRANCHES._owners))


def test_the_plugin_that_comes_along_is_listed_first(listed):
    assert listed[:2] == [["plugin", "from", "state"], ["bayesian", "open_lth, with which it comes", "loaded"]]


@pytest.mark.parametrize(
    ("what", "owner", "names"),
    [
        ("variant", "open_lth", "deterministic"),
        ("variant", "bayesian", "bayesian"),
        ("branch", "open_lth", "randomly_prune/shuffle, randomly_reinitialize/reinit, retrain, fork,"),
        ("branch", "bayesian", "transplant"),
        (
            "pruning strategy",
            "open_lth",
            "sparse_global, sparse_random, sparse_global_scaled, sparse_lamp,",
        ),
        ("optimizer", "open_lth", "sgd, adam"),
        ("objective", "open_lth", "cross_entropy"),
        ("estimator", "bayesian", "weights, antithetic, local_reparameterization, recycled"),
        ("streamed data set", "open_lth", "imagenet"),
        ("scale", "bayesian", "paper, small, medium, gpu, methods"),
    ],
)
def test_every_name_stands_by_who_registered_it(listed, what, owner, names):
    assert [what, owner, names] in listed


def test_nothing_that_is_registered_is_left_out(listed):
    whats = {row[0] for row in listed[4:] if row[0]}
    assert whats == {what for what, registry in REGISTRIES.items() if list(registry.items())}
    words = {name for row in listed[4:] for name in re.split(r"[,/ ]+", row[-1])}
    assert words >= {name for _, registry in REGISTRIES.items() for name in registry.names()}
    assert words >= set(MODEL_FAMILIES.names())


def test_a_plugin_is_known_by_what_it_added(own_branches):
    plugin = Plugin("tides", "open-lth-tides 1.0", lambda: BRANCHES.register("ebb", "low_tide")(object))
    assert load(plugin).problem == ""
    assert (BRANCHES.owner_of("ebb"), BRANCHES.owner_of("retrain")) == ("tides", "")


def test_what_it_defers_is_its_own_too(own_branches):
    load(Plugin("tides", "", lambda: BRANCHES.defer(lambda: BRANCHES.register("ebb")(object))))
    assert "ebb" in BRANCHES and BRANCHES.owner_of("ebb") == "tides"


def test_one_that_fails_is_told_with_what_it_had_added_by_then(own_branches):
    def register():
        BRANCHES.register("ebb")(object)
        BRANCHES.register("retrain")(object)

    loaded = load(Plugin("tides", "open-lth-tides 1.0", register))
    assert loaded.problem == "--branch: retrain is registered twice"
    assert (BRANCHES.owner_of("ebb"), BRANCHES.owner_of("retrain")) == ("tides", "")


def test_a_failure_without_words_has_the_name_of_its_kind(own_branches):
    def register():
        raise NotImplementedError

    assert re.fullmatch(
        r"NotImplementedError \(test_plugins\.py, line \d+\)", load(Plugin("tides", "", register)).problem
    )
