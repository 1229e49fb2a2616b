"""What a Bayesian network takes over from a deterministic one, and the branch that trains it on."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal

import pytest
import torch

import training.step
from bayesian.adapter import variational_tensors
from bayesian.transplant import take_over_deterministic_state
from foundations.errors import UserError
from models import ModelHparams, build_network
from tests.open_lth.running import (
    INPUT,
    LENET,
    OUTPUT,
    Trunk,
    Workplace,
    is_kept,
    mask,
    means,
    measures,
    results,
    same,
    snapshot,
    weights,
)

NAME = "cifar_resnet_8_4"
RESNET = (
    f"--default_hparams={NAME}",
    "--dataset_name=digits",
    "--subsample_fraction=0.05",
    "--batch_size=36",
    "--training_steps=2it",
    "--evaluate_only_at_end",
    "--batchnorm_init=uniform",
    "--lr=0.01",
)
TWO = "--bayesian_samples=2"
START = "ep0_it0"


@pytest.fixture
def donor():
    """A deterministic network of another seed, with BatchNorm statistics of its own."""
    hparams = ModelHparams(model_name=NAME, model_init="kaiming_normal", batchnorm_init="uniform")
    network = build_network(hparams, 10, seed=7)
    for name, buffer in network.named_buffers():
        buffer.fill_(3 if name.endswith("tracked") else 0.25)
    return network


def test_weights_become_means_the_rest_is_copied_and_log_stds_stay(donor, make_network):
    model = make_network(NAME)
    before = {tensor.name: tensor.log_std.detach().clone() for tensor in variational_tensors(model)}
    take_over_deterministic_state(model, donor.state_dict())
    distributed = variational_tensors(model)
    for tensor in distributed:
        assert tensor.mean.equal(donor.get_parameter(tensor.name))
        assert tensor.log_std.equal(before[tensor.name])
    rest = donor.state_dict().keys() - {tensor.name for tensor in distributed}
    assert {"bn.weight", "bn.running_mean", "bn.num_batches_tracked"} <= rest
    for name in rest:
        assert model.state_dict()[name].equal(donor.state_dict()[name]), name


def test_nothing_is_shared_with_the_donor(donor, make_network):
    model = make_network(NAME)
    take_over_deterministic_state(model, donor.state_dict())
    with torch.no_grad():
        donor.fc.weight.add_(1)
    assert not model.fc._weight_mean.equal(donor.fc.weight)


@pytest.mark.parametrize("change", ["missing", "left over"])
def test_a_tensor_that_only_one_of_them_has_is_named(donor, make_network, change):
    state = donor.state_dict()
    if change == "missing":
        del state["fc.bias"]
    else:
        state["extra.bias"] = torch.zeros(1)
    with pytest.raises(UserError, match=r"only one of them has (fc|extra)\.bias"):
        take_over_deterministic_state(make_network(NAME), state)


def test_a_tensor_of_another_shape_is_named_with_both_shapes(donor, make_network):
    state = donor.state_dict()
    state["fc.bias"] = torch.zeros(7)
    with pytest.raises(UserError, match=r"fc\.bias has shape \(7,\) in the trunk, \(10,\) here"):
        take_over_deterministic_state(make_network(NAME), state)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Return deterministic lotteries of levels 0 to 2, found once for each set of flags; they are not to be changed."""
    known = {}

    def find(*words: str) -> Trunk:
        if words not in known:
            place = tmp_path_factory.mktemp("finished")
            known[words] = Trunk(Workplace(place / "results", place / "data"), words)
            known[words].find_tickets(levels=2)
        return known[words]

    return find


@pytest.fixture
def trunk_of(finished, tmp_path):
    """Return copies of finished lotteries, to branch off."""

    def copy(*words: str) -> Trunk:
        original = finished(*words)
        shutil.copytree(original.workplace.root, tmp_path / "results")
        return Trunk(Workplace(tmp_path / "results", tmp_path / "data"), words)

    return copy


@pytest.fixture
def trunk(trunk_of) -> Trunk:
    """A copy of a finished LeNet lottery."""
    return trunk_of(*LENET)


