"""`--help` in every place: grouped, with the defaults in effect."""

from __future__ import annotations

import re

import pytest

from open_lth.command import read_command
from tests.open_lth.running import Workplace


def help_of(workplace: Workplace, *words: str) -> str:
    outcome = workplace.run(*words, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    return outcome.out


def entry(text: str, flag: str) -> str:
    """Return a flag's line of help with its explanation, in one line."""
    matches = re.findall(rf"^  --{flag}(?= |$).*(?:\n {{4,}}.*)*", text, re.MULTILINE)
    assert len(matches) == 1, f"{flag}: {matches}"
    return " ".join(matches[0].split())


def default(text: str, flag: str) -> str | None:
    found = re.search(r"\(default: (.*)\)$", entry(text, flag))
    return found[1] if found else None


@pytest.mark.parametrize("command", ["train", "lottery", "lottery_branch"])
def test_help_is_grouped_like_the_hyperparameters(workplace, command):
    text = help_of(workplace, command)
    titles = re.findall(r"^(\S.*):$", text, re.MULTILINE)
    groups = ["Presets", "Model Hyperparameters", "Dataset Hyperparameters", "Training Hyperparameters"]
    pruning = [] if command == "train" else ["Pruning Hyperparameters", "Before level 0"]
    assert [title for title in titles if title in {*groups, *pruning, "Running"}] == [*groups, *pruning, "Running"]


def test_every_flag_of_openlth_is_there_and_explained(workplace):
    text = help_of(workplace, "lottery", "--default_hparams=cifar_resnet_20", "--pretrain")
    flags = [
        "platform",
        "num_workers",
        "display_output_location",
        "replicate",
        "default_hparams",
        "quiet",
        "evaluate_only_at_end",
        "levels",
        "rewinding_steps",
        "pretrain",
        "dataset_name",
        "batch_size",
        "do_not_augment",
        "transformation_seed",
        "subsample_fraction",
        "random_labels_fraction",
        "unsupervised_labels",
        "blur_factor",
        "model_name",
        "model_init",
        "batchnorm_init",
        "batchnorm_frozen",
        "output_frozen",
        "others_frozen",
        "others_frozen_exceptions",
        "optimizer_name",
        "lr",
        "training_steps",
        "data_order_seed",
        "momentum",
        "nesterov_momentum",
        "milestone_steps",
        "gamma",
        "warmup_steps",
        "weight_decay",
        "apex_fp16",
        "recalibrate_batchnorm",
        "objective",
        "pruning_strategy",
        "pruning_fraction",
        "pruning_layers_to_ignore",
    ]
    for flag in flags:
        explanation = re.sub(r"^--\w+ ([A-Z]+ )?", "", entry(text, flag))
        assert len(explanation.split()) >= 2, flag


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            "mnist_lenet_300_100",
            {
                "dataset_name": "mnist",
                "batch_size": "128",
                "model_init": "kaiming_normal",
                "batchnorm_init": "uniform",
                "optimizer_name": "sgd",
                "lr": "0.1",
                "momentum": "0.0",
                "training_steps": "40ep",
                "pruning_strategy": "sparse_global",
                "pruning_fraction": "0.2",
                "pruning_layers_to_ignore": "fc.weight",
                "milestone_steps": None,
                "weight_decay": None,
                "gamma": None,
                "warmup_steps": None,
            },
        ),
        (
            "cifar_resnet_20",
            {
                "dataset_name": "cifar10",
                "batch_size": "128",
                "lr": "0.1",
                "momentum": "0.9",
                "weight_decay": "0.0001",
                "milestone_steps": "80ep,120ep",
                "gamma": "0.1",
                "training_steps": "160ep",
                "pruning_fraction": "0.2",
                "pruning_layers_to_ignore": None,
                "model_name": "cifar_resnet_20",
                "warmup_steps": None,
            },
        ),
        (
            "cifar_vgg_16",
            {
                "dataset_name": "cifar10",
                "lr": "0.1",
                "momentum": "0.9",
                "training_steps": "160ep",
                "pruning_layers_to_ignore": "fc.weight",
            },
        ),
        (
            "imagenet_resnet_50",
            {
                "dataset_name": "imagenet",
                "batch_size": "1024",
                "lr": "0.4",
                "momentum": "0.9",
                "weight_decay": "0.0001",
                "milestone_steps": "30ep,60ep,80ep",
                "gamma": "0.1",
                "training_steps": "90ep",
                "warmup_steps": "5ep",
            },
        ),
    ],
)
def test_with_a_preset_help_shows_the_models_own_defaults(workplace, model, expected):
    text = help_of(workplace, "lottery", f"--default_hparams={model}")
    assert {flag: default(text, flag) for flag in expected} == expected
    assert entry(text, "levels").endswith("(required)") and text.count("(required)") == 1


def test_the_bayesian_preset_is_the_papers_curriculum(workplace):
    text = help_of(workplace, "lottery", "--default_hparams=cifar_resnet_20", "--bayesian")
    expected = {
        "model_init": "torch_default",
        "optimizer_name": "adam",
        "lr": "0.001",
        "weight_decay": "0.0001",
        "milestone_steps": "80ep,120ep",
        "gamma": "0.1",
        "training_steps": "160ep",
        "batch_size": "128",
        "pruning_strategy": "sparse_global_snr",
        "pruning_fraction": "0.2",
        "momentum": "0.0",
        "pruning_layers_to_ignore": "fc.weight",
        "bayesian_samples": "10",
        "bayesian_kl_temperature": "0.1",
        "bayesian_init_std": "0.01",
        "bayesian_likelihood": "expected",
        "bayesian_std_lr_factor": "1.0",
        "bayesian_estimator": "weights",
    }
    assert {flag: default(text, flag) for flag in expected} == expected


