"""Directory names, pinned literally: whoever has results of OpenLTH finds them again."""

from __future__ import annotations

import hashlib

import pytest

BY_HAND = (
    "--dataset_name=cifar10",
    "--batch_size=128",
    "--model_name=cifar_resnet_20",
    "--model_init=kaiming_normal",
    "--batchnorm_init=uniform",
    "--optimizer_name=sgd",
    "--lr=0.1",
    "--training_steps=160ep",
    "--pruning_strategy=sparse_global",
)
STEPS_OF_OPENLTH = [
    ((), "lottery_da8fd50859ba6d59aceca9d50ebcbf7e"),
    (("--momentum=0.9",), "lottery_028eb999ecd1980cd012589829c945a3"),
    (("--milestone_steps=80ep,120ep", "--gamma=0.1"), "lottery_e696cbf42d8758b8afdf2a16fad1de15"),
    (("--weight_decay=1e-4",), "lottery_93bc65d66dfa64ffaf2a0ab105433a2c"),
    (("--warmup_steps=20ep",), "lottery_4e7b9ee929e8b1c911c5295233e6828f"),
    (("--data_order_seed=0",), "lottery_d51482c0d378de4cc71b87b38df2ea84"),
    (("--do_not_augment",), "lottery_231b1efe748045875f738d860f4cb547"),
    (("--transformation_seed=0",), "lottery_4dfd57a481be9a2d840f7ad5d1e6f5f0"),
]
EXAMPLE = ("--default_hparams=mnist_lenet_12_8", "--training_steps=2ep", "--subsample_fraction=0.02")
EXAMPLE_NAME = "lottery_10ded27454e22a1b71fcd332ae4f15d0"
REINITIALIZED = "lottery_branch_randomly_reinitialize_7b99794732481fff503d5290ee43fb4b"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("count", range(1, len(STEPS_OF_OPENLTH) + 1))
def test_openlths_lotteries_keep_their_names_as_hyperparameters_are_added_one_by_one(workplace, count):
    added = [word for words, _ in STEPS_OF_OPENLTH[:count] for word in words]
    place = workplace.place("lottery", "--levels=1", *BY_HAND, *added)
    assert place == workplace.root / STEPS_OF_OPENLTH[count - 1][1] / "replicate_1"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("train", "--default_hparams=cifar_resnet_20"), "train_71bc92a970b64a76d7ab7681764b0021/replicate_1/main"),
        (
            ("lottery", "--levels=3", "--default_hparams=cifar_resnet_20"),
            "lottery_93bc65d66dfa64ffaf2a0ab105433a2c/replicate_1",
        ),
        (("lottery", "--levels=2", *EXAMPLE), f"{EXAMPLE_NAME}/replicate_1"),
        (
            ("lottery_branch", "randomly_reinitialize", "--levels=1", *EXAMPLE),
            f"{EXAMPLE_NAME}/replicate_1/level_1/{REINITIALIZED}",
        ),
    ],
    ids=["train", "lottery", "OpenLTH's example", "OpenLTH's example of a branch"],
)
def test_openlths_presets_keep_their_names(workplace, words, expected):
    assert workplace.place(*words) == workplace.root / expected


EARLIER_START = ("--bayesian_init_scale=kaiming", "--model_init=kaiming_uniform")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("lottery", "--levels=1"), "lottery_97f9ddd73de16d09870fb049681376ae/replicate_1"),
        (("train",), "train_2f926a352810bae76b8d7e2fe6fcd843/replicate_1/main"),
        # The start that the preset had before there was a choice keeps its names.
        (("lottery", "--levels=1", *EARLIER_START), "lottery_1effdb5f02354c957fff9d2ab9240a36/replicate_1"),
        (("train", *EARLIER_START), "train_5ee7560b714e7e460c558572978e06b9/replicate_1/main"),
    ],
    ids=["lottery", "train", "lottery before", "train before"],
)
def test_the_bayesian_network_has_a_name_of_its_own_that_stays(workplace, words, expected):
    preset = (*words, "--default_hparams=cifar_resnet_20")
    assert workplace.place(*preset, "--bayesian") == workplace.root / expected
    deterministic = tuple(word for word in preset if not word.startswith("--bayesian_"))
    assert workplace.place(*deterministic) != workplace.place(*preset, "--bayesian")


def test_bayesian_and_deterministic_networks_differ_in_name_even_under_the_same_other_hyperparameters(workplace):
    words = ["lottery", "--levels=1", *BY_HAND, "--pruning_strategy=sparse_random"]
    assert workplace.place(*words) != workplace.place(*words, "--bayesian")


@pytest.mark.parametrize("value", ["5", "10"], ids=["another number of samples", "the default spelled out"])
def test_a_bayesian_hyperparameter_enters_the_name_unless_it_is_the_default(workplace, value):
    words = ["lottery", "--levels=1", "--default_hparams=cifar_resnet_20", "--bayesian"]
    as_before = workplace.place(*words, f"--bayesian_samples={value}") == workplace.place(*words)
    assert as_before is (value == "10")


@pytest.mark.parametrize(
    ("ours", "openlths", "arguments"),
    [("shuffle", "randomly_prune", ["--seed=0"]), ("reinit", "randomly_reinitialize", [])],
)
def test_a_branch_under_its_short_name_is_the_same_branch(workplace, ours, openlths, arguments):
    tail = ["--levels=1", *EXAMPLE, *arguments]
    place = workplace.place("lottery_branch", ours, *tail)
    assert place == workplace.place("lottery_branch", openlths, *tail)
    assert place.name.startswith(f"lottery_branch_{openlths}_")


