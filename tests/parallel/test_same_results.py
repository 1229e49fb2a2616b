"""Several processes train to the results of one, up to rounding, wherever they do not draw numbers of their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from foundations.storage import read_json
from pruning import Mask
from tests.open_lth.running import Tensors, Workplace
from tests.parallel.conftest import LENET, Together
from training import MetricLogger

ONE_STEP = ("train", *LENET, "--training_steps=1it", "--optimizer_name=sgd", "--lr=1", "--momentum=0")
"""After one step of this rate, weights differ from the initial ones by the gradient."""
BAYESIAN = (*LENET, "--bayesian", "--bayesian_samples=5", "--lr=0.01")
RESNET = ("--default_hparams=cifar_resnet_8_4", "--dataset_name=digits", "--batch_size=64", "--subsample_fraction=0.1")
SAMPLES = "--ranks_split=samples"

LOTTERY = ("lottery", *LENET, "--levels=2")
COMMANDS: dict[str, tuple[str, ...]] = {
    "lottery": LOTTERY,
    "branch": ("lottery_branch", "shuffle", *LENET, "--levels=1,2", "--seed=3", "--strategy=global"),
    "bayesian lottery": ("lottery", *BAYESIAN, "--levels=1", SAMPLES),
    "evaluation": (
        "evaluate",
        "lottery",
        *BAYESIAN,
        "--levels=1",
        "--passes=3",
        SAMPLES,
        "--shift=blur",
        "--ood=noised",
    ),
    "ensemble": ("evaluate", "lottery", *LENET, "--levels=1", "--ensemble=levels"),
    "shared noise": ("train", *BAYESIAN, "--bayesian_kl_temperature=0.2", "--ranks_noise=shared"),
    "own noise": ("train", *BAYESIAN, "--bayesian_kl_temperature=0.3"),
    "gradient": (*ONE_STEP, "--batch_size=255"),
    "gradient of samples": (*ONE_STEP, "--bayesian", "--bayesian_samples=5", "--weight_decay=0", SAMPLES),
    "gradient of the predictive likelihood": (
        *ONE_STEP,
        "--bayesian",
        "--bayesian_samples=5",
        "--weight_decay=0",
        "--bayesian_likelihood=predictive",
        "--bayesian_init_std=1",
        SAMPLES,
    ),
    "gradient under batchnorm": (
        "train",
        *RESNET,
        "--bayesian",
        "--bayesian_samples=3",
        "--optimizer_name=sgd",
        "--lr=1",
        "--weight_decay=0",
        "--training_steps=1it",
        SAMPLES,
    ),
    "antithetic pairs": (
        *ONE_STEP,
        "--bayesian",
        "--bayesian_samples=6",
        "--weight_decay=0",
        "--bayesian_estimator=antithetic",
        SAMPLES,
    ),
}


@dataclass(frozen=True)
class Both:
    """The same commands in one process and in two."""

    alone: Workplace
    shared: Workplace
    together: Together

    def places(self, name: str) -> tuple[Path, Path]:
        """Return where a command's results lie in either root."""
        return self.alone.place(*COMMANDS[name]), self.shared.place(*COMMANDS[name])

    def runs(self, name: str) -> list[tuple[Path, Path]]:
        """Return the directories of a command's runs in either root."""
        alone, shared = self.places(name)
        found = sorted(path.parent.relative_to(alone) for path in alone.rglob("logger"))
        assert found == sorted(path.parent.relative_to(shared) for path in shared.rglob("logger"))
        return [(alone / run, shared / run) for run in found]


@pytest.fixture(scope="module")
def both(new_workplace: Callable[[], Workplace], together: Callable[..., Together]) -> Both:
    alone, shared = new_workplace(), new_workplace()
    for words in COMMANDS.values():
        alone.done(*words, "--quiet")
    return Both(alone, shared, together(shared, *COMMANDS.values()))


def final_weights(run: Path) -> Tensors:
    last = max(run.glob("model_ep*_it*.pth"), key=lambda path: path.stat().st_mtime_ns)
    return torch.load(last, weights_only=True)


def initial_weights(run: Path) -> Tensors:
    return torch.load(run / "model_ep0_it0.pth", weights_only=True)


def greatest_difference(one: Tensors, other: Tensors) -> float:
    kept = {name: tensor for name, tensor in one.items() if tensor.is_floating_point() and "running" not in name}
    differences = [(tensor - other[name]).nan_to_num(0, 0, 0).abs().max().item() for name, tensor in kept.items()]
    return max(differences)


