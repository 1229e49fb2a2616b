"""The flags of experiments, and the descriptors that they make."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import DatasetHparams, dataset_names
from foundations.arguments import Parser, add_group, read_group
from foundations.errors import InvalidValue, UserError
from foundations.step import parse_step
from models import MODEL_FAMILIES, ModelHparams, find_family
from open_lth.runners.descs import LotteryDesc, TrainDesc
from pruning import DETERMINISTIC, STRATEGIES, PruningHparams, check_strategy_fits
from training import CURRICULA, VARIANTS, ModelVariant, TrainingHparams, VariantHparams, check_images_fit


@dataclass(frozen=True)
class Selection:
    """The flags that decide which other flags there are and what their defaults are.

    Args:
        variant: the one asked for by its own flag, such as `--mc_dropout` by a plugin.
        defaults: the preset, by flag.
    """

    variant: type[ModelVariant]
    defaults: Mapping[str, Any]
    pruning_hparams: type[PruningHparams]
    pretrain: bool


def optional_variants() -> dict[str, type[ModelVariant]]:
    """Return the variants that have a flag."""
    return {name: variant for name, variant in VARIANTS.items() if name != DETERMINISTIC}


def select(argv: Sequence[str]) -> Selection:
    """Read the flags that decide on other flags, whatever else there is.

    Raises:
        UserError: if the model's or strategy's name is unknown or two variants are asked for.
    """
    parser = Parser(add_help=False)
    parser.add_argument("--default_hparams")
    parser.add_argument("--curriculum")
    parser.add_argument("--pruning_strategy")
    parser.add_argument("--pretrain", action="store_true")
    for name in optional_variants():
        parser.add_argument(f"--{name}", action="store_true")
    known, _ = parser.parse_known_args([arg for arg in argv if arg not in ("-h", "--help")])
    chosen = [variant for name, variant in optional_variants().items() if getattr(known, name)]
    if len(chosen) > 1:
        raise UserError(f"--{chosen[0].name} and --{chosen[1].name} cannot be given together")
    variant = chosen[0] if chosen else VARIANTS.get(DETERMINISTIC)
    defaults = _preset(variant, known.default_hparams, known.curriculum)
    strategy = known.pruning_strategy or defaults.get("pruning_strategy")
    group = STRATEGIES.get(strategy).get_pruning_hparams() if strategy else PruningHparams
    return Selection(variant, defaults, group, known.pretrain)


def _preset(variant: type[ModelVariant], model: str | None, curriculum: str | None) -> dict[str, Any]:
    """Return the defaults, by flag, of a model under a curriculum, or under the variant's own."""
    if model is None:
        if curriculum is not None:
            raise InvalidValue("curriculum", curriculum, "needs --default_hparams=MODEL, whose data set it is for")
        return {}
    try:
        family = find_family(model)
    except InvalidValue as error:
        raise InvalidValue("default_hparams", error.value, error.valid) from None
    own = variant.preset(family)
    if curriculum is not None:
        own = {"pruning_strategy": own["pruning_strategy"], **CURRICULA.get(curriculum)(family)}
    return {"model_name": model, **own}


def add_training_flags(parser: argparse.ArgumentParser, selection: Selection) -> None:
    """Add the flags that every experiment has."""
    section = parser.add_argument_group("Presets", "Fill in the other flags; a flag that is given wins.")
    section.add_argument("--default_hparams", metavar="MODEL", help="fill every flag with this model's defaults")
    curricula = f"fill in how it is trained and pruned from a curriculum: {', '.join(CURRICULA.names())}"
    section.add_argument("--curriculum", metavar="NAME", help=curricula)
    for name, variant in optional_variants().items():
        brings = f"; with it, --help also has {variant.hparams.title}: --{name}_*" if variant.hparams else ""
        section.add_argument(f"--{name}", action="store_true", help=f"{variant.description}{brings}")
    for group in (ModelHparams, DatasetHparams, TrainingHparams):
        add_group(parser, group, defaults=selection.defaults)
    models = "; ".join(family.pattern for _, family in MODEL_FAMILIES.items())
    parser.epilog = f"Models: {models}. Data sets: {', '.join(dataset_names())}."
    if selection.variant.hparams is not None:
        add_group(parser, selection.variant.hparams, prefix=selection.variant.name)