@pytest.mark.parametrize(("start_at", "step"), [("init", "ep0_it0"), ("end", "ep2_it0")])
@pytest.mark.parametrize("level", [0, 2])
def test_the_means_are_the_tickets_weights_and_pruned_weights_do_not_vary(trunk, start_at, step, level):
    branch = trunk.branch("transplant", TWO, f"--start_at={start_at}", levels=str(level))
    start, kept = weights(branch, START), mask(trunk.level(level))
    taken = weights(trunk.level(0), step) if start_at == "init" else weights(trunk.level(level), step)
    for name in (INPUT, OUTPUT):
        assert torch.equal(means(start, name), taken[name] * kept[name])
        assert torch.equal(is_kept(start, name), kept[name] == 1)
    for name in ("fc_layers.0.bias", "fc.bias"):
        assert torch.equal(means(start, name), taken[name])
    assert (branch / "mask.pth").read_bytes() == (trunk.level(level) / "mask.pth").read_bytes()


@pytest.mark.parametrize(("start_at", "step"), [("init", "ep0_it0"), ("end", "ep2_it0")])
def test_a_random_ticket_has_the_layers_densities_and_level_0s_weights(trunk, start_at, step):
    words = (TWO, f"--start_at={start_at}", "--shuffle_seed=3")
    branch, level = trunk.branch("transplant", *words, levels="2"), mask(trunk.level(2))
    kept, start, taken = mask(branch), weights(branch, START), weights(trunk.level(0), step)
    for name in (INPUT, OUTPUT):
        assert int(kept[name].sum()) == int(level[name].sum())
        assert torch.equal(means(start, name), taken[name] * kept[name])
    assert not torch.equal(kept[INPUT], level[INPUT])
    other = trunk.branch("transplant", TWO, f"--start_at={start_at}", "--shuffle_seed=4", levels="2")
    assert not torch.equal(mask(other)[INPUT], kept[INPUT])


def test_init_is_the_default_start(trunk):
    assert trunk.branch("transplant", TWO) == trunk.branch("transplant", TWO, "--start_at=init")


@pytest.mark.parametrize("factor", ["0.01", "0.5"])
def test_the_kept_weights_stds_are_those_of_a_new_bayesian_network(trunk, factor):
    words = () if factor == "0.01" else (f"--bayesian_init_std={factor}",)
    branch = trunk.branch("transplant", TWO, *words, levels="2")
    start, kept = weights(branch, START), mask(branch)
    for layer, fan_in in (("fc_layers.0", 784), ("fc", 12)):
        initial = torch.tensor(math.log(float(factor) * (1 / math.sqrt(fan_in) + 1e-5)))
        log_std = start[f"{layer}._weight_log_std"]
        torch.testing.assert_close(log_std[kept[f"{layer}.weight"] == 1].unique(), initial[None])
        assert (log_std[kept[f"{layer}.weight"] == 0] == -math.inf).all()
        torch.testing.assert_close(start[f"{layer}._bias_log_std"].unique(), initial[None])


def test_it_trains_by_variational_inference_under_the_mask(trunk):
    branch = trunk.branch("transplant", TWO, levels="2")
    logged = {name: value for name, iteration, value in measures(branch) if iteration == 12}
    assert {"train_kl", "train_data_fit"} <= set(logged)
    assert logged["train_kl"] > 0
    start, end, kept = weights(branch, START), weights(branch, "ep2_it0"), mask(branch)
    for name in (INPUT, OUTPUT):
        assert torch.equal(is_kept(end, name), kept[name] == 1)
        assert not means(end, name)[kept[name] == 0].any()
    moved = start["fc_layers.0._weight_log_std"] != end["fc_layers.0._weight_log_std"]
    assert float(moved[kept[INPUT] == 1].float().mean()) > 0.5
    assert [i for name, i, _ in measures(branch) if name == "test_loss"] == [0, 6, 12]


@pytest.mark.parametrize("start_at", ["init", "end"])
def test_batchnorms_parameters_and_statistics_are_copied(trunk_of, start_at):
    trunk = trunk_of(*RESNET)
    branch = trunk.branch("transplant", TWO, f"--start_at={start_at}", levels="2")
    taken = weights(trunk.level(2), START if start_at == "init" else "ep1_it0")
    start, kept = weights(branch, START), mask(branch)
    assert all(torch.equal(means(start, name), taken[name] * kept[name]) for name in kept)
    rest = [name for name in taken if name not in kept and name in start]
    for part in ("bn.weight", "bn.bias", "bn.running_mean", "bn.running_var", "bn.num_batches_tracked"):
        assert part in rest
    assert all(torch.equal(start[name], taken[name]) for name in rest)
    assert bool(taken["bn.running_mean"].any()) == (start_at == "end")  # there is something to copy
    assert all(tensor.isfinite().all() for name, tensor in weights(branch, "ep1_it0").items() if "log_std" not in name)
    assert all(math.isfinite(value) for _, _, value in measures(branch))


