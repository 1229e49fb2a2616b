"""The branches `fork` and `connect`: two copies of a ticket, and the error along the line between them."""

from __future__ import annotations

import hashlib
import json
import math
import re

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from foundations.paths import RunPaths
from open_lth.branch.connect import instability, interpolate
from open_lth.results import read_results, read_runs
from open_lth.results.replicates import find_replicates
from open_lth.results.trainings import training_of
from tests.open_lth.running import Trunk, mask, measures, same, weights
from tests.statistics_by_hand import statistics_by_hand
from training import batchnorm_layers

LEVEL = "--levels=1"


@pytest.fixture
def connected(trunk):
    """Both branches off level 1, three points on the line."""
    fork = trunk.branch("fork")
    return trunk, fork, trunk.branch("connect", "--points=3")


def results_of(directory):
    return json.loads((directory / "results.json").read_text())


def test_two_copies_start_alike_under_the_levels_mask_and_see_other_orders(trunk):
    fork = trunk.branch("fork")
    one, two = fork / "part_1", fork / "part_2"
    level = trunk.level(1)
    for part in (one, two):
        assert same(weights(part, "ep0_it0"), weights(level, "ep0_it0"))
        assert same(mask(part), mask(level))
        assert not same(weights(part, "ep2_it0"), weights(level, "ep2_it0"))
    assert not same(weights(one, "ep2_it0"), weights(two, "ep2_it0"))


def test_the_copies_are_rows_of_the_table_of_runs_and_can_be_evaluated_and_read_back(trunk):
    trunk.branch("fork")
    table = read_runs(trunk.workplace.root)
    rows = table[table["kind"].str.startswith("fork")]
    assert rows[["kind", "level", "replicate"]].to_numpy().tolist() == [["fork/1", 1, 1], ["fork/2", 1, 1]]
    assert rows["final_accuracy"].notna().all() and (rows["density"] < 1).all()
    trunk.workplace.done("evaluate", "lottery_branch", "fork", LEVEL, "--quiet", *trunk.words)
    assert all((trunk.workplace.root / d / "evaluation.json").exists() for d in rows["directory"])
    [replicate] = find_replicates(trunk.workplace.root)
    assert replicate.state == "finished" and len(replicate.branches) == 1
    for directory in rows["directory"]:
        run = training_of(RunPaths(trunk.workplace.root / directory), trunk.workplace.dataset_root)
        assert run.paths.directory == trunk.workplace.root / directory


def test_the_line_begins_and_ends_with_the_copies(connected, kind):
    _, fork, connect = connected
    found = results_of(connect)
    assert found["alpha"] == [0.0, 0.5, 1.0] and found["fork_at"] == "0ep0it"
    for end, part in ((0, "part_1"), (-1, "part_2")):
        last = {name: value for name, iteration, value in measures(fork / part) if iteration == 12}
        # The second of two Bayesian copies is measured with draws of its own in training, and the first one's here.
        tolerance = 0.02 if (kind, part) == ("bayesian", "part_2") else 1e-6
        assert found["error"][end] == pytest.approx(1 - last["test_accuracy"], abs=tolerance)
        assert found["loss"][end] == pytest.approx(last["test_loss"], abs=tolerance)
    assert abs(found["loss"][0] - found["loss"][-1]) > 1e-3  # so that one end cannot be taken for the other
    assert found["instability"] == pytest.approx(max(found["error"]) - (found["error"][0] + found["error"][-1]) / 2)
    assert found["l2"] > 0


