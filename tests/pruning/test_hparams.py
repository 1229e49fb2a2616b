from __future__ import annotations

import math

import pytest

from foundations.errors import InvalidValue
from pruning import GlobalPruningHparams


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
