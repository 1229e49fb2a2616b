from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foundations.step import Step, parse_step, parse_steps

MALFORMED = [
    "",
    " ",
    "ep",
    "it",
    "epit",
    "10",
    "10ep ",
    " 10ep",
    "10 ep",
    "-1ep",
    "+1ep",
    "1.5ep",
    "1e2it",
    "3it10ep",
    "10ep10ep",
    "10EP",
    "1ep2it3",
    "x10ep",
    "10ep\n",
    "\u0663ep",
    "1_0ep",
    "007it",
    "01ep",
]

iterations = st.integers(0, 10**7)
per_epoch = st.integers(1, 10**5)


@given(iterations, per_epoch)
def test_a_step_comes_back_from_its_text(iteration, length):
    step = Step(iteration, length)
    assert Step.from_str(str(step), length) == step


@given(iterations, per_epoch)
def test_epochs_and_iterations_add_up_to_the_step(iteration, length):
    step = Step(iteration, length)
    assert step.ep * length + step.it == iteration
    assert 0 <= step.it < length


@pytest.mark.parametrize(
    ("text", "iteration", "canonical"),
    [
        ("160ep", 62560, "160ep0it"),
        ("500it", 500, "1ep109it"),
        ("10ep3it", 3913, "10ep3it"),
        ("0it", 0, "0ep0it"),
        ("0ep", 0, "0ep0it"),
        ("391it", 391, "1ep0it"),
    ],
)
def test_texts_are_read_as_epochs_of_391_iterations(text, iteration, canonical):
    step = Step.from_str(text, 391)
    assert step.iteration == iteration
    assert str(step) == canonical


@pytest.mark.parametrize("text", MALFORMED)
def test_a_malformed_text_is_refused_with_examples_of_good_ones(text):
    with pytest.raises(ValueError, match="looks like 160ep, 500it or 10ep3it"):
        parse_step(text)


@given(st.text(alphabet="0123456789epit ,-", max_size=8))
def test_no_other_text_is_read(text):
    try:
        epochs, its = parse_step(text)
    except ValueError:
        return
    assert text.strip("0123456789") in {"ep", "it"} or ("ep" in text and text.endswith("it"))
    assert int("".join(c if c.isdigit() else " " for c in text).split()[0]) in (epochs, its)


def test_a_list_of_steps_is_split_at_commas():
    assert parse_steps("80ep,120ep3it,7it") == [(80, 0), (120, 3), (0, 7)]


@pytest.mark.parametrize("text", ["", "80ep,", ",80ep", "80ep, 120ep", "80ep;120ep", "80ep,,120ep"])
def test_a_malformed_list_is_refused(text):
    with pytest.raises(ValueError, match="looks like 80ep,120ep"):
        parse_steps(text)


@given(iterations, iterations, per_epoch)
def test_steps_are_ordered_as_their_iterations(first, second, length):
    a, b = Step(first, length), Step(second, length)
    assert (a < b, a <= b, a == b, a >= b, a > b) == (
        first < second,
        first <= second,
        first == second,
        first >= second,
        first > second,
    )
    if a == b:
        assert hash(a) == hash(b)


def test_steps_of_different_epoch_lengths_are_unequal_and_not_ordered():
    assert Step(4, 2) != Step(4, 4)
    with pytest.raises(ValueError, match="different epoch lengths"):
        _ = Step(4, 2) < Step(4, 4)


def test_a_step_is_not_compared_with_a_number():
    assert Step(4, 2) != 4
    with pytest.raises(TypeError):
        _ = Step(4, 2) < 4  # type: ignore[operator]


@given(iterations, per_epoch)
def test_the_next_step_is_one_iteration_later(iteration, length):
    step = Step(iteration, length).next()
    assert (step.iteration, step.iterations_per_epoch) == (iteration + 1, length)


@pytest.mark.parametrize(("iteration", "length"), [(-1, 10), (0, 0), (3, -1)])
def test_a_step_that_cannot_be_is_refused(iteration, length):
    with pytest.raises(ValueError, match="no such step"):
        Step(iteration, length)
