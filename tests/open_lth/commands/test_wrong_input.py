"""Wrong input ends in one line that names the flag, the value and what is valid; exit code 2; nothing is written."""

from __future__ import annotations

import pytest

from tests.open_lth.running import BAYESIAN, LENET, Trunk, Workplace

LOTTERY = ("lottery", "--levels=1", *LENET, "--quiet")
BRANCH = ("lottery_branch", "shuffle", "--seed=0", *LENET, "--quiet")
A_STEP = ": a number of steps looks like 160ep, 500it or 10ep3it"
RANGES = "must be levels and ascending ranges of them, e.g. 0-2,5-8,12"
LEAST_0 = "must be a whole number of at least 0"
BAYESIAN_STRATEGIES = ("sparse_global_snr", "sparse_global_square", "sparse_global_mu", "sparse_random")

UNKNOWN_NAMES = [
    ("--model_name=cifar_resnet_21", ("--model_name=cifar_resnet_21: ", "cifar_resnet_D[_W]", "mnist_lenet_N1")),
    ("--default_hparams=lenet", ("--default_hparams=lenet: ", "cifar_vgg_D", "mnist_lenet_N1")),
    ("--dataset_name=cifar", ("--dataset_name=cifar: did you mean cifar10? valid values are ", "digits", "imagenet")),
    ("--pruning_strategy=global", ("=global: did you mean sparse_global? valid values are ", "sparse_random")),
    (
        "--model_init=xavier",
        ("=xavier: valid values are binary, kaiming_normal, kaiming_uniform, torch_default, orthogonal",),
    ),
    ("--batchnorm_init=zero", ("--batchnorm_init=zero: valid values are uniform, fixed, oneone, positivenegative",)),
    ("--optimizer_name=lamb", ("--optimizer_name=lamb: valid values are sgd, adam",)),
    ("--objective=hinge", ("--objective=hinge: valid values are cross_entropy",)),
    ("--device=abacus", ("--device=abacus: this machine has auto, cpu",)),
    ("--platform=cloud", ("--platform=cloud: valid values are local, slurm",)),
    ("--precision=fp8", ("--precision=fp8: valid values are fp32, bf16, fp16",)),
    ("--unsupervised_labels=jigsaw", ("--unsupervised_labels=jigsaw: valid values are rotation",)),
]
NUMBERS = [
    ("--lr=abc", ("--lr=abc: must be a number",)),
    ("--lr=0", ("--lr=0", ": must be greater than 0")),
    ("--lr=-0.1", ("--lr=-0.1: must be greater than 0",)),
    ("--lr=nan", ("--lr=nan: must be a number",)),
    ("--lr=inf", ("--lr=inf: must be a number",)),
    ("--weight_decay=nan", ("--weight_decay=nan: must be a number",)),
    ("--weight_decay=-1", ("--weight_decay=-1", "must not be negative")),
    ("--momentum=1", ("--momentum=1", "must be at least 0 and less than 1")),
    ("--nesterov_momentum=-0.5", ("--nesterov_momentum=-0.5: must be at least 0 and less than 1",)),
    ("--batch_size=0", ("--batch_size=0: must be at least 1",)),
    ("--batch_size=12.5", ("--batch_size=12.5: must be a whole number",)),
    ("--subsample_fraction=0", ("--subsample_fraction=0", "must be above 0 and at most 1")),
    ("--subsample_fraction=1.5", ("--subsample_fraction=1.5: must be above 0 and at most 1",)),
    ("--random_labels_fraction=2", ("--random_labels_fraction=2", "must be between 0 and 1")),
    ("--blur_factor=0", ("--blur_factor=0: must be at least 1",)),
    ("--transformation_seed=-1", ("--transformation_seed=-1: must be between 0 and 4294967294",)),
    ("--pruning_fraction=1", ("--pruning_fraction=1", "must be at least 0 and less than 1")),
    ("--pruning_fraction=-0.1", ("--pruning_fraction=-0.1: must be at least 0 and less than 1",)),
    ("--replicate=0", ("--replicate=0: must be a whole number of at least 1",)),
    ("--num_workers=-1", (f"--num_workers=-1: {LEAST_0}",)),
    ("--levels=-1", (f"--levels=-1: {LEAST_0}",)),
    ("--levels=x", (f"--levels=x: {LEAST_0}",)),
    ("--levels=1-2", (f"--levels=1-2: {LEAST_0}",)),
    ("--levels=", (f"--levels=: {LEAST_0}",)),
    ("--levels=²", (f"--levels=²: {LEAST_0}",)),
]
STEPS = [
    ("--training_steps=5", ("--training_steps=5" + A_STEP,)),
    ("--training_steps=ep", ("--training_steps=ep" + A_STEP,)),
    ("--training_steps=3it2ep", ("--training_steps=3it2ep" + A_STEP,)),
    ("--training_steps=", ("--training_steps=" + A_STEP,)),
    ("--training_steps=0ep", ("--training_steps=0ep: must be at least one iteration",)),
    ("--milestone_steps=1ep,x --gamma=0.1", ("--milestone_steps=1ep,x: a list of steps looks like 80ep,120ep",)),
    ("--milestone_steps=1ep,", ("--milestone_steps=1ep,: a list of steps looks like 80ep,120ep",)),
    ("--milestone_steps=1ep", ("--gamma", "milestone_steps and gamma are given together or not at all")),
    ("--gamma=0.1", ("--milestone_steps", "milestone_steps and gamma are given together or not at all")),
    ("--warmup_steps=soon", ("--warmup_steps=soon" + A_STEP,)),
    ("--rewinding_steps=back", ("--rewinding_steps=back" + A_STEP,)),
    ("--rewinding_steps=", ("--rewinding_steps=" + A_STEP,)),
    ("--rewinding_steps=2ep", ("--rewinding_steps=2ep: must lie before the end of training, 2ep",)),
    ("--rewinding_steps=13it", ("--rewinding_steps=13it: must lie before the end of training, 2ep",)),
    (
        "--pretrain --pretrain_training_steps=3ep",
        ("--training_steps=2ep: must reach beyond --pretrain_training_steps",),
    ),
]
COMBINATIONS = [
    (
        "--bayesian --pruning_strategy=sparse_global",
        ("--pruning_strategy=sparse_global: is for deterministic networks", *BAYESIAN_STRATEGIES),
    ),
    (
        "--pruning_strategy=sparse_global_snr",
        (
            "--pruning_strategy=sparse_global_snr: is for bayesian networks",
            "sparse_global, sparse_random, sparse_g",
        ),
    ),
    ("--pretrain --rewinding_steps=1ep", ("--pretrain and --rewinding_steps cannot be given together",)),
    ("--dataset_name=cifar10", ("--dataset_name=cifar10: its images of 3x32x32 do not fit mnist_lenet_12", "1x28x28")),
    (
        "--pretrain --pretrain_training_steps=1ep --pretrain_dataset_name=svhn",
        ("--pretrain_dataset_name=svhn: its images of 3x32x32 do not fit mnist_lenet_12",),
    ),
    (
        "--pruning_layers_to_ignore=fc.weight,fc9.weight,fc8.weight",
        ("--pruning_layers_to_ignore=", "fc9.weight", "fc8.weight", "valid values are fc_layers.0.weight, fc.weight"),
    ),
    ("--others_frozen --others_frozen_exceptions=conv.weight", ("--others_frozen_exceptions=conv.weight: ", "fc.bias")),
    ("--bayesian --bayesian_samples=0", ("--bayesian_samples=0: must be at least 1",)),
    ("--bayesian --bayesian_samples=3 --bayesian_estimator=antithetic", ("--bayesian_samples=3: must be",)),
    ("--bayesian --bayesian_estimator=guess", ("--bayesian_estimator=guess: valid values are weights",)),
    ("--bayesian --bayesian_batchnorm=off", ("--bayesian_batchnorm=off: valid values are recalibrated, batch, run",)),
    ("--bayesian --bayesian_init_std=0", ("--bayesian_init_std=0", "must be greater than 0")),
    ("--bayesian --bayesian_kl_temperature=-1", ("--bayesian_kl_temperature=-1", "must not be negative")),
]
NO_FLAGS = [
    ("--colour=red", ("--colour=red",)),
    ("--levls=2", ("--levls=2: no such flag; did you mean --levels?",)),
    ("--batch-size=3", ("--batch-size=3: ", "did you mean --batch_size?")),
    ("--pr=3", ("--pr: is the beginning of --precision, --pretrain, --pruning_fraction, ",)),
    ("--pretrain_lr=0.1", ("--pretrain_lr=0.1",)),
    ("--bayesian_samples=3", ("--bayesian_samples=3: has no effect without --bayesian",)),
    ("--seed=3", ("--seed=3: no such flag; it is called --replicate, ",)),
    ("stray", ("stray",)),
    ("--quiet=yes", ("--quiet", "yes")),
]
TABLE = [*UNKNOWN_NAMES, *NUMBERS, *STEPS, *COMBINATIONS, *NO_FLAGS]