def test_the_statistics_of_batchnorm_are_those_of_each_network_on_the_line(workplace):
    words = ("--default_hparams=cifar_resnet_8_4", "--dataset_name=digits", "--training_steps=3it", "--batch_size=64")
    trunk = Trunk(workplace, (*words, "--subsample_fraction=0.1"))
    trunk.find_tickets(levels=0)
    fork, connect = (trunk.branch(*branch, levels="0") for branch in (("fork",), ("connect", "--points=3")))
    runs = [training_of(RunPaths(fork / part), workplace.dataset_root) for part in ("part_1", "part_2")]
    one, other = (run.load_network(run.end).state_dict() for run in runs)
    middle, evaluator = runs[0].new_network(seed=0).eval(), runs[0].evaluator()
    middle.load_state_dict({name: (one[name] + other[name]) / 2 for name in one})
    images, labels = (torch.cat(parts) for parts in zip(*evaluator.test, strict=True))
    before = F.cross_entropy(middle(images), labels).item()
    by_hand = statistics_by_hand(middle, evaluator.calibration_images())
    for layer, (mean, variance) in zip(batchnorm_layers(middle), by_hand, strict=True):
        layer.running_mean, layer.running_var = mean, variance
    after = F.cross_entropy(middle(images), labels).item()
    assert results_of(connect)["loss"][1] == pytest.approx(after, rel=1e-4)
    assert before != pytest.approx(after, rel=1e-3)


def test_its_results_are_a_table(connected):
    trunk, _, connect = connected
    table = read_results(trunk.workplace.root, "connect")
    assert table["alpha"].tolist() == [0.0, 0.5, 1.0] and table["instability"].nunique() == 1
    assert table["level"].tolist() == [1, 1, 1] and set(table["branch_arguments"]) == {"points=3"}
    assert set(table["directory"]) == {str(connect)}
    assert read_results(trunk.workplace.root, "fork").empty


def test_damaged_results_are_left_out_with_a_warning(connected, caplog):
    trunk, _, connect = connected
    (connect / "results.json").write_text("[]")
    assert read_results(trunk.workplace.root).empty
    assert str(connect) in caplog.text


def test_what_is_done_is_not_done_again_and_what_is_deleted_is_made_again_alike(connected):
    trunk, _, connect = connected
    before = (connect / "results.json").read_bytes()
    (connect / "results.json").unlink()
    trunk.branch("connect", "--points=3")
    assert (connect / "results.json").read_bytes() == before


def test_connect_wants_the_copies(trunk):
    before = trunk.workplace.files()
    message = trunk.workplace.refused("lottery_branch", "connect", LEVEL, "--quiet", *trunk.words)
    assert "level 1 (replicate 1): " in message and "run lottery_branch fork --levels=1" in message
    assert trunk.workplace.files() == before
    assert "trains no network" in trunk.workplace.refused("evaluate", "lottery_branch", "connect", LEVEL, *trunk.words)


def test_a_refused_fork_leaves_nothing_however_often_it_is_tried(trunk_of):
    trunk = trunk_of()
    command = ("lottery_branch", "fork", LEVEL, "--fork_at=1ep", "--quiet", *trunk.words)
    before = sorted(trunk.workplace.root.rglob("*"))
    for _ in range(2):
        trunk.workplace.refused(*command)
        assert sorted(trunk.workplace.root.rglob("*")) == before


def test_copies_part_where_the_levels_weights_were_kept(trunk_of):
    trunk = trunk_of()
    message = trunk.workplace.refused("lottery_branch", "fork", LEVEL, "--fork_at=1ep", "--quiet", *trunk.words)
    assert "has kept its network at 0ep0it, 2ep0it alone" in message
    [remedy] = re.findall("lottery (--save_every=[^ ]+) keeps more", message)
    other = Trunk(trunk.workplace, (*trunk.words, "--replicate=2"))
    trunk.workplace.done("lottery", LEVEL, remedy, "--quiet", *other.words)
    fork = other.branch("fork", "--fork_at=1ep")
    assert same(weights(fork / "part_1", "ep1_it0"), weights(other.level(1), "ep1_it0"))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("fork", "--fork_at=soon"), "--fork_at=soon: a number of steps looks like"),
        (("fork", "--fork_at=2ep"), "--fork_at=2ep: must be from 0ep0it on"),
        (("connect", "--points=1"), "--points=1: must be at least 2"),
    ],
)
def test_mistakes_are_refused(trunk_of, words, reason):
    trunk = trunk_of()
    found = trunk.workplace.refused("lottery_branch", words[0], LEVEL, "--quiet", *trunk.words, *words[1:])
    assert reason in found