def test_without_a_preset_help_says_what_is_required(workplace):
    text = help_of(workplace, "lottery")
    required = [
        "dataset_name",
        "batch_size",
        "model_name",
        "model_init",
        "batchnorm_init",
        "optimizer_name",
        "lr",
        "training_steps",
    ]
    for flag in [*required, "pruning_strategy", "levels"]:
        assert entry(text, flag).endswith("(required)")
    assert not entry(text, "momentum").endswith("(required)")


def test_the_flags_of_the_context_show_their_defaults(workplace):
    text = help_of(workplace, "train")
    assert (default(text, "platform"), default(text, "num_workers"), default(text, "replicate")) == ("local", "0", "1")


def test_a_model_flag_wins_over_its_preset(workplace):
    overridden = workplace.place("train", "--default_hparams=mnist_lenet_300_100", "--model_name=mnist_lenet_12")
    assert overridden == workplace.place("train", "--default_hparams=mnist_lenet_12")


@pytest.mark.parametrize("flag", ["pretrain_lr", "pretrain_dataset_name", "pretrain_unsupervised_labels"])
def test_pretrain_reveals_the_flags_of_pretraining(workplace, flag):
    assert f"--{flag} " not in help_of(workplace, "lottery")
    assert f"--{flag} " in help_of(workplace, "lottery", "--pretrain")


def test_pretrainings_flags_have_the_presets_defaults_except_for_how_long(workplace):
    text = help_of(workplace, "lottery", "--pretrain", "--default_hparams=cifar_resnet_20")
    assert (default(text, "pretrain_lr"), default(text, "pretrain_dataset_name")) == ("0.1", "cifar10")
    assert default(text, "pretrain_training_steps") == "0ep"


def test_the_bayesian_flags_are_there_when_the_network_is_bayesian(workplace):
    assert "--bayesian_samples" not in help_of(workplace, "train")
    assert "--bayesian_samples" in help_of(workplace, "train", "--bayesian")


def test_a_strategy_shows_its_own_flags(workplace):
    assert "--pruning_fraction" not in help_of(workplace, "lottery")
    assert "--pruning_fraction" in help_of(workplace, "lottery", "--pruning_strategy=sparse_random")


@pytest.mark.parametrize("words", [(), ("--default_hparams=cifar_resnet_20",)])
def test_lottery_branch_lists_its_branches(workplace, words):
    text = " ".join(workplace.run("lottery_branch", "--help", *words).out.split())
    assert "randomly_prune or shuffle (shuffle the level's mask and train the original weights under it)" in text
    assert "randomly_reinitialize or reinit (keep the level's mask and draw all weights anew)" in text
    assert "retrain (train the level's ticket on other data or under other training hyperparameters)" in text


def test_a_branch_explains_its_arguments(workplace):
    text = help_of(workplace, "lottery_branch", "shuffle")
    assert entry(text, "seed") == "--seed INT what the shuffled mask is drawn by. (required)"
    for word in ("layerwise", "global", "even", "identity"):
        assert word in entry(text, "strategy")
    assert default(text, "strategy") == "layerwise"
    assert default(text, "start_at") == "rewind"
    assert "separated by commas" in entry(text, "layers_to_ignore")


def test_a_branch_of_groups_shows_their_flags_without_the_presets_defaults(workplace):
    text = help_of(workplace, "lottery_branch", "retrain", "--default_hparams=cifar_resnet_20")
    assert "(required)" in entry(text, "retrain_d_batch_size")
    assert "(required)" in entry(text, "retrain_t_lr")
    assert "default" not in entry(text, "retrain_t_milestone_steps")


@pytest.mark.parametrize("branch", ["randomly_prune", "shuffle", "randomly_reinitialize", "reinit", "retrain"])
def test_no_argument_of_a_branch_goes_unexplained(workplace, branch):
    text = help_of(workplace, "lottery_branch", branch)
    section = text.partition("\nBranch Hyperparameters:\n")[2].partition("\n\nPresets:")[0]
    for flag in re.findall(r"^  --(\w+)", section, re.MULTILINE):
        assert len(entry(text, flag).split()) > 3, flag


def test_help_writes_nothing(workplace):
    help_of(workplace, "lottery", "--default_hparams=mnist_lenet_12", "--levels=1")
    assert not workplace.root.exists()


def test_a_bayesian_lottery_has_the_papers_levels_unless_told_others(workplace, capsys):
    assert default(help_of(workplace, "lottery", "--bayesian"), "levels") == "20"
    assert "(required)" in entry(help_of(workplace, "lottery"), "levels")
    words = ("lottery", "--default_hparams=cifar_resnet_20", "--bayesian")
    assert workplace.place(*words) == workplace.place(*words, "--levels=20")
    command = read_command((*words, f"--root={workplace.root}"))
    assert len(command[0]) == 21