@pytest.mark.parametrize(("words", "expected"), TABLE, ids=[words for words, _ in TABLE])
def test_a_lottery_with_a_mistake_is_refused_in_one_line(workplace, words, expected):
    message = workplace.refused(*LOTTERY, *words.split())
    assert not [part for part in expected if part not in message], message
    assert not workplace.root.exists() or not list(workplace.root.iterdir())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (BRANCH, "--levels is required: levels and ranges of them, e.g. --levels=0-2,5-8,12"),
        ((*BRANCH, "--levels=3-1"), f"--levels=3-1: {RANGES}"),
        ((*BRANCH, "--levels=1,,2"), f"--levels=1,,2: {RANGES}"),
        ((*BRANCH, "--levels=a"), f"--levels=a: {RANGES}"),
        ((*BRANCH, "--levels=-1"), f"--levels=-1: {RANGES}"),
        ((*BRANCH, "--levels=1-"), f"--levels=1-: {RANGES}"),
        ((*BRANCH, "--levels=0 1"), f"--levels=0 1: {RANGES}"),
        ((*BRANCH, "--levels=1", "--seed=one"), "--seed=one: must be a whole number"),
        (("lottery_branch", "shuffle", "--levels=1", *LENET), "--seed is required: what the shuffled mask is drawn by"),
        (("lottery_branch", "prune", "--levels=1", *LENET), "=prune: did you mean randomly_prune? valid values are "),
        (("lottery_branch", "--levels=1", "shuffle", *LENET), "the branch comes first: lottery_branch BRANCH ...; "),
        (("lottery_branch",), "BRANCH"),
        (("lottery_branch", "reinit", "--levels=1", *LENET, "--strategy=even"), "--strategy=even"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_branch_with_a_mistake_is_refused_in_one_line(workplace, words, expected):
    assert expected in workplace.refused(*words)
    assert not workplace.root.exists()


REQUIRED = {
    "--dataset_name": "digits",
    "--batch_size": "256",
    "--model_name": "mnist_lenet_12",
    "--model_init": "kaiming_normal",
    "--batchnorm_init": "uniform",
    "--optimizer_name": "sgd",
    "--lr": "0.1",
    "--training_steps": "2ep",
    "--pruning_strategy": "sparse_global",
    "--levels": "0",
}


def given(*left_out: str) -> list[str]:
    return [f"{flag}={value}" for flag, value in REQUIRED.items() if flag not in left_out]


def test_with_every_required_flag_no_preset_is_needed(workplace):
    workplace.done("lottery", *given(), "--quiet")


@pytest.mark.parametrize("flag", REQUIRED)
def test_a_missing_flag_is_asked_for_by_name(workplace, flag):
    message = workplace.refused("lottery", *given(flag), "--quiet")
    assert message.startswith(f"error: {flag} is required: ")
    assert ("--default_hparams fills it in" in message) == (flag != "--levels")
    assert not workplace.root.exists()


def test_what_no_preset_fills_in_is_not_said_to_be(workplace):
    message = workplace.refused("lottery_branch", "shuffle", "--levels=1", *LENET)
    assert message == "error: --seed is required: what the shuffled mask is drawn by"


def test_a_flag_without_its_value_is_named(workplace):
    assert "--lr" in workplace.refused(*LOTTERY, "--lr")
    assert "--default_hparams" in workplace.refused("train", "--default_hparams")


@pytest.mark.parametrize("words", [(), BAYESIAN], ids=["deterministic", "bayesian"])
def test_a_level_that_is_not_there_is_answered_with_the_command_to_run_first(workplace, words):
    message = workplace.refused(*BRANCH, "--levels=2", *words)
    assert "level 2 of lottery_" in message and "(replicate 1) is not there yet" in message
    assert "run the lottery command" in message and "--levels=2 first" in message
    assert not workplace.root.exists()


def test_no_level_is_branched_off_if_the_last_one_is_not_there(finished, trunk_of):
    trunk = trunk_of()
    before = sorted(trunk.workplace.root.rglob("*"))
    message = trunk.workplace.refused(*BRANCH, "--levels=1-3")
    assert "level 3" in message and "--levels=3 first" in message
    assert sorted(trunk.workplace.root.rglob("*")) == before


FILES = ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz")


@pytest.mark.parametrize("command", [("train",), ("lottery", "--levels=1")], ids=["train", "lottery"])
@pytest.mark.parametrize(
    ("data", "files", "folder"),
    [
        (("--default_hparams=mnist_lenet_12",), FILES, "mnist/MNIST/raw"),
        (("--default_hparams=mnist_lenet_12", "--dataset_name=fashion_mnist"), FILES, "FashionMNIST/raw"),
        (("--default_hparams=cifar_resnet_8",), ("cifar-10-python.tar.gz",), "cifar10"),
        (("--default_hparams=cifar_resnet_8", "--dataset_name=svhn"), ("_32x32.mat",), "svhn"),
        (("--default_hparams=imagenet_resnet_18_2",), ("n01440764",), "imagenet"),
    ],
    ids=["mnist", "fashion_mnist", "cifar10", "svhn", "imagenet"],
)
def test_data_that_cannot_be_had_are_asked_for_by_file_and_place(workplace, command, data, files, folder):
    message = workplace.refused(*command, *data, "--quiet")
    assert all(file in message for file in files)
    assert f"into {workplace.dataset_root / folder}" in message
    assert not list(workplace.root.iterdir())
    assert not workplace.dataset_root.exists()


def test_data_of_pretraining_that_cannot_be_had_leave_nothing_either(workplace):
    words = ("--pretrain", "--pretrain_training_steps=1ep")  # whose data are the preset's: mnist
    assert "mnist: not found" in workplace.refused(*LOTTERY, *words)
    assert not list(workplace.root.iterdir())


def test_data_that_are_lost_later_cost_no_result(finished, trunk_of, monkeypatch):
    trunk: Trunk = trunk_of()
    before = trunk.workplace.files()
    (trunk.level(2) / "logger").unlink()

    def lost(*_, **__):
        from foundations.errors import UserError

        raise UserError("digits: gone")

    monkeypatch.setattr("datasets.sources.digits.Digits.load", lost)
    message = trunk.workplace.refused("lottery", "--levels=3", *trunk.words, "--quiet")
    assert message == "error: digits: gone"
    assert trunk.workplace.files() == {file for file in before if not file.endswith("level_2/main/logger")}


def test_another_experiment_under_the_root_survives_a_refused_one(workplace: Workplace):
    trunk = Trunk(workplace, LENET)
    trunk.find_tickets(levels=0)
    before = workplace.files()
    workplace.refused("lottery", "--levels=0", "--default_hparams=mnist_lenet_12", "--quiet")
    workplace.refused("lottery_branch", "reinit", "--levels=4", *LENET, "--quiet")
    assert workplace.files() == before
    assert [path.name for path in workplace.root.iterdir()] == [trunk.directory.parent.name]
