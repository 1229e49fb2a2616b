from __future__ import annotations

from typing import Any

from open_lth.evaluation_request import EvaluationRequest


def measured(passes: int) -> dict[str, Any]:
    return {"accuracy": {"values": [0.5] * passes}}


def kept(passes: int, **more: Any) -> dict[str, Any]:
    return {"passes": passes, "reliability": {}, **more}


def test_as_many_passes_answer_a_request():
    assert EvaluationRequest(2).is_answered_by(kept(2))
    assert EvaluationRequest(2).is_answered_by(kept(3))
    assert EvaluationRequest(2).missing_from(kept(1)) == ["test"]
    assert EvaluationRequest(1).missing_from({"passes": 1}) == ["test"]  # of old, without a reliability diagram
    assert EvaluationRequest(1).missing_from({}) == ["test"]


def test_shifts_and_ood_are_asked_for_by_name_and_passes():
    request = EvaluationRequest(2, ("blur", "contrast"), ("svhn",))
    shift = {"blur": {"1": measured(2), "2": measured(2)}, "contrast": {"1": measured(2), "2": measured(1)}}
    assert request.missing_from(kept(2, shift=shift)) == ["contrast", "svhn"]
    assert request.missing_from(kept(2, ood={"svhn": {"entropy": measured(2)}})) == ["blur", "contrast"]
    complete = {"shift": {**shift, "contrast": shift["blur"]}, "ood": {"svhn": {"entropy": measured(4)}}}
    assert request.is_answered_by(kept(2, **complete))


def test_it_reads_as_the_flags_that_ask_for_it():
    assert str(EvaluationRequest(3)) == "3 passes"
    request = EvaluationRequest(3, ("blur", "contrast"), ("svhn",), "levels")
    assert str(request) == "3 passes --shift=blur,contrast --ood=svhn --ensemble=levels"
