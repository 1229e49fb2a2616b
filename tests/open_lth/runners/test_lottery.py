"""What a lottery does: train, prune, go back to the start, level after level."""

from __future__ import annotations

import math
import pathlib

import pytest
import torch

from foundations.storage import save_tensors
from tests.open_lth.running import (
    INPUT,
    KINDS,
    LENET,
    OUTPUT,
    Trunk,
    density,
    is_kept,
    mask,
    means,
    measures,
    results,
    same,
    snapshot,
    weights,
)


def scores(state, kind):
    """What ranks the weights of the first layer: |w|, or |mean| / std."""
    mean = means(state, INPUT)
    return mean.abs() if kind == "deterministic" else mean.abs() / state["fc_layers.0._weight_log_std"].exp()


def test_each_level_keeps_four_fifths_of_the_weights_before_it(trunk):
    kept = [density(mask(trunk.level(level))) for level in range(3)]
    assert kept[0] == 1.0
    assert kept[1] == pytest.approx(0.8, abs=1e-3)
    assert kept[2] == pytest.approx(0.64, abs=1e-3)


def test_the_count_of_pruned_weights_is_openlths(trunk):
    """One more than the rounded-up fraction of what is left, the ignored output layer included."""
    left = 9528
    for level in (1, 2):
        left -= math.ceil(0.2 * left) + 1
        assert sum(int(tensor.sum()) for tensor in mask(trunk.level(level)).values()) == left


def test_each_mask_prunes_the_lowest_scores_of_the_level_before(trunk, kind):
    for level in (1, 2):
        before, after = mask(trunk.level(level - 1))[INPUT] == 1, mask(trunk.level(level))[INPUT] == 1
        score = scores(weights(trunk.level(level - 1), "ep2_it0"), kind)
        assert score[after].min() > score[before & ~after].max()


def test_what_is_pruned_stays_pruned(trunk):
    for level in (1, 2):
        before, after = mask(trunk.level(level - 1)), mask(trunk.level(level))
        assert all(bool((after[name] <= before[name]).all()) for name in after)


def test_the_ignored_output_layer_is_never_pruned(trunk):
    assert all(bool(mask(trunk.level(level))[OUTPUT].all()) for level in range(3))


def test_every_level_starts_from_level_0s_initial_weights_under_its_own_mask(trunk):
    initial = weights(trunk.level(0), "ep0_it0")
    for level in (1, 2):
        start, kept = weights(trunk.level(level), "ep0_it0"), mask(trunk.level(level))
        for name in kept:
            assert torch.equal(means(start, name), means(initial, name) * kept[name])
            assert torch.equal(is_kept(start, name), kept[name] == 1)
        others = [key for key in start if "weight" not in key]
        assert others and all(torch.equal(start[key], initial[key]) for key in others)


def test_training_moves_the_kept_weights_and_only_those(trunk):
    start, end = weights(trunk.level(2), "ep0_it0"), weights(trunk.level(2), "ep2_it0")
    kept = mask(trunk.level(2))[INPUT] == 1
    moved = means(start, INPUT) != means(end, INPUT)
    assert not bool(moved[~kept].any())
    assert float(moved[kept].float().mean()) > 0.5
    assert torch.equal(is_kept(end, INPUT), kept)


def test_a_pruned_bayesian_weight_has_neither_mean_nor_spread(finished):
    trunk = finished(*KINDS["bayesian"])
    end, pruned = weights(trunk.level(2), "ep2_it0"), mask(trunk.level(2))[INPUT] == 0
    assert bool((end["fc_layers.0._weight_mean"][pruned] == 0).all())
    assert bool((end["fc_layers.0._weight_log_std"][pruned] == -math.inf).all())
    assert bool(end["fc_layers.0._weight_log_std"][~pruned].isfinite().all())


def test_every_level_learns(trunk):
    for level in range(3):
        loss = {i: value for name, i, value in measures(trunk.level(level)) if name == "test_loss"}
        assert loss[12] < loss[0]


def test_levels_see_the_data_in_orders_of_their_own(workplace):
    """Without pruning and with the same initial weights, levels would otherwise end in the same bits."""
    trunk = Trunk(workplace, (*LENET, "--pruning_strategy=sparse_random", "--pruning_fraction=0"))
    trunk.find_tickets(levels=1)
    assert not same(weights(trunk.level(0), "ep2_it0"), weights(trunk.level(1), "ep2_it0"))


def test_random_pruning_ignores_the_weights(workplace, finished):
    trunk = Trunk(workplace, (*LENET, "--pruning_strategy=sparse_random"))
    trunk.find_tickets(levels=1)
    by_lot, by_magnitude = mask(trunk.level(1))[INPUT], mask(finished().level(1))[INPUT]
    score = weights(trunk.level(0), "ep2_it0")[INPUT].abs()
    assert not torch.equal(by_lot, by_magnitude)
    assert float(score[by_lot == 1].mean() / score[by_lot == 0].mean()) == pytest.approx(1.0, abs=0.05)


def test_the_pruning_fraction_is_the_users(workplace):
    trunk = Trunk(workplace, (*LENET, "--pruning_fraction=0.5"))
    trunk.find_tickets(levels=1)
    assert density(mask(trunk.level(1))) == pytest.approx(0.5, abs=1e-3)


def test_nothing_is_ignored_unless_asked_for(workplace):
    trunk = Trunk(workplace, (*LENET, "--pruning_layers_to_ignore="))
    trunk.find_tickets(levels=2)
    assert not bool(mask(trunk.level(2))[OUTPUT].all())


def test_the_same_command_again_changes_no_byte_and_no_time(trunk):
    before = snapshot(trunk.workplace.root)
    trunk.find_tickets(levels=2)
    assert snapshot(trunk.workplace.root) == before