@pytest.mark.smoke
def test_two_processes_end_where_one_ends_to_rounding(new_workplace, together):
    words, alone, shared = ("train", *LENET), new_workplace(), new_workplace()
    alone.done(*words, "--quiet")
    outcome = together(shared, words)
    assert outcome.codes == [[0], [0]], outcome.output
    expected, found = (final_weights(workplace.place(*words)) for workplace in (alone, shared))
    assert greatest_difference(initial_weights(alone.place(*words)), expected) > 1e-3
    assert greatest_difference(found, expected) < 1e-4


def test_all_commands_end_well_on_both_ranks(both):
    assert both.together.code == 0, both.together.output
    assert both.together.codes == [[0] * len(COMMANDS)] * 2


@pytest.mark.parametrize("name", [name for name in COMMANDS if name.startswith("gradient")] + ["antithetic pairs"])
def test_a_batchs_gradient_is_that_of_one_process_to_rounding(both, name):
    ((alone, shared),) = both.runs(name)
    before, after = initial_weights(alone), final_weights(alone)
    size = greatest_difference(before, after)
    assert size > 1e-3  # the step was a step
    assert greatest_difference(final_weights(shared), after) < 1e-5 * max(size, 1.0)


@pytest.mark.parametrize("name", ["lottery", "branch", "bayesian lottery", "shared noise"])
def test_training_ends_where_one_process_ends_to_rounding(both, name):
    for alone, shared in both.runs(name):
        assert greatest_difference(final_weights(shared), final_weights(alone)) < 1e-4
        one, other = MetricLogger.load(alone / "logger").rows(), MetricLogger.load(shared / "logger").rows()
        assert one.keys() == other.keys()
        for iteration, measures in one.items():
            assert measures.keys() == other[iteration].keys()
            for measure in ("train_loss", "train_accuracy", "test_loss", "test_brier", "train_kl"):
                if measure in measures:
                    assert other[iteration][measure] == pytest.approx(measures[measure], rel=1e-4)


@pytest.mark.parametrize("name", ["lottery", "bayesian lottery"])
def test_tickets_are_those_of_one_process(both, name):
    for alone, shared in both.runs(name):
        assert Mask.load(alone / "mask.pth").digest() == Mask.load(shared / "mask.pth").digest()


def test_repeated_evaluation_passes_are_those_of_one_process(both):
    for alone, shared in both.runs("bayesian lottery"):
        one, other = read_json(alone / "evaluation.json"), read_json(shared / "evaluation.json")
        assert other["passes"] == one["passes"] == 3
        assert other["final"]["loss"]["values"] == pytest.approx(one["final"]["loss"]["values"], rel=1e-4)
        assert other["final"]["loss"]["std"] > 0


def test_shifted_images_and_others_are_measured_as_by_one_process(both):
    for alone, shared in both.runs("bayesian lottery"):
        one, other = read_json(alone / "evaluation.json"), read_json(shared / "evaluation.json")
        for severity, measured in one["shift"]["blur"].items():
            found = other["shift"]["blur"][severity]["loss"]["values"]
            assert found == pytest.approx(measured["loss"]["values"], rel=1e-4)
        for score, measured in one["ood"]["noised"].items():
            assert other["ood"]["noised"][score]["auroc"]["mean"] == pytest.approx(measured["auroc"]["mean"], abs=1e-3)


def test_ensembles_are_measured_as_by_one_process(both):
    places = (place / "ensemble_of_levels" / "main" for place in both.places("lottery"))
    one, other = (read_json(place / "evaluation.json") for place in places)
    assert one["members"] == other["members"] and len(one["members"]) == 2
    assert other["final"]["loss"]["mean"] == pytest.approx(one["final"]["loss"]["mean"], rel=1e-4)


def test_ranks_that_share_examples_draw_their_own_noise_unless_told_otherwise(both):
    ((alone, shared),) = both.runs("own noise")
    assert greatest_difference(final_weights(shared), final_weights(alone)) > 1e-3
    assert "draw random numbers of their own" in both.together.output
    assert "draw the same random numbers" in both.together.output
    assert "share the samples of each batch" in both.together.output


def test_every_rank_has_the_mask_that_lies_in_the_directory(both):
    leaders, followers = both.together.digests("the mask")
    assert leaders == followers
    kept = {Mask.load(path).digest() for path in both.shared.root.rglob("mask.pth")}
    assert kept <= set(leaders)
    assert len(kept) > 4


def test_every_rank_has_the_same_weights_at_every_checkpoint(both):
    leaders, followers = both.together.digests("the weights")
    assert leaders == followers
    assert len(set(leaders)) > 20


def test_only_the_leader_writes(both):
    leaders, followers = both.together.all("wrote")
    assert leaders and not followers
