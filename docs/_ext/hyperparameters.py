"""What can be chosen on the command line, in Markdown, out of the registries: entries of plugins are among it."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING

from tables import code, table

from bayesian.estimators import ESTIMATORS
from datasets import DatasetHparams, dataset_names
from foundations.flags import flags_of
from foundations.hparams import Hparams
from models import BATCHNORM_INITIALIZERS, INITIALIZERS, MODEL_FAMILIES, ModelHparams
from open_lth.branch import BRANCHES, Branch
from pruning import STRATEGIES, PruningHparams
from training import OBJECTIVES, OPTIMIZERS, VARIANTS, TrainingHparams


def groups() -> str:
    """Return every group with its flags, their types, defaults and explanations."""
    sections = [_section(group) for group in (DatasetHparams, ModelHparams, TrainingHparams)]
    for group, strategies in _pruning_groups().items():
        asking = "" if group is PruningHparams else f" Flags of {_listed(strategies)}."
        sections.append(_section(group, about=asking))
    for name, variant in VARIANTS.items():
        if variant.hparams is not None:
            sections.append(_section(variant.hparams, prefix=name, about=f" They are there after `--{name}`."))
    return "\n".join(sections)


def _pruning_groups() -> dict[type[PruningHparams], list[str]]:
    found: dict[type[PruningHparams], list[str]] = {}
    for name, strategy in STRATEGIES.items():
        found.setdefault(strategy.get_pruning_hparams(), []).append(name)
    return found


def _section(group: type[Hparams], prefix: str = "", about: str = "") -> str:
    return f"### {group.title}\n\n{group.about}{about}\n{_flags(group, prefix)}"


def _flags(group: type[Hparams], prefix: str = "") -> str:
    rows = [(code(f"--{name}"), kind, default, help) for name, kind, default, help in _rows(group, prefix)]
    return table(("flag", "type", "default", "what"), rows)


def _rows(group: type[Hparams], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    for one in flags_of(group, prefix):
        if issubclass(one.kind, Hparams):
            yield f"{one.name}_...", "group", "", f"{one.help.rstrip('.')}: the {one.kind.title} under this prefix"
        else:
            yield one.name, one.kind.__name__, _default(one.field.default, one.kind), one.help


def _default(value: object, kind: type) -> str:
    if value is MISSING:
        return "required"
    if kind is bool:
        return "off"
    return "none" if value in (None, "") else code(value)


def presets() -> str:
    """Return what `--default_hparams` fills in, by variant and model family."""
    return "\n".join(_presets_of(name) for name in VARIANTS.names())


def _presets_of(variant: str) -> str:
    families = dict(MODEL_FAMILIES.items())
    presets = {name: VARIANTS.get(variant).preset(family) for name, family in families.items()}
    flags = dict.fromkeys(flag for preset in presets.values() for flag in preset)
    rows = ((code(f"--{flag}"), *(_preset_value(preset, flag) for preset in presets.values())) for flag in flags)
    return f"### Presets of {variant} networks\n{table(('flag', *map(code, families)), rows)}"


def _preset_value(preset: Mapping[str, object], flag: str) -> str:
    value = preset.get(flag)
    return "" if value is None else code(value)


def models() -> str:
    """Return the model families and what their names look like."""
    rows = (
        (code(name), family.pattern, ", ".join(map(code, family.examples)), code(f"{family.output_layer}.weight"))
        for name, family in MODEL_FAMILIES.items()
    )
    return table(("family", "names", "for example", "output layer"), rows)


def choices() -> str:
    """Return the values of flags that name something registered."""
    registered = {
        "dataset_name": dataset_names(),
        INITIALIZERS.flag: INITIALIZERS.names(),
        BATCHNORM_INITIALIZERS.flag: BATCHNORM_INITIALIZERS.names(),
        OPTIMIZERS.flag: OPTIMIZERS.names(),
        OBJECTIVES.flag: OBJECTIVES.names(),
        ESTIMATORS.flag: ESTIMATORS.names(),
    }
    return table(("flag", "values"), ((code(f"--{flag}"), _listed(names)) for flag, names in registered.items()))


def strategies() -> str:
    """Return the pruning strategies."""
    rows = (
        (code(name), strategy.description, ", ".join(strategy.variants) or "all")
        for name, strategy in STRATEGIES.items()
    )
    return table(("`--pruning_strategy`", "prunes", "networks"), rows)


def branches() -> str:
    """Return every branch with its arguments."""
    return "\n".join(_branch(name, branch) for name, branch in BRANCHES.items())


def _branch(name: str, branch: type[Branch]) -> str:
    names = " or ".join(map(code, BRANCHES.names_of(name)))
    kinds = f" Its trunk must be {' or '.join(branch.trunk_variants)}." if branch.trunk_variants else ""
    description = branch.description()
    text = f"{description[0].upper()}{description[1:]}.{kinds}"
    return f"### {names}\n\n{text}\n{_flags(branch.hparams_class())}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(code, names))


GENERATED: typing.Final = {
    "groups": groups,
    "presets": presets,
    "models": models,
    "choices": choices,
    "strategies": strategies,
    "branches": branches,
}
