"""The Bayesian group: its values, what is refused, and its text in a hash."""

from __future__ import annotations

import pytest

from bayesian.hparams import BayesianHparams
from foundations.errors import InvalidValue
from foundations.step import Step

REFUSED = [
    ({"samples": 0}, "samples", "at least 1"),
    ({"samples": -2}, "samples", "at least 1"),
    ({"evaluation_samples": 0}, "evaluation_samples", "at least 1"),
    ({"samples": 3, "estimator": "antithetic"}, "samples", "must be a multiple of 2"),
    ({"kl_temperature": -0.1}, "kl_temperature", "not be negative"),
    ({"kl_warmup": "5 epochs"}, "kl_warmup", "160ep"),
    ({"init_std": 0.0}, "init_std", "greater than 0"),
    ({"init_std": -1.0}, "init_std", "greater than 0"),
    ({"init_std": 5e-324}, "init_std", "at least 1e-30"),
    ({"init_scale": "he"}, "init_scale", "torch_blue, kaiming"),
    ({"std_lr_factor": 0.0}, "std_lr_factor", "greater than 0"),
    ({"prior_std": 0.0}, "prior_std", "at least 1e-06"),
    ({"estimator": "flipout"}, "estimator", "weights, antithetic"),
    ({"likelihood": "marginal"}, "likelihood", "expected, predictive"),
    ({"batchnorm": "frozen"}, "batchnorm", "recalibrated, batch, running"),
]


@pytest.mark.parametrize("values, flag, message", REFUSED, ids=lambda value: str(value))
def test_an_impossible_value_is_refused_naming_its_flag_and_what_is_possible(values, flag, message):
    with pytest.raises(InvalidValue, match=message) as caught:
        BayesianHparams(variant_name="bayesian", **values)
    assert caught.value.field == flag


@pytest.mark.parametrize(
    "values",
    [
        {"samples": 1},
        {"samples": 3},
        {"evaluation_samples": 3},
        {"samples": 2, "estimator": "antithetic", "evaluation_samples": 5},
        {"samples": 2, "estimator": "antithetic"},
        {"kl_temperature": 0.0},
        {"kl_warmup": "5ep"},
        {"std_lr_factor": 10.0},
        {"prior_std": 0.1},
        {"likelihood": "predictive"},
        {"batchnorm": "batch"},
        {"batchnorm": "running"},
    ],
    ids=str,
)
def test_unusual_values_are_accepted_and_enter_the_hash(values):
    hparams = BayesianHparams(variant_name="bayesian", **values)
    assert all(f"{name}=" in str(hparams) for name in values)


def test_the_defaults_are_the_papers():
    hparams = BayesianHparams(variant_name="bayesian")
    assert (hparams.samples, hparams.kl_temperature, hparams.init_std) == (10, 0.1, 0.01)
    assert (hparams.estimator, hparams.likelihood, hparams.batchnorm) == ("weights", "expected", "recalibrated")
    assert hparams.std_lr_factor == 1.0


def test_the_temperature_rises_linearly_from_zero_and_then_stays():
    hparams = BayesianHparams(variant_name="bayesian", kl_temperature=0.4, kl_warmup="2ep")
    found = [hparams.kl_temperature_at(Step(iteration, 10)) for iteration in (0, 5, 10, 20, 35)]
    assert found == pytest.approx([0.0, 0.1, 0.2, 0.4, 0.4])
    for constant in (None, "0ep"):
        without = BayesianHparams(variant_name="bayesian", kl_temperature=0.4, kl_warmup=constant)
        assert without.kl_temperature_at(Step(0, 10)) == 0.4


def test_with_defaults_only_the_variant_and_its_start_enter_the_hash():
    assert str(BayesianHparams(variant_name="bayesian")) == "Hparams(init_scale='torch_blue', variant_name='bayesian')"


def test_the_start_from_before_there_was_a_choice_keeps_its_names():
    assert str(BayesianHparams(variant_name="bayesian", init_scale="kaiming")) == "Hparams(variant_name='bayesian')"


@pytest.mark.parametrize(("scale", "unit"), [("torch_blue", 1 / 3 + 1e-5), ("kaiming", 27**-0.5)])
def test_the_initial_std_is_a_multiple_of_the_named_scale(scale, unit):
    hparams = BayesianHparams(variant_name="bayesian", init_std=0.5, init_scale=scale)
    assert hparams.initial_std(9) == pytest.approx(0.5 * unit)


def test_what_differs_from_the_defaults_enters_the_hash_in_order():
    hparams = BayesianHparams(variant_name="bayesian", samples=4, estimator="antithetic", init_std=0.1)
    expected = (
        "Hparams(estimator='antithetic', init_scale='torch_blue', init_std=0.1, samples=4, variant_name='bayesian')"
    )
    assert str(hparams) == expected