def test_off_a_rewinding_trunk_it_starts_at_the_rewinding_step(trunk_of):
    trunk = trunk_of(*LENET, "--rewinding_steps=1ep")
    branch = trunk.branch("transplant", TWO, levels="2")
    learned, kept = weights(trunk.level("pretrain"), "ep1_it0"), mask(branch)
    start = weights(branch, "ep1_it0")
    assert all(torch.equal(means(start, name), learned[name] * kept[name]) for name in kept)
    assert [i for name, i, _ in measures(branch) if name == "test_loss"] == [6, 12]


def test_the_directory_is_named_by_the_bayesian_flags_and_the_start_alone(trunk, finished):
    def name(*words: str, of: Trunk = trunk, level: int = 1) -> str:
        command = ("lottery_branch", "transplant", f"--levels={level}", *of.words, *words)
        return of.workplace.place(*command).name

    usual = name()
    assert re.fullmatch("lottery_branch_transplant_[0-9a-f]{32}", usual)
    same_name = (
        name(level=2),
        name("--replicate=2"),
        name("--bayesian_samples=10"),
        name("--start_at=init"),
        name(of=finished(*LENET, "--rewinding_steps=1ep")),
        name("--device=cpu"),
    )
    assert set(same_name) == {usual}
    others = [
        name(TWO),
        name("--start_at=end"),
        name("--bayesian_init_std=0.1"),
        name("--bayesian_kl_temperature=1"),
        name("--bayesian_batchnorm=batch"),
        name("--bayesian_estimator=local_reparameterization"),
        name("--bayesian_likelihood=predictive"),
        name("--bayesian_std_lr_factor=2"),
    ]
    assert len({usual, *others}) == len(others) + 1


def test_a_finished_transplant_is_left_alone_and_the_trunk_always(trunk):
    before = snapshot(trunk.workplace.root)
    trunk.branch("transplant", TWO)
    after = snapshot(trunk.workplace.root)
    assert {path: after[path] for path in before} == before
    trunk.branch("transplant", TWO)
    assert snapshot(trunk.workplace.root) == after


def test_after_ctrl_c_it_goes_on_to_the_same_bits(trunk, finished, monkeypatch, tmp_path):
    unbroken = Trunk(Workplace(tmp_path / "unbroken", tmp_path / "data"), trunk.words)
    shutil.copytree(finished(*LENET).workplace.root, unbroken.workplace.root)
    expected = results(unbroken.branch("transplant", TWO))
    original, steps = training.step.TrainingStep.take, iter(range(1000))

    def watching(*args):
        if next(steps) == 8:
            os.kill(os.getpid(), signal.SIGINT)
        original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(training.step.TrainingStep, "take", watching)
        words = ("lottery_branch", "transplant", "--levels=1", "--quiet", *trunk.words, TWO)
        assert trunk.workplace.run(*words).code == 130
    assert results(trunk.branch("transplant", TWO)) == expected


def test_levels_and_starts_make_different_networks(trunk):
    one = weights(trunk.branch("transplant", TWO), "ep2_it0")
    other = weights(trunk.branch("transplant", TWO, "--start_at=end"), "ep2_it0")
    assert not same(one, other)


def refused(trunk: Trunk, *words: str, levels: str = "1") -> str:
    """Return the line with which a transplant is refused, having written nothing."""
    before = snapshot(trunk.workplace.root)
    command = ("lottery_branch", "transplant", f"--levels={levels}", "--quiet", *trunk.words, *words)
    message = trunk.workplace.refused(*command)
    assert snapshot(trunk.workplace.root) == before
    return message


def test_the_flag_for_a_bayesian_trunk_is_refused(trunk):
    assert refused(trunk, "--bayesian") == "error: --bayesian: the trunk of transplant must be deterministic"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--start_at=rewind", "--start_at=rewind: valid values are init, end"),
        ("--bayesian_samples=0", "--bayesian_samples=0: must be at least 1"),
        ("--bayesian_estimator=flipout", "--bayesian_estimator=flipout: valid values are weights, antithetic"),
        ("--bayesian_init_std=0", "--bayesian_init_std=0.0: must be greater than 0"),
        ("--lrr", "--lrr: branches start from rewound weights"),
    ],
)
def test_wrong_values_are_refused_by_the_flags_full_name(trunk, word, expected):
    assert expected in refused(trunk, word)


def test_a_level_that_is_not_there_is_refused(trunk):
    assert "level 3 of " in refused(trunk, levels="1,3")