def add_lottery_flags(parser: argparse.ArgumentParser, selection: Selection) -> None:
    """Add the flags that tell one lottery ticket experiment from another."""
    add_training_flags(parser, selection)
    strategies = (
        f"{name} ({strategy.description}; {' or '.join(strategy.variants) or 'all'} networks)"
        for name, strategy in STRATEGIES.items()
    )
    parser.epilog = f"{parser.epilog} Pruning strategies: {', '.join(strategies)}.".replace("%", "%%")
    add_group(parser, selection.pruning_hparams, defaults=selection.defaults)
    section = parser.add_argument_group("Before level 0", "Train first, and rewind every level to the result.")
    section.add_argument("--rewinding_steps", metavar="STEPS", help="rewind to the weights after this much training")
    help = (
        "pretrain, perhaps on other data; with it, --help also has Pretraining Dataset Hyperparameters and Pretraining "
        "Training Hyperparameters: --pretrain_*"
    )
    section.add_argument("--pretrain", action="store_true", help=help)
    if selection.pretrain:
        add_group(parser, DatasetHparams, "pretrain", selection.defaults, "Pretraining Dataset Hyperparameters")
        defaults = {**selection.defaults, "training_steps": "0ep"}
        add_group(parser, TrainingHparams, "pretrain", defaults, "Pretraining Training Hyperparameters")


def read_train_desc(args: argparse.Namespace, selection: Selection) -> TrainDesc:
    """Build the descriptor of a training run.

    Raises:
        UserError: if a flag is missing or invalid.
    """
    return TrainDesc(**_read_training_groups(args, selection))


def read_lottery_desc(args: argparse.Namespace, selection: Selection) -> LotteryDesc:
    """Build the descriptor of a lottery ticket experiment.

    Raises:
        UserError: if a flag is missing or invalid, or flags contradict each other.
    """
    groups = _read_training_groups(args, selection)
    pruning_hparams = read_group(args, selection.pruning_hparams)
    check_strategy_fits(pruning_hparams.pruning_strategy, *selection.variant.compatible_variants())
    if args.pretrain and args.rewinding_steps is not None:
        raise UserError("--pretrain and --rewinding_steps cannot be given together")
    if args.pretrain and not _is_no_training(args.pretrain_training_steps, "pretrain_training_steps"):
        groups["pretrain_dataset_hparams"] = read_group(args, DatasetHparams, "pretrain")
        groups["pretrain_training_hparams"] = read_group(args, TrainingHparams, "pretrain")
        try:
            check_images_fit(groups["model_hparams"], groups["pretrain_dataset_hparams"])
            selection.variant.check_objective(groups["pretrain_training_hparams"])
        except InvalidValue as error:
            raise error.prefixed("pretrain") from None
    elif args.rewinding_steps is not None and not _is_no_training(args.rewinding_steps, "rewinding_steps"):
        groups["pretrain_dataset_hparams"] = groups["dataset_hparams"]
        groups["pretrain_training_hparams"] = dataclasses.replace(
            groups["training_hparams"], training_steps=args.rewinding_steps
        )
    desc = LotteryDesc(pruning_hparams=pruning_hparams, **groups)
    if desc.start >= desc.step(desc.training_hparams.training_steps):
        raise _no_training_left(desc, args)
    return desc


def _is_no_training(steps: str, flag: str) -> bool:
    """Return whether a number of steps is zero: training for so long before level 0 is none.

    Raises:
        InvalidValue: if the text is no number of steps.
    """
    try:
        return parse_step(steps) == (0, 0)
    except ValueError as error:
        raise InvalidValue(flag, steps, str(error)) from None


def _no_training_left(desc: LotteryDesc, args: argparse.Namespace) -> InvalidValue:
    steps = desc.training_hparams.training_steps
    if args.rewinding_steps is not None:
        return InvalidValue("rewinding_steps", args.rewinding_steps, f"must lie before the end of training, {steps}")
    pretraining = desc.pretrain_training_hparams
    if pretraining is None:
        return InvalidValue("training_steps", steps, "must be at least one iteration, e.g. 160ep or 500it")
    return InvalidValue(
        "training_steps", steps, f"must reach beyond --pretrain_training_steps={pretraining.training_steps}"
    )


def _read_training_groups(args: argparse.Namespace, selection: Selection) -> dict[str, Any]:
    groups: dict[str, Any] = {
        "dataset_hparams": read_group(args, DatasetHparams),
        "model_hparams": read_group(args, ModelHparams),
        "training_hparams": read_group(args, TrainingHparams),
        "variant_hparams": read_variant_hparams(args, selection.variant),
    }
    check_images_fit(groups["model_hparams"], groups["dataset_hparams"])
    selection.variant.check_objective(groups["training_hparams"])
    return groups


def read_variant_hparams(args: argparse.Namespace, variant: type[ModelVariant]) -> VariantHparams | None:
    """Build the group of a variant, or None for the deterministic one."""
    if variant.hparams is None:
        return None
    return read_group(args, variant.hparams, variant.name)
