"""The branch `reinit`: the same mask on new weights."""

from __future__ import annotations

import pytest
import torch

from tests.open_lth.running import INPUT, KINDS, OUTPUT, is_kept, mask, means, measures, results, same, weights


def test_the_mask_is_the_levels_own(trunk):
    branch = trunk.branch("reinit", levels="2")
    assert (branch / "mask.pth").read_bytes() == (trunk.level(2) / "mask.pth").read_bytes()


def test_every_kept_weight_is_drawn_anew(trunk):
    branch = trunk.branch("reinit", levels="2")
    old, new, kept = weights(trunk.level(0), "ep0_it0"), weights(branch, "ep0_it0"), mask(branch)
    for name in (INPUT, OUTPUT):
        assert not bool((means(old, name) == means(new, name))[kept[name] == 1].any())
        assert torch.equal(is_kept(new, name), kept[name] == 1)


def test_new_weights_come_from_the_models_own_distribution(trunk, kind):
    branch = trunk.branch("reinit", levels="0")
    old, new = weights(trunk.level(0), "ep0_it0"), weights(branch, "ep0_it0")
    assert float(means(new, INPUT).std() / means(old, INPUT).std()) == pytest.approx(1.0, abs=0.05)
    if kind == "bayesian":
        assert torch.equal(old["fc._weight_log_std"], new["fc._weight_log_std"])


def test_every_level_draws_its_own_weights(trunk):
    starts = [means(weights(trunk.branch("reinit", levels=str(k)), "ep0_it0"), INPUT) for k in (0, 1)]
    kept = mask(trunk.level(1))[INPUT] == 1
    assert not bool((starts[0] == starts[1])[kept].any())


def test_the_draw_is_reproducible(trunk):
    branch = trunk.branch("reinit")
    expected = results(branch)
    for path in branch.glob("*"):
        path.unlink()
    assert results(trunk.branch("reinit")) == expected


def test_training_keeps_to_the_mask(trunk):
    branch = trunk.branch("reinit", levels="2")
    end, kept = weights(branch, "ep2_it0"), mask(branch)
    assert all(torch.equal(is_kept(end, name), kept[name] == 1) for name in kept)
    assert not same(end, weights(branch, "ep0_it0"))


@pytest.mark.parametrize(("words", "first"), [((), 6), (("--start_at_step_zero",), 0)])
def test_off_a_rewinding_trunk_training_begins_at_the_rewinding_step_unless_told_otherwise(
    trunk_of, kind, words, first
):
    trunk = trunk_of(*KINDS[kind], "--rewinding_steps=1ep")
    branch = trunk.branch("reinit", *words)
    assert [i for name, i, _ in measures(branch) if name == "test_loss"] == [*range(first, 12, 6), 12]
    assert (branch / f"model_ep{first // 6}_it0.pth").exists()


def test_a_finished_branch_is_left_alone(trunk):
    branch = trunk.branch("reinit")
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in branch.iterdir()}
    trunk.branch("reinit")
    assert {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in branch.iterdir()} == before
