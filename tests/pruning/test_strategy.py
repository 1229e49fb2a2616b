from __future__ import annotations

import math

import pytest
import torch

from foundations.errors import InvalidValue
from pruning import DETERMINISTIC, STRATEGIES, GlobalPruningHparams, Mask, check_strategy_fits, register_global_strategy


@pytest.fixture
def by_index(monkeypatch):
    """A user's strategy, for networks of a kind of their own: the first weights go."""
    monkeypatch.setattr(STRATEGIES, "_entries", dict(STRATEGIES._entries))

    def score(model, mask, generator):
        return {name: torch.arange(tensor.numel()).reshape(tensor.shape).float() for name, tensor in mask.items()}

    register_global_strategy("by_index", "the first weights", score, ("quantum",))
    return STRATEGIES.get("by_index")


def test_a_users_score_ranks_the_weights(by_index):
    hparams = by_index.get_pruning_hparams()(pruning_strategy="by_index", pruning_fraction=0.5)
    mask = by_index.prune(hparams, torch.nn.Identity(), Mask.ones({"a": [2, 4]}), torch.Generator())
    assert mask["a"].tolist() == [[0, 0, 0, 0], [0, 1, 1, 1]]
    assert by_index.description == "the first weights"


def test_a_strategy_is_refused_for_a_kind_of_network_it_cannot_judge(by_index):
    check_strategy_fits("by_index", "quantum")
    check_strategy_fits("sparse_random", "quantum")
    with pytest.raises(InvalidValue) as caught:
        check_strategy_fits("sparse_global", "quantum")
    assert str(caught.value).startswith("--pruning_strategy=sparse_global: is for deterministic networks; ")
    assert str(caught.value).endswith(
        "for a quantum network are sparse_random, sparse_snip, sparse_grasp, sparse_synflow, by_index"
    )


def test_a_kind_whose_weights_are_like_anothers_can_be_judged_by_what_judges_those(by_index):
    for name in ("by_index", "sparse_global", "sparse_random"):
        check_strategy_fits(name, "quantum", DETERMINISTIC)
    with pytest.raises(InvalidValue, match=r"for a classical network are sparse_global, sparse_random, sparse_g"):
        check_strategy_fits("by_index", "classical", DETERMINISTIC)


@pytest.mark.parametrize("name", ["sparse_global", "sparse_random"])
def test_deterministic_networks_have_magnitudes_and_the_control(name):
    check_strategy_fits(name, DETERMINISTIC)
    assert STRATEGIES.get(name).get_pruning_hparams() is GlobalPruningHparams
    assert STRATEGIES.get(name).description


def test_an_unknown_strategy_is_answered_with_the_valid_ones():
    with pytest.raises(
        InvalidValue, match=r"^--pruning_strategy=sparse: did you mean sparse_(lamp|snip)\? valid values are spa"
    ):
        check_strategy_fits("sparse", DETERMINISTIC)


def test_a_taken_name_is_refused(by_index):
    with pytest.raises(ValueError, match="by_index is registered twice"):
        register_global_strategy("by_index", "", lambda *_: {}, ())


@pytest.mark.parametrize("fraction", [-0.1, 1.0, 2.0, math.nan, math.inf])
def test_a_fraction_outside_zero_to_one_is_refused(fraction):
    with pytest.raises(InvalidValue, match=r"^--pruning_fraction=.*: must be at least 0 and less than 1"):
        GlobalPruningHparams(pruning_strategy="sparse_global", pruning_fraction=fraction)


@pytest.mark.parametrize(
    ("text", "names"),
    [(None, set()), ("", set()), ("fc.weight", {"fc.weight"}), ("a,b.weight", {"a", "b.weight"}), ("a,", {"a"})],
)
def test_ignored_layers_are_separated_by_commas(text, names):
    hparams = GlobalPruningHparams(pruning_strategy="sparse_global", pruning_layers_to_ignore=text)
    assert hparams.ignored == names


def test_the_text_is_openlths():
    assert str(GlobalPruningHparams(pruning_strategy="sparse_global")) == "Hparams(pruning_strategy='sparse_global')"
    lenet = GlobalPruningHparams(
        pruning_strategy="sparse_global", pruning_fraction=0.3, pruning_layers_to_ignore="fc.weight"
    )
    assert str(lenet) == (
        "Hparams(pruning_fraction=0.3, pruning_layers_to_ignore='fc.weight', pruning_strategy='sparse_global')"
    )