def test_a_finished_lottery_needs_neither_data_nor_training(trunk, monkeypatch):
    def forbidden(*_, **__):
        raise AssertionError("the data were loaded")

    monkeypatch.setattr("datasets.sources.digits.Digits.load", forbidden)
    trunk.find_tickets(levels=2)


def test_more_levels_later_go_on_where_the_lottery_ended(trunk):
    before = snapshot(trunk.workplace.root)
    trunk.find_tickets(levels=3)
    after = snapshot(trunk.workplace.root)
    assert {path: after[path] for path in before} == before
    assert all("/level_3/" in path for path in after.keys() - before.keys() if not path.endswith(".lock"))
    assert density(mask(trunk.level(3))) == pytest.approx(0.512, abs=1e-3)


def test_levels_found_one_after_the_other_are_those_found_at_once(workplace, finished, kind):
    trunk = Trunk(workplace, (*LENET, *KINDS[kind]))
    for levels in (0, 1, 2):
        trunk.find_tickets(levels)
    assert results(trunk.workplace.root) == results(finished(*KINDS[kind]).workplace.root)


def test_fewer_levels_than_there_are_is_nothing_to_do(trunk):
    before = snapshot(trunk.workplace.root)
    trunk.find_tickets(levels=1)
    assert snapshot(trunk.workplace.root) == before


@pytest.mark.parametrize("file", ["logger", "model_ep2_it0.pth"])
def test_a_level_without_its_logger_or_its_final_model_is_not_done(trunk, file):
    expected = results(trunk.workplace.root)
    (trunk.level(1) / file).unlink()
    trunk.find_tickets(levels=2)
    assert results(trunk.workplace.root) == expected


def test_a_damaged_model_is_named_instead_of_being_trained_on(trunk):
    (trunk.level(0) / "model_ep2_it0.pth").write_bytes(b"PK\x03\x04 half a file")
    (trunk.level(1) / "mask.pth").unlink()
    (trunk.level(1) / "logger").unlink()
    message = trunk.workplace.refused("lottery", "--levels=1", *trunk.words, "--quiet")
    assert str(trunk.level(0) / "model_ep2_it0.pth") in message and "damaged" in message
    assert (trunk.level(0) / "logger").exists()


@pytest.mark.parametrize("for_what", ["pruning", "training"])
def test_a_mask_that_does_not_fit_the_network_is_named_whatever_it_is_read_for(trunk, for_what):
    path = trunk.level(2) / "mask.pth"
    save_tensors(path, {**mask(path.parent), INPUT: torch.ones(5, 12)})
    if for_what == "training":
        (path.parent / "logger").unlink()
    message = trunk.workplace.refused("lottery", "--levels=3", *trunk.words, "--quiet")
    fault = f"{INPUT} has shape (12, 784) there and (5, 12) in the mask"
    assert message == f"error: {path} does not fit the network: {fault}"
    assert not (trunk.level(3) / "mask.pth").exists()


def test_a_file_that_holds_code_is_refused_and_the_code_is_not_run(trunk):
    class Code:
        def __reduce__(self):
            return (pathlib.Path.touch, (trunk.workplace.root / "the code ran",))

    torch.save({"fc.weight": Code()}, trunk.level(0) / "model_ep0_it0.pth")
    (trunk.level(2) / "logger").unlink()
    message = trunk.workplace.refused("lottery", "--levels=2", *trunk.words, "--quiet")
    assert str(trunk.level(0) / "model_ep0_it0.pth") in message
    assert not (trunk.workplace.root / "the code ran").exists()


@pytest.mark.parametrize(
    "word", ["--blur_factor=2", "--random_labels_fraction=0.5", "--unsupervised_labels=rotation", "--do_not_augment"]
)
def test_every_change_to_the_data_can_be_trained_on(workplace, word):
    trunk = Trunk(workplace, (*LENET, word))
    trunk.find_tickets(levels=1)
    loss = [value for name, _, value in measures(trunk.level(1)) if name == "test_loss"]
    assert all(map(math.isfinite, loss))


def test_a_lottery_that_diverges_says_so_and_is_not_taken_for_done(workplace):
    trunk = Trunk(workplace, (*LENET, "--lr=1e30", "--quiet"))
    message = workplace.refused("lottery", "--levels=1", *trunk.words)
    assert f"{trunk.level(0)}: training diverged" in message
    assert (trunk.level(0) / "checkpoint.pth").exists() and not (trunk.level(0) / "logger").exists()
    assert "training diverged" in (trunk.level(0) / "diverged.txt").read_text()
    (trunk.level(0) / "diverged.txt").write_text("of before")
    workplace.refused("lottery", "--levels=1", *trunk.words)
    assert "training diverged" in (trunk.level(0) / "diverged.txt").read_text()


@pytest.mark.parametrize(
    ("words", "outputs"), [((), 10), (("--unsupervised_labels=rotation",), 4)], ids=["digits", "rotations"]
)
def test_the_number_of_classes_reaches_the_network(workplace, words, outputs):
    trunk = Trunk(workplace, (*LENET, *words))
    trunk.find_tickets(levels=0)
    assert weights(trunk.level(0), "ep2_it0")["fc.bias"].shape == (outputs,)


@pytest.mark.parametrize("fraction", ["0.34", "0.1", "0.179", "0.5"])
def test_an_epoch_of_subsampled_data_is_as_long_as_the_step_counts(workplace, fraction):
    trunk = Trunk(workplace, (*LENET, f"--subsample_fraction={fraction}"))
    trunk.find_tickets(levels=0)
    epoch = math.ceil(math.ceil(1437 * float(fraction)) / 256)
    assert [i for name, i, _ in measures(trunk.level(0)) if name == "test_loss"] == [0, epoch, 2 * epoch]
