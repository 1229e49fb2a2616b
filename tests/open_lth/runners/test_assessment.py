"""From made predictions to an evaluation's numbers."""

from __future__ import annotations

import statistics

import pytest
import torch

from open_lth.evaluation_request import EvaluationRequest
from open_lth.runners.assessment import OOD, SHIFT, TEST, VALIDATION, Assessment, Examples, sequence
from training import Prediction, measure
from training.measures import (
    cross_fitted_temperatures,
    detection_measures,
    fit_temperature,
    scale_by_temperature,
    uncertainty_scores,
)

PASSES = 2


def predicted(seed: int, count: int = 60, sharpness: float = 2.0) -> tuple[Prediction, torch.Tensor]:
    """What two samples predict of images of four classes, and labels that fit them a little."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, count, 4, generator=generator).double()
    samples = (sharpness * logits).softmax(dim=2)
    labels = torch.multinomial(logits[0].softmax(dim=1), 1, generator=generator)[:, 0]
    return Prediction(samples.mean(dim=0).log(), torch.special.entr(samples).sum(dim=2).mean(dim=0)), labels


def test_everything_comes_after_what_its_numbers_need():
    request = EvaluationRequest(PASSES, ("blur",), ("svhn",))
    found = list(sequence(request, has_validation=True))
    own = [(Examples(VALIDATION), 0), (Examples(TEST), 0), (Examples(VALIDATION), 1), (Examples(TEST), 1)]
    shifted = [(Examples(SHIFT, "blur", severity), index) for severity in range(1, 6) for index in range(PASSES)]
    assert found == [*own, *shifted, (Examples(OOD, "svhn"), 0), (Examples(OOD, "svhn"), 1)]
    assert list(sequence(EvaluationRequest(1), has_validation=False)) == [(Examples(TEST), 0)]


@pytest.fixture
def tested() -> Assessment:
    """Two passes over test examples, none of which were held out."""
    assessment = Assessment()
    for index in range(PASSES):
        assessment.add(Examples(TEST), index, *predicted(index))
    return assessment


def test_scaled_measures_have_a_temperature_fitted_on_the_other_half(tested):
    final = tested.final()
    assert final["temperature_fitted_on"] == "halves of the test set"
    for index in range(PASSES):
        prediction, labels = predicted(index)
        temperatures = cross_fitted_temperatures(prediction.log_probabilities, labels)
        scaled = measure(scale_by_temperature(prediction.log_probabilities, temperatures), labels)
        assert final["final"]["scaled_loss"]["values"][index] == scaled["loss"]
        assert final["final"]["scaled_ece"]["values"][index] == scaled["ece"]
        assert final["final"]["temperature"]["values"][index] == float(temperatures.mean())
        assert final["final"]["loss"]["values"][index] == measure(prediction.log_probabilities, labels)["loss"]


def test_or_on_the_held_out_examples_of_the_same_pass():
    assessment, temperatures = Assessment(), []
    for index in range(PASSES):
        held_out = predicted(10 + index, sharpness=4.0)
        assessment.add(Examples(VALIDATION), index, *held_out)
        assessment.add(Examples(TEST), index, *predicted(index))
        temperatures.append(fit_temperature(held_out[0].log_probabilities, held_out[1]))
    final = assessment.final()
    assert final["temperature_fitted_on"] == "validation"
    assert final["final"]["temperature"]["values"] == temperatures
    prediction, labels = predicted(1)
    scaled = measure(scale_by_temperature(prediction.log_probabilities, temperatures[1]), labels)
    assert final["final"]["scaled_loss"]["values"][1] == scaled["loss"]


def test_shifted_examples_get_their_own_images_temperature(tested):
    """Whether the temperature of an image is that of its half shows if the halves differ."""
    tested.add(Examples(SHIFT, "blur", 3), 0, *predicted(5))
    tested.add(Examples(SHIFT, "blur", 3), 1, *predicted(6))
    found = tested.shift()["blur"]["3"]
    for index in range(PASSES):
        clean, labels = predicted(index)
        temperatures = cross_fitted_temperatures(clean.log_probabilities, labels)
        prediction, labels = predicted(5 + index)
        scaled = measure(scale_by_temperature(prediction.log_probabilities, temperatures), labels)
        assert found["scaled_loss"]["values"][index] == scaled["loss"]
        assert found["accuracy"]["values"][index] == measure(prediction.log_probabilities, labels)["accuracy"]
    assert found["accuracy"]["mean"] == pytest.approx(statistics.mean(found["accuracy"]["values"]))


def test_scores_are_told_from_those_of_the_test_examples_of_the_same_pass(tested):
    for index in range(PASSES):
        tested.add(Examples(OOD, "svhn"), index, *predicted(7 + index, count=40, sharpness=0.5))
    found = tested.ood()["svhn"]
    assert list(found) == ["max_probability", "entropy", "mutual_information"]
    for index in range(PASSES):
        (inside, _), (outside, _) = predicted(index), predicted(7 + index, count=40, sharpness=0.5)
        expected = [uncertainty_scores(one.log_probabilities, one.sample_entropies) for one in (inside, outside)]
        for score, measures in found.items():
            told = detection_measures(expected[0][score], expected[1][score])
            assert {name: spread["values"][index] for name, spread in measures.items()} == told


def test_what_draws_no_samples_has_no_mutual_information():
    assessment = Assessment()
    for examples in (Examples(TEST), Examples(OOD, "svhn")):
        prediction, labels = predicted(0)
        assessment.add(examples, 0, Prediction(prediction.log_probabilities), labels)
    assert list(assessment.ood()["svhn"]) == ["max_probability", "entropy"]


def test_a_floor_and_an_interval_are_beside_both_calibration_errors(tested):
    final = tested.final()["final"]
    for error in ("ece", "mace"):
        assert 0 < final[f"{error}_floor"]["mean"] < 0.3
        for low, value, high in zip(*(final[f"{error}{end}"]["values"] for end in ("_low", "", "_high")), strict=True):
            assert low < value < high
