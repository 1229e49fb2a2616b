"""OpenLTH's extension point: a class with a typed `branch_function`, registered by one line."""

from __future__ import annotations

import hashlib

import pytest

from foundations.errors import UserError
from foundations.paths import RunPaths
from open_lth.branch import BRANCHES, Branch
from pruning import Mask, apply_mask
from tests.open_lth.running import INPUT, mask, weights


@pytest.fixture(autouse=True)
def amputate(monkeypatch) -> type[Branch]:
    """A branch that a user might write."""
    monkeypatch.setattr(BRANCHES, "_entries", dict(BRANCHES._entries))
    monkeypatch.setattr(BRANCHES, "_aliases", dict(BRANCHES._aliases))

    @BRANCHES.register("amputate")
    class Amputate(Branch):
        @staticmethod
        def name() -> str:
            return "amputate"

        @staticmethod
        def description() -> str:
            return "prune whole neurons of the first layer"

        def branch_function(
            self, neurons: int, factor: float = 1.0, layer: str = "fc_layers.0.weight", keep_mask: bool = False
        ) -> None:
            """Train without some neurons.

            Args:
                neurons: how many neurons of the
                    layer are taken away.
                factor: what the others are multiplied by.
                layer: which layer's.
                keep_mask: leave the mask as it is.
            """
            tensors = {name: tensor.clone() for name, tensor in self.mask().items()}
            if not keep_mask:
                tensors[layer][:neurons] = 0
            model = self.load_network(0, self.lottery.desc.start)
            parameters = dict(model.named_parameters())
            parameters["fc.bias" if "fc.bias" in parameters else "fc._bias_mean"].data.fill_(factor)
            new = Mask(tensors)
            apply_mask(self.lottery.variant.prunable(model), new)
            self.train(model, new, self.lottery.desc.start)

    return Amputate


def test_its_typed_arguments_become_flags_and_reach_the_function(trunk):
    branch = trunk.branch("amputate", "--neurons=5", "--factor=0.25")
    old, new = mask(trunk.level(1))[INPUT], mask(branch)[INPUT]
    assert not bool(new[:5].any())
    assert bool((new[5:] == old[5:]).all())


def test_a_float_and_a_bare_flag_mean_what_they_say(finished, trunk_of):
    trunk = trunk_of()
    branch = trunk.branch("amputate", "--neurons=5", "--factor=0.25", "--keep_mask")
    assert weights(branch, "ep0_it0")["fc.bias"].tolist() == [0.25] * 10
    assert (branch / "mask.pth").read_bytes() == (trunk.level(1) / "mask.pth").read_bytes()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--neurons=5",), "Hparams(neurons=5)"),
        (("--neurons=5", "--factor=1.0"), "Hparams(neurons=5)"),
        (("--neurons=3", "--factor=2", "--layer=fc.weight"), "Hparams(factor=2.0, layer='fc.weight', neurons=3)"),
        (("--neurons=3", "--keep_mask"), "Hparams(keep_mask=True, neurons=3)"),
    ],
)
def test_its_directory_is_named_after_it_and_the_hash_of_its_arguments(finished, words, text):
    trunk = finished()
    place = trunk.workplace.place("lottery_branch", "amputate", "--levels=1", *trunk.words, *words)
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    assert place == trunk.level(1).parent / f"lottery_branch_amputate_{digest}"


def test_it_is_listed_and_explains_its_arguments(workplace):
    listed = workplace.run("lottery_branch", "--help").out
    assert "amputate (prune whole neurons of the first layer)" in " ".join(listed.split())
    explained = " ".join(workplace.run("lottery_branch", "amputate", "--help").out.split())
    assert "--neurons INT how many neurons of the layer are taken away. (required)" in explained
    assert "--factor FLOAT what the others are multiplied by. (default: 1.0)" in explained
    assert "--keep_mask leave the mask as it is." in explained


def test_a_missing_argument_is_asked_for(finished):
    trunk = finished()
    message = trunk.workplace.refused("lottery_branch", "amputate", "--levels=1", *trunk.words, "--quiet")
    assert message == "error: --neurons is required: how many neurons of the layer are taken away"


def test_a_name_can_be_taken_only_once(amputate):
    with pytest.raises(ValueError, match="amputate is registered twice"):
        BRANCHES.register("amputate")(amputate)


@pytest.mark.parametrize("trains", [(), ("left",)])
def test_what_a_refused_branch_of_several_trainings_has_not_trained_leaves_no_trace(trunk_of, amputate, trains):
    class Split(amputate):
        parts = ("left", "right")

        @staticmethod
        def name() -> str:
            return "split"

        def branch_function(self) -> None:
            for part in trains:
                self.train(self.load_network(0, self.lottery.desc.start), self.mask(), self.lottery.desc.start, part)
            raise UserError("no")

    BRANCHES.register("split")(Split)
    trunk = trunk_of()
    command = ("lottery_branch", "split", "--levels=1", *trunk.words, "--quiet")
    before = set(trunk.workplace.root.rglob("*"))
    assert trunk.workplace.refused(*command) == "error: no"
    added = set(trunk.workplace.root.rglob("*")) - before
    assert bool(added) == bool(trains)
    assert all((place / "part_left" / "logger").exists() for place in added if place.name.startswith("lottery_branch"))


def test_it_is_not_run_again_when_it_is_done(trunk):
    branch = trunk.branch("amputate", "--neurons=5")
    paths = RunPaths(branch)
    before = paths.logger.stat().st_mtime_ns
    trunk.branch("amputate", "--neurons=5")
    assert paths.logger.stat().st_mtime_ns == before
    assert (branch / "command.json").exists() and (branch / "hparams.log").exists()