@pytest.mark.parametrize(("others", "usual"), [((), "1ep"), (("6it",), "1ep"), (("1ep1it",), "7it")])
@pytest.mark.parametrize("branch", ["fork", "connect"])
def test_a_step_has_one_name_that_of_its_usual_spelling(finished, branch, others, usual):
    trunk = finished()
    command = ("lottery_branch", branch, LEVEL, *trunk.words)
    digest = hashlib.md5(f"Hparams(fork_at='{usual}')".encode(), usedforsecurity=False).hexdigest()
    for spelling in (usual, *others):
        place = trunk.workplace.place(*command, f"--fork_at={spelling}")
        assert place.name == f"lottery_branch_{branch}_{digest}"


@pytest.mark.parametrize(("words", "own"), [((), "0it"), (("--rewinding_steps=1ep",), "6it")])
def test_the_step_of_the_lottery_is_the_default(finished, words, own):
    trunk = finished(*words)
    command = ("lottery_branch", "fork", LEVEL, *trunk.words)
    assert trunk.workplace.place(*command, f"--fork_at={own}") == trunk.workplace.place(*command)


def test_instability_is_the_height_of_the_barrier():
    assert instability([0.1, 0.5, 0.3]) == pytest.approx(0.3)
    assert instability([0.2, 0.1, 0.4]) == pytest.approx(0.1)
    assert instability([0.2, 0.2]) == 0


def test_interpolation_is_linear_and_keeps_what_is_minus_infinity_in_both():
    one, other, into = (nn.Linear(3, 1) for _ in range(3))
    one.weight.data, other.weight.data = torch.tensor([[0.0, 4.0, -math.inf]]), torch.tensor([[2.0, 4.0, -math.inf]])
    interpolate(one, other, 0.25, into)
    assert into.weight.tolist() == [[0.5, 4.0, -math.inf]]
    assert into.bias.item() == pytest.approx(0.75 * one.bias.item() + 0.25 * other.bias.item())


def test_the_line_between_two_quadratic_losses_minima_has_the_barrier_of_its_closed_form():
    """Of the loss w^4 / 4 - w^2 / 2, with minima at -1 and 1 of -1/4, the line's greatest value is 0 at the middle."""
    one, other, into = (nn.Linear(1, 1, bias=False) for _ in range(3))
    one.weight.data, other.weight.data = torch.tensor([[-1.0]]), torch.tensor([[1.0]])
    losses = []
    for index in range(5):
        interpolate(one, other, index / 4, into)
        w = into.weight.item()
        losses.append(w**4 / 4 - w**2 / 2)
    assert instability(losses) == pytest.approx(0.25)


def test_the_distance_of_posteriors_is_that_of_torch_distributions():
    from bayesian.adapter import convert, variational_tensors
    from bayesian.diagnostics import posterior_distances

    networks = []
    for seed in (0, 1):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            network = nn.Sequential(nn.Linear(3, 2))
            convert(network, lambda fan_in: 0.1)
            [weight, _] = variational_tensors(network)
            with torch.no_grad():
                weight.log_std.uniform_(-2, 0)
                weight.mean[0, 0], weight.log_std[0, 0] = 0.0, -math.inf
        networks.append(variational_tensors(network))
    expected = 0.0
    for one, other in zip(*networks, strict=True):
        kept = one.log_std > -math.inf
        p, q = (Normal(tensor.mean[kept], tensor.log_std[kept].exp()) for tensor in (one, other))
        expected += float((kl_divergence(p, q) + kl_divergence(q, p)).sum().detach()) / 2
    found = posterior_distances(*networks)
    assert found["symmetric_kl"] == pytest.approx(expected, rel=1e-5)
    means = [torch.cat([tensor.mean.detach().flatten() for tensor in network]) for network in networks]
    assert found["l2"] == pytest.approx(float(torch.dist(*means)), rel=1e-5)