def test_a_branchs_name_comes_from_its_own_arguments_alone_without_defaults(workplace):
    place = workplace.place("lottery_branch", "shuffle", "--levels=1", "--seed=0", "--strategy=layerwise", *EXAMPLE)
    assert place.name == "lottery_branch_randomly_prune_" + md5("Hparams(seed=0)")
    place = workplace.place("lottery_branch", "shuffle", "--levels=1", "--seed=3", "--strategy=global", *EXAMPLE)
    assert place.name == "lottery_branch_randomly_prune_" + md5("Hparams(seed=3, strategy='global')")


def test_nested_groups_enter_a_branchs_name_by_their_own_text_whatever_the_preset_says(workplace):
    words = (
        "--retrain_d_dataset_name=cifar10",
        "--retrain_d_batch_size=128",
        "--retrain_t_optimizer_name=sgd",
        "--retrain_t_lr=0.01",
        "--retrain_t_training_steps=160ep",
    )
    trunk = ("--levels=1", "--default_hparams=cifar_resnet_20")
    place = workplace.place("lottery_branch", "retrain", *trunk, *words)
    data = "Hparams(batch_size=128, dataset_name='cifar10')"
    training = "Hparams(lr=0.01, optimizer_name='sgd', training_steps='160ep')"
    assert place.name == "lottery_branch_retrain_" + md5(f"Hparams(retrain_d={data}, retrain_t={training})")
    assert place.name.startswith("lottery_branch_retrain_6d117ee5")


def test_rewinding_enters_the_name_as_pretraining_on_the_same_data(workplace):
    place = workplace.place("lottery", "--levels=1", "--default_hparams=mnist_lenet_300_100", "--rewinding_steps=500it")
    data = "Hparams(batch_size=128, dataset_name='mnist')"
    model = "Hparams(batchnorm_init='uniform', model_init='kaiming_normal', model_name='mnist_lenet_300_100')"
    pretraining = "Hparams(lr=0.1, optimizer_name='sgd', training_steps='500it')"
    pruning = "Hparams(pruning_layers_to_ignore='fc.weight', pruning_strategy='sparse_global')"
    training = "Hparams(lr=0.1, optimizer_name='sgd', training_steps='40ep')"
    text = ";".join([data, model, data, pretraining, pruning, training])
    assert place.parent.name == "lottery_" + md5(text)


@pytest.mark.parametrize(
    "word",
    ["--device=cpu", "--num_workers=2", "--quiet", "--evaluate_only_at_end", "--platform=local", "--levels=7"],
)
def test_what_changes_no_result_enters_no_name(workplace, word):
    words = ["lottery", "--levels=1", *EXAMPLE]
    assert workplace.place(*words, word) == workplace.place(*words)


def test_the_replicate_is_a_directory_below_the_name(workplace):
    place = workplace.place("lottery", "--levels=1", *EXAMPLE, "--replicate=3")
    assert place == workplace.root / EXAMPLE_NAME / "replicate_3"


def test_every_level_of_a_branch_has_its_place(workplace):
    words = ("lottery_branch", "reinit", "--levels=0-1,3", *EXAMPLE, "--display_output_location")
    expected = [workplace.root / EXAMPLE_NAME / "replicate_1" / f"level_{k}" / REINITIALIZED for k in (0, 1, 3)]
    assert workplace.done(*words).out.split() == list(map(str, expected))


def test_asking_for_the_place_writes_nothing(workplace):
    workplace.place("lottery", "--levels=2", *EXAMPLE)
    assert not workplace.root.exists()


def test_the_location_of_a_lottery_is_that_of_level_0_as_openlth_prints_it(workplace):
    words = ("lottery", "--levels=1", *EXAMPLE, "--display_output_location")
    out = workplace.done(*words).out
    assert out == f"{workplace.place(*words[:-1]) / 'level_0' / 'main'}\n"


@pytest.mark.parametrize("model", ["cifar_resnet_20", "cifar_vgg_11", "mnist_lenet_300_100", "imagenet_resnet_18"])
def test_a_curriculum_gives_the_name_that_its_flags_in_words_give(workplace, model):
    words = (
        "--batch_size=128",
        "--model_init=torch_default",
        "--optimizer_name=adam",
        "--lr=0.001",
        "--momentum=0",
        "--weight_decay=0.0001",
        "--milestone_steps=80ep,120ep",
        "--gamma=0.1",
        "--training_steps=160ep",
        "--pruning_fraction=0.2",
    )
    output = "model.fc.weight" if model.startswith("imagenet") else "fc.weight"
    lottery = ("lottery", "--levels=1", f"--default_hparams={model}")
    if not model.startswith("imagenet"):  # whose preset has a warmup, which no flag takes away
        in_words = workplace.place(*lottery, *words, f"--pruning_layers_to_ignore={output}")
        assert workplace.place(*lottery, "--curriculum=paper") == in_words
    assert workplace.place(*lottery, "--curriculum=paper", "--bayesian") == workplace.place(*lottery, "--bayesian")
    assert workplace.place(*lottery, "--curriculum=paper") != workplace.place(*lottery)


def test_a_flag_wins_over_a_curriculum_which_needs_a_model(workplace):
    lottery = ("lottery", "--levels=1", "--default_hparams=cifar_resnet_20", "--curriculum=paper")
    assert workplace.place(*lottery, "--lr=0.1") != workplace.place(*lottery)
    assert workplace.place(*lottery, "--lr=0.001") == workplace.place(*lottery)
    assert workplace.refused("lottery", "--levels=1", "--curriculum=paper") == (
        "error: --curriculum=paper: needs --default_hparams=MODEL, whose data set it is for"
    )
    unknown = workplace.refused("lottery", "--levels=1", "--default_hparams=cifar_resnet_20", "--curriculum=papr")
    assert unknown == "error: --curriculum=papr: did you mean paper? valid values are paper"
