"""What users ask to happen between training steps: weights along training, gradient norms, callbacks of plugins."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from foundations.errors import InvalidValue
from foundations.step import Step
from pruning import Mask, prunable_shapes
from training import CALLBACKS, MetricLogger


@pytest.fixture
def named(monkeypatch):
    """Register callbacks for the test alone."""
    monkeypatch.setattr(CALLBACKS, "_entries", {})
    return lambda name, make: CALLBACKS.register(name)(make)


def asking(run, **what):
    return replace(run, context=replace(run.context, **what))


def test_weights_are_saved_along_training_and_results_stay_as_they_are(runs, tmp_path):
    plain, run = runs.make(tmp_path / "plain"), asking(runs.make(tmp_path / "saving"), save_every="3it")
    runs.train(plain)
    runs.train(run)
    saved = [(epoch, iteration) for epoch, iteration in run.paths.models()]
    assert saved == [(0, 0), (0, 3), (1, 2), (2, 1)]  # nine steps; the last is the end
    assert runs.results(run)[0] == runs.results(plain)[0]
    assert torch.equal(*(one.load_network(one.end).fc.weight for one in (run, plain)))
    between = run.load_network(run.step("1ep2it")).fc.weight
    assert not torch.equal(between, run.load_network(run.end).fc.weight)


@pytest.mark.parametrize("text", ["often", "0it", "0ep", "-1it", ""])
def test_what_is_no_period_is_refused(runs, tmp_path, text):
    with pytest.raises(InvalidValue, match=f"--save_every={text}"):
        runs.train(asking(runs.make(tmp_path), save_every=text))


def test_the_norm_of_the_gradient_is_logged_as_an_average_over_the_epoch(runs, tmp_path):
    plain, run = runs.make(tmp_path / "plain"), asking(runs.make(tmp_path / "norms"), gradient_norms=True)
    runs.train(plain)
    runs.train(run)
    logger, other = (MetricLogger.load(one.paths.logger) for one in (run, plain))
    norms = logger.get("train_gradient_norm")
    assert list(norms) == list(logger.get("train_loss"))
    assert other.get("train_gradient_norm") == {}
    assert logger.get("test_loss") == other.get("test_loss")


def test_the_norm_of_the_gradient_is_that_of_all_parameters_together(runs, tmp_path, named):
    by_hand = []

    def remember(state):
        if state.step.iteration:
            gradients = [parameter.grad.flatten() for parameter in state.model.parameters()]
            assert len(gradients) == 4
            by_hand.append(float(torch.cat(gradients).square().sum().sqrt()))

    named("remember", lambda circumstances: remember)
    run = asking(runs.make(tmp_path), gradient_norms=True, callbacks="remember")
    model = run.variant.build(run.model_hparams, 10, seed=0)
    shapes = prunable_shapes(run.variant.prunable(model))
    run.train(model, Mask({name: torch.ones(shape) for name, shape in shapes.items()}), run.step("0it"))
    norms = MetricLogger.load(run.paths.logger).get("train_gradient_norm")
    epochs = {4: by_hand[:4], 8: by_hand[4:8]}
    assert norms == {end: pytest.approx(sum(own) / len(own), rel=1e-5) for end, own in epochs.items()}


def test_a_callback_sees_network_step_and_logger_and_runs_if_it_is_named(runs, tmp_path, named):
    seen = []

    def make(circumstances):
        def callback(state):
            seen.append(state.step.iteration)
            if state.step == circumstances.end:
                state.logger.add("weight_norm", state.step, float(state.model.fc.weight.detach().norm()))

        assert (circumstances.start, circumstances.end) == (Step(0, 4), Step(9, 4))
        assert circumstances.evaluator.train.num_examples == 29 and circumstances.is_leader
        return callback

    named("weight_norm", make)
    runs.train(runs.make(tmp_path / "without"))
    assert seen == []
    run = asking(runs.make(tmp_path / "with"), callbacks="weight_norm")
    runs.train(run)
    assert seen == list(range(10))
    norm = float(run.load_network(run.end).fc.weight.detach().norm())
    assert MetricLogger.load(run.paths.logger).get("weight_norm") == {9: pytest.approx(norm)}


def test_an_unknown_callback_is_refused_with_those_there_are(runs, tmp_path, named):
    named("weight_norm", lambda circumstances: lambda state: None)
    with pytest.raises(InvalidValue, match="--callbacks=wait_norm: did you mean weight_norm"):
        runs.train(asking(runs.make(tmp_path), callbacks="wait_norm"))


def test_the_training_set_is_measured_whenever_the_test_set_is(runs, tmp_path):
    plain, run = runs.make(tmp_path / "plain"), asking(runs.make(tmp_path / "both"), evaluate_train=True)
    runs.train(plain)
    runs.train(run)
    logger, other = (MetricLogger.load(one.paths.logger) for one in (run, plain))
    assert list(logger.get("train_set_loss")) == list(logger.get("test_loss"))
    assert {*logger.get("train_set_examples").values()} == {29.0}
    assert logger.get("test_loss") == other.get("test_loss") and logger.get("train_loss") == other.get("train_loss")
    model = run.load_network(run.end).eval()
    examples = list(run.evaluator().train.first_examples(29))
    logits = model(torch.cat([images for images, _ in examples]))
    loss = torch.nn.functional.cross_entropy(logits, torch.cat([labels for _, labels in examples]))
    assert logger.get("train_set_loss")[9] == pytest.approx(float(loss.detach()), rel=1e-5)
