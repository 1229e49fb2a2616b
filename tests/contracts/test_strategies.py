"""What every registered pruning strategy must keep, on networks of every variant that it fits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from foundations.context import RunContext
from open_lth.runners.circumstances import circumstances_of
from open_lth.runners.lottery import Lottery
from pruning import STRATEGIES, Mask
from tests.contracts.table import BASE, ROWS, VARIANT_FLAGS, Words, fits
from tests.open_lth.running import Trunk, Workplace, mask
from training import VARIANTS

FITTING = [
    (name, variant)
    for name, strategy in STRATEGIES.items()
    for variant in VARIANT_FLAGS
    if name in ROWS["strategy"] and fits(variant, strategy.variants)
]
OTHERS = [
    (name, variant)
    for name, _ in STRATEGIES.items()
    for variant in VARIANT_FLAGS
    if name in ROWS["strategy"] and (name, variant) not in FITTING
]


def words(name: str, variant: str) -> Words:
    return (
        *BASE,
        *VARIANT_FLAGS[variant],
        f"--pruning_strategy={name}",
        "--training_steps=1it",
        *ROWS["strategy"][name],
    )


def total(tensors: dict[str, torch.Tensor]) -> int:
    return sum(int(tensor.sum()) for tensor in tensors.values())


@pytest.mark.parametrize(("name", "variant"), FITTING)
def test_every_level_keeps_part_of_the_level_before_and_the_same_part_every_time(
    name: str, variant: str, dataset_root: Path, tmp_path: Path
) -> None:
    trunks = [Trunk(Workplace(tmp_path / place, dataset_root), words(name, variant)) for place in ("one", "two")]
    for trunk in trunks:
        trunk.find_tickets(levels=2)
    masks = [[mask(trunk.level(level)) for level in range(3)] for trunk in trunks]
    for one, two in zip(*masks, strict=True):
        assert all(torch.equal(one[layer], two[layer]) for layer in one)
    for before, after in zip(masks[0], masks[0][1:], strict=False):
        assert before.keys() == after.keys()
        assert all(bool((after[layer] <= before[layer]).all()) for layer in before), "a pruned weight came back"
        assert 0 < total(after) < total(before), "nothing was pruned"
        assert torch.equal(after["fc.weight"], before["fc.weight"]), "an ignored layer was pruned"


@pytest.mark.parametrize(("name", "variant"), FITTING)
def test_it_leaves_network_and_mask_as_they_were(name: str, variant: str, dataset_root: Path, tmp_path: Path) -> None:
    from foundations.arguments import Parser
    from open_lth.commands.lottery import add_flags
    from open_lth.flags.experiment_flags import read_lottery_desc, select

    parser, argv = Parser(prog="lottery"), words(name, variant)
    add_flags(parser, argv)
    desc = read_lottery_desc(parser.parse_args(argv), select(argv))
    model = desc.variant.build(desc.model_hparams, 10, seed=0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    current = Mask.ones({key: parts[0].parameter.shape for key, parts in desc.variant.prunable(model).items()})
    lottery = Lottery(desc, 1, RunContext(tmp_path, dataset_root))
    circumstances = circumstances_of(lottery, 1, begun_with=model)
    generator = torch.Generator().manual_seed(0)
    STRATEGIES.get(name).prune_in(desc.pruning_hparams, model, current, generator, circumstances)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert current.density == 1


@pytest.mark.parametrize(("name", "variant"), OTHERS)
def test_another_variant_is_refused(name: str, variant: str, dataset_root: Path, tmp_path: Path) -> None:
    assert variant in VARIANTS
    workplace = Workplace(tmp_path / "results", dataset_root)
    message = workplace.refused("lottery", "--levels=1", *words(name, variant))
    assert message.startswith(f"error: --pruning_strategy={name}")
    assert not workplace.root.exists()
