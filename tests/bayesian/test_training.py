"""Bayesian networks from end to end, through the training that everyone uses."""

from __future__ import annotations

import torch

from bayesian.adapter import variational_tensors
from bayesian.posterior import Posterior
from bayesian.variant import Bayesian
from datasets import DatasetHparams
from foundations.context import RunContext
from foundations.paths import RunPaths
from foundations.randomness import RandomStreams
from foundations.step import Step
from foundations.storage import load_tensors
from models import ModelHparams
from pruning import Mask, prunable_shapes
from training import MetricLogger, TrainingHparams, TrainingRun

LENET = ModelHparams(model_name="mnist_lenet_50", model_init="kaiming_uniform", batchnorm_init="uniform")
RESNET = ModelHparams(model_name="cifar_resnet_8_4", model_init="kaiming_uniform", batchnorm_init="uniform")
DIGITS = DatasetHparams(dataset_name="digits", batch_size=64)
FEW_DIGITS = DatasetHparams(dataset_name="digits", batch_size=32, subsample_fraction=0.1)


def run(folder, variant, model, data=DIGITS, **training):
    values = {"optimizer_name": "adam", "lr": 3e-3, "weight_decay": 1e-4, "training_steps": "4ep", **training}
    context = RunContext(folder, folder, evaluate_only_at_end=True)
    hparams = TrainingHparams(**values)
    return TrainingRun(
        RunPaths(folder / "run"), "level_0/main", variant, model, data, hparams, RandomStreams(1), context
    )


def start_of(training):
    return training.step("0ep")


def ones(variant, model):
    return Mask.ones(prunable_shapes(variant.prunable(model)))


def test_a_bayesian_lenet_learns_to_read_digits_in_a_few_epochs(tmp_path, make_hparams):
    variant = Bayesian(make_hparams(samples=4))
    training, model = run(tmp_path, variant, LENET), variant.build(LENET, 10, seed=0)
    training.train(model, ones(variant, model), start_of(training))
    logger = MetricLogger.load(training.paths.logger)
    accuracy = logger.get("test_accuracy")
    assert accuracy[0] < 0.3
    assert accuracy[training.end.iteration] > 0.9
    assert {"train_loss", "train_accuracy", "train_data_fit", "train_kl"} <= set(logger.names())
    assert logger.get("test_loss")[training.end.iteration] < 0.4


def test_training_writes_means_and_log_stds_and_the_same_command_gives_the_same_bits(tmp_path, make_hparams):
    states = []
    for folder in ("one", "two"):
        torch.manual_seed(len(states))
        variant = Bayesian(make_hparams())
        training, model = run(tmp_path / folder, variant, LENET, training_steps="5it"), variant.build(LENET, 10, 0)
        training.train(model, ones(variant, model), start_of(training))
        states.append(load_tensors(training.paths.model(training.end)))
    assert list(states[0]) == list(variant.build(LENET, 10, 0).state_dict())
    assert all(states[0][name].equal(states[1][name]) for name in states[0])


def test_a_pruned_resnet_comes_out_of_a_run_with_exact_zeros(tmp_path, make_hparams):
    variant = Bayesian(make_hparams(init_std=1.0))
    model = variant.build(RESNET, 10, seed=0)
    generator = torch.Generator().manual_seed(0)
    shapes = prunable_shapes(variant.prunable(model))
    mask = Mask({name: torch.rand(shape, generator=generator) < 0.3 for name, shape in shapes.items()})
    training = run(tmp_path, variant, RESNET, FEW_DIGITS, training_steps="2ep")
    before = {tensor.name: tensor.mean.detach().clone() for tensor in variational_tensors(model)}
    training.train(model, mask, start_of(training))
    posterior = Posterior.of(model)
    for tensor, drawn in zip(posterior.tensors, posterior.split(posterior.draw(generator)), strict=True):
        kept = mask.get(tensor.name, torch.ones(tensor.mean.shape)) == 1
        assert not drawn[~kept].any()
        assert not tensor.mean[~kept].any()
        assert not tensor.log_std[~kept].exp().any()
        assert drawn[kept].all()
        assert (tensor.mean[kept] != before[tensor.name][kept]).float().mean() > 0.9
    logger = MetricLogger.load(training.paths.logger)
    assert all(value == value for name in logger.names() for value in logger.get(name).values())


def test_a_finished_network_is_read_back_and_predicts_the_same(tmp_path, make_hparams):
    variant = Bayesian(make_hparams(init_std=1.0))
    training, model = run(tmp_path, variant, RESNET, FEW_DIGITS, training_steps="2it"), variant.build(RESNET, 10, 0)
    training.train(model, ones(variant, model), start_of(training))
    other = variant.build(RESNET, 10, seed=1).to(memory_format=torch.channels_last)
    other.load_state_dict(load_tensors(training.paths.model(training.end)))
    evaluator = training.evaluator()
    expected = evaluator.predict(model, training.end)[0].log_probabilities
    torch.testing.assert_close(evaluator.predict(other, training.end)[0].log_probabilities, expected)
    assert not evaluator.predict(other, Step(99, 100))[0].log_probabilities.allclose(expected, atol=1e-3)
