from __future__ import annotations

from foundations.errors import InvalidValue, UserError, one_of


def test_an_invalid_value_reads_as_it_was_typed_and_says_what_is_valid():
    error = InvalidValue("optimizer_name", "sdg", one_of(["sgd", "adam"]))
    assert isinstance(error, UserError)
    assert str(error) == "--optimizer_name=sdg: valid values are sgd, adam"


def test_inside_a_prefixed_group_the_flag_has_its_full_name():
    error = InvalidValue("lr", -1.0, "must be greater than 0")
    assert str(error.prefixed("retrain_t")) == "--retrain_t_lr=-1.0: must be greater than 0"
    assert error.prefixed("") is error
