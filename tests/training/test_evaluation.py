from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

import training.graphs
from datasets import DatasetHparams
from tests.training.operation_graph import OperationGraph
from training import Deterministic, MetricLogger
from training.batchnorm import recalibrate
from training.data import load_validation_for
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
        def predict(self, model, request):
            requests.append((request.occasion, torch.cat(list(request.calibration())), request.streams))
            return super().predict(model, request)

    run = runs.make(tmp_path, variant=Curious())
    runs.train(run)
    occasions, images, streams = zip(*requests, strict=True)
    assert len(set(occasions)) == len(occasions) == 4
    assert set(streams) == {run.streams}
    assert images[0].shape == (29, 1, 28, 28)
    assert all(torch.equal(images[0], others) for others in images)


def test_held_out_examples_are_measured_whenever_the_test_examples_are(runs, tmp_path):
    run = replace(runs.make(tmp_path), dataset_hparams=replace(runs.digits, validation_fraction=0.2))
    model = runs.train(run)
    logger = MetricLogger.load(run.paths.logger)
    tested, validated = (logger.get(f"{name}_accuracy") for name in ("test", "validation"))
    assert tested.keys() == validated.keys()
    assert {*logger.get("validation_examples").values()} == {288.0}
    held_out = load_validation_for(run.model_hparams, run.dataset_hparams, run.context)
    images, labels = (torch.cat(parts) for parts in zip(*held_out, strict=True))
    with torch.no_grad():
        expected = measure(model.eval()(images).log_softmax(1), labels)
    for name, value in expected.items():
        assert logger.get(f"validation_{name}")[run.end.iteration] == pytest.approx(value, rel=1e-5, abs=1e-6)


def test_holding_examples_out_shortens_the_epoch_and_the_training_set(runs, tmp_path):
    told = []

    class Curious(Deterministic):
        def objective(self, model, circumstances):
            told.append(circumstances.num_examples)
            return super().objective(model, circumstances)

    run = replace(runs.make(tmp_path, variant=Curious()), dataset_hparams=replace(runs.digits, validation_fraction=0.5))
    runs.train(run)
    assert told == [15]  # 2 % of the other half, in two batches
    assert run.end.iterations_per_epoch == 2


def test_without_held_out_examples_nothing_is_said_of_them(runs, tmp_path):
    run = runs.make(tmp_path)
    runs.train(run)
    assert not any(name.startswith("validation") for name in MetricLogger.load(run.paths.logger).names())


def test_it_is_calibrated_on_512_training_images_in_batches_of_128_whatever_the_batch_size(runs, tmp_path):
    found = []

    class Curious(Deterministic):
        def predict(self, model, request):
            found.append(list(request.calibration()))
            return super().predict(model, request)

    for batch_size in (8, 1000):
        run = runs.make(tmp_path, variant=Curious())
        run = replace(run, dataset_hparams=DatasetHparams(dataset_name="digits", batch_size=batch_size))
        run.evaluator().evaluate(run.new_network(0), run.step("0it"))
    assert [tuple(batch.shape) for batch in found[0]] == [(128, 1, 28, 28)] * 4
    assert all(one.equal(other) for one, other in zip(*found, strict=True))


def test_passes_over_images_that_stream_from_the_disk_are_not_captured_and_that_is_said(
    runs, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(training.graphs, "graphs_of", lambda device: OperationGraph)
    run = runs.make(tmp_path)
    evaluator, model = run.evaluator(), run.new_network(0)
    evaluator.test.stay_in_place = False
    evaluator.evaluate(model, run.end)
    reason = "the images stream from the disk"
    assert caplog.messages == [f"passes of an evaluation are not captured in a CUDA graph, and so slower: {reason}"]


def resnet_run(runs, place, **changes):
    """Return a run of a network with BatchNorm that has hardly been trained, so that running statistics lag behind."""
    run = runs.make(place)
    model = replace(run.model_hparams, model_name="cifar_resnet_8_4")
    return replace(run, model_hparams=model, training_hparams=replace(run.training_hparams, **changes))


def test_statistics_are_recomputed_for_the_measures_alone(runs, tmp_path):
    plain, asked = resnet_run(runs, tmp_path / "a"), resnet_run(runs, tmp_path / "b", recalibrate_batchnorm=True)
    models = [runs.train(run) for run in (plain, asked)]
    states = [model.state_dict() for model in models]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])  # training stays as it was

    evaluator = asked.evaluator()
    recalibrated = copy.deepcopy(models[1])
    recalibrate(recalibrated, evaluator.calibration_images(), recalibrated)
    images, labels = (torch.cat(parts) for parts in zip(*evaluator.test, strict=True))
    with torch.no_grad():
        expected = measure(recalibrated.eval()(images).log_softmax(1), labels)
    before = copy.deepcopy(states[1])
    found = evaluator.evaluate(models[1], asked.end)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)
    assert found["loss"] != plain.evaluator().evaluate(models[0], plain.end)["loss"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in models[1].state_dict().items())
