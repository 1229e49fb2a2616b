"""Rewinding and pretraining: training before level 0, to whose end every level goes back."""

from __future__ import annotations

import pytest
import torch

from tests.open_lth.running import (
    INPUT,
    KINDS,
    LENET,
    ROTATIONS,
    Trunk,
    mask,
    means,
    measures,
    same,
    snapshot,
    weights,
)

REWINDING = "--rewinding_steps=1ep"


@pytest.fixture
def rewound(trunk_of, kind) -> Trunk:
    """A lottery that rewinds to the weights after one epoch."""
    return trunk_of(*KINDS[kind], REWINDING)


def test_the_training_before_level_0_is_the_beginning_of_the_dense_networks_own(rewound, finished, kind):
    """Same initial weights as without rewinding, trained up to the step and no further."""
    usual = finished(*KINDS[kind])
    assert same(weights(rewound.level("pretrain"), "ep0_it0"), weights(usual.level(0), "ep0_it0"))
    assert [i for name, i, _ in measures(rewound.level("pretrain")) if name == "test_loss"] == [0, 6]


def test_every_level_starts_at_the_rewinding_step_from_the_weights_learned_by_then(rewound):
    learned = weights(rewound.level("pretrain"), "ep1_it0")
    assert not same(learned, weights(rewound.level("pretrain"), "ep0_it0"))
    assert same(weights(rewound.level(0), "ep1_it0"), learned)
    for level in (1, 2):
        start, kept = weights(rewound.level(level), "ep1_it0"), mask(rewound.level(level))
        assert all(torch.equal(means(start, name), means(learned, name) * kept[name]) for name in kept)


def test_levels_are_trained_from_the_rewinding_step_to_the_end(rewound):
    for level in range(3):
        names = {path.name for path in rewound.level(level).glob("model_*")}
        assert names == {"model_ep1_it0.pth", "model_ep2_it0.pth"}
        assert [i for name, i, _ in measures(rewound.level(level)) if name == "test_loss"] == [6, 12]


def test_rewinding_to_the_middle_of_an_epoch_names_the_iteration(workplace):
    trunk = Trunk(workplace, (*LENET, "--rewinding_steps=1ep2it"))
    trunk.find_tickets(levels=1)
    assert same(weights(trunk.level("pretrain"), "ep1_it2"), weights(trunk.level(0), "ep1_it2"))
    assert [i for name, i, _ in measures(trunk.level(1)) if name == "test_loss"] == [8, 12]


def test_a_rewinding_lottery_that_is_done_is_left_alone_and_can_be_extended(rewound):
    before = snapshot(rewound.workplace.root)
    rewound.find_tickets(levels=2)
    assert snapshot(rewound.workplace.root) == before
    rewound.find_tickets(levels=3)
    after = snapshot(rewound.workplace.root)
    assert {path: after[path] for path in before} == before
    assert (rewound.level(3) / "logger").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--rewinding_steps=0it",),
        ("--rewinding_steps=0ep",),
        ("--pretrain",),
        ("--pretrain", "--pretrain_training_steps=0it"),
    ],
)
def test_no_training_before_level_0_is_the_usual_lottery_under_its_name(workplace, words):
    usual = ("lottery", "--levels=1", *LENET)
    assert workplace.place(*usual, *words) == workplace.place(*usual)


def test_pretraining_on_other_data_happens_under_its_own_hyperparameters(workplace, kind):
    trunk = Trunk(workplace, (*LENET, *KINDS[kind], *ROTATIONS))
    trunk.find_tickets(levels=0)
    loss = [i for name, i, _ in measures(trunk.level("pretrain")) if name == "test_loss"]
    assert loss == [0, 15]  # 1,437 images in batches of 100
    assert means(weights(trunk.level("pretrain"), "ep1_it0"), "fc.weight").shape == (4, 12)


def test_after_pretraining_for_other_classes_the_network_keeps_its_own_output_layer(workplace, finished, kind):
    trunk = Trunk(workplace, (*LENET, *KINDS[kind], *ROTATIONS))
    trunk.find_tickets(levels=1)
    pretrained, start = weights(trunk.level("pretrain"), "ep1_it0"), weights(trunk.level(0), "ep1_it0")
    fresh = weights(finished(*KINDS[kind]).level(0), "ep0_it0")
    for name in start:
        assert torch.equal(start[name], (fresh if name.startswith("fc.") else pretrained)[name])
    assert torch.equal(
        means(weights(trunk.level(1), "ep1_it0"), INPUT), means(start, INPUT) * mask(trunk.level(1))[INPUT]
    )


def test_after_pretraining_for_the_same_classes_the_output_layer_is_taken_over_too(workplace):
    words = ("--pretrain", "--pretrain_training_steps=1ep", "--pretrain_dataset_name=digits", "--pretrain_lr=0.01")
    trunk = Trunk(workplace, (*LENET, *words))
    trunk.find_tickets(levels=0)
    assert same(weights(trunk.level("pretrain"), "ep1_it0"), weights(trunk.level(0), "ep1_it0"))


def test_pretraining_as_the_preset_has_it_is_rewinding(workplace, finished):
    words = ("lottery", "--levels=1", *LENET)
    spelled_out = (
        "--pretrain",
        "--pretrain_training_steps=1ep",
        "--pretrain_dataset_name=digits",
        "--pretrain_batch_size=256",
    )
    assert workplace.place(*words, *spelled_out) == workplace.place(*words, REWINDING)


def test_hparams_log_has_the_groups_of_pretraining(finished):
    text = (finished(REWINDING).level(0) / "hparams.log").read_text()
    titles = [line for line in text.splitlines() if not line.startswith(" ")]
    assert titles == [
        "Dataset Hyperparameters",
        "Model Hyperparameters",
        "Pretraining Dataset Hyperparameters",
        "Pretraining Training Hyperparameters",
        "Pruning Hyperparameters",
        "Training Hyperparameters",
    ]
