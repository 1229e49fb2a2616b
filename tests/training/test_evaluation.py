from __future__ import annotations

import copy

import torch

from training import Deterministic
from training.measures import measure


def test_a_network_is_measured_on_every_test_example_in_order(runs, tmp_path):
    run = runs.make(tmp_path)
    model = runs.train(run)
    evaluator = run.evaluator()
    images, labels = (torch.cat(parts) for parts in zip(*evaluator.test, strict=True))
    assert len(labels) == 360
    with torch.no_grad():
        expected = measure(model.eval()(images).log_softmax(1), labels)
    found = evaluator.evaluate(model, run.end)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6)


def test_the_last_line_of_the_logger_is_what_the_saved_network_measures(runs, tmp_path):
    run = runs.make(tmp_path)
    model = runs.train(run)
    measured = run.evaluator().evaluate(model, run.end)
    lines = [line.split(",") for line in runs.results(run)[0].splitlines()]
    logged = {name: float(value) for name, iteration, value in lines if int(iteration) == run.end.iteration}
    for name in ("loss", "accuracy", "examples"):
        assert logged[f"test_{name}"] == measured[name]


def test_evaluating_changes_nothing_of_the_network(runs, tmp_path):
    run = runs.make(tmp_path)
    model = runs.train(run)
    before = copy.deepcopy(model.state_dict())
    run.evaluator().evaluate(model, run.end)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_kind_of_network_is_told_the_occasion_and_gets_fixed_training_images_to_calibrate_on(runs, tmp_path):
    requests = []

    class Curious(Deterministic):
        def log_probabilities(self, model, request):
            requests.append((request.occasion, torch.cat(list(request.calibration())), request.streams))
            return super().log_probabilities(model, request)

    run = runs.make(tmp_path, variant=Curious())
    runs.train(run)
    occasions, images, streams = zip(*requests, strict=True)
    assert len(set(occasions)) == len(occasions) == 4
    assert set(streams) == {run.streams}
    assert images[0].shape == (29, 1, 28, 28)
    assert all(torch.equal(images[0], others) for others in images)
