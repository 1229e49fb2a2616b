from __future__ import annotations

import pytest

from foundations.errors import InvalidValue
from models import find_family
from training import VARIANTS, Deterministic, VariantHparams


def test_the_deterministic_kind_has_openlths_presets_and_no_hyperparameters():
    assert VARIANTS.get("deterministic") is Deterministic
    assert Deterministic.hparams is None
    assert isinstance(Deterministic.from_hparams(None), Deterministic)
    family = find_family("cifar_resnet_20")
    assert Deterministic.preset(family) == family.defaults


def test_the_name_of_a_kind_of_network_enters_its_text():
    assert str(VariantHparams(variant_name="quantum")) == "Hparams(variant_name='quantum')"


def test_an_unknown_kind_is_answered_with_the_valid_ones():
    with pytest.raises(InvalidValue, match=r"^--variant=quantum: valid values are deterministic"):
        VARIANTS.get("quantum")


def test_a_kind_is_pruned_as_what_it_is_and_as_what_its_weights_are_like():
    class Dropping(Deterministic):
        name, weights_like = "dropping", "deterministic"

    assert Deterministic.kinds() == ("deterministic",)
    assert Dropping.kinds() == ("dropping", "deterministic")
