"""The model card: what a ticket is and how it came about, for programs and for people."""

from __future__ import annotations

import importlib.metadata
import json
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pandas as pd

from datasets import OwnSource, input_shape
from foundations.errors import UserError
from foundations.storage import read_json
from models import find_family
from open_lth.results import read_runs
from pruning import Mask
from training import TrainingRun

FORMAT = 1
"""The version of the card's form; a greater one may hold what this program does not know."""

_PROJECT = "open-lth"
_PLACE = ("experiment", "replicate", "level", "kind", "branch_arguments")
_MEASURED = ("peak_", "final_", "passes", "test_examples", "seconds")


def make_card(run: TrainingRun, mask: Mask, licence: str) -> dict[str, Any]:
    """Return the card of a finished run's ticket, as plain values.

    Args:
        licence: under which the weights may be used, by its SPDX identifier.

    Raises:
        UserError: if the run's variant does not say how it was made.
    """
    [row] = read_runs([run.paths.directory]).to_dict("records")
    known = {str(name): value for name, value in row.items() if not pd.isna(value)}
    return {
        "format": FORMAT,
        "library": {"name": _PROJECT, "version": importlib.metadata.version(_PROJECT)},
        "license": licence,
        "run": {name: known[name] for name in _PLACE if name in known},
        "network": _network(run),
        "data": _data(run),
        "weights": {"step": str(run.end)},
        "mask": {"total": mask.total, "kept": mask.unpruned, "density": mask.density, "digest": mask.digest()},
        "measures": {name: value for name, value in known.items() if name.startswith(_MEASURED)},
        "hyperparameters": run.describe(run.end).config,
        "provenance": read_json(run.paths.command) if run.paths.command.exists() else {},
    }


def _network(run: TrainingRun) -> dict[str, Any]:
    """Return what makes the network again."""
    variant, own = run.variant, run.variant.describe()
    if variant.hparams is not None and own is None:
        raise UserError(f"a {variant.name} network cannot be exported: its variant has no method `describe`")
    return {
        "model": asdict(run.model_hparams),
        "classes": run.outputs,
        "variant": variant.name,
        "variant_hparams": None if own is None else asdict(own),
    }


def _data(run: TrainingRun) -> dict[str, Any]:
    """Return what images are brought to before the network sees them."""
    hparams, model = run.dataset_hparams, run.model_hparams.model_name
    source = hparams.source
    shape = input_shape(hparams, find_family(model).image_shape, model)
    normalisation = {"mean": list(source.mean), "std": list(source.std)}
    own = {"digest": source.digest} if isinstance(source, OwnSource) else {}
    return {"name": hparams.dataset_name, "image_shape": list(shape), **normalisation, **own}


def as_markdown(card: Mapping[str, Any], description: str) -> str:
    """Return a card as people read it, with the head that Hugging Face's Hub reads.

    Args:
        description: what the variant is, in a line.
    """
    return "\n".join(line for part in _parts(card, description) for line in (*part, ""))


def _parts(card: Mapping[str, Any], description: str) -> Iterator[list[str]]:
    model, network, mask, run = card["network"]["model"]["model_name"], card["network"], card["mask"], card["run"]
    yield [
        "---",
        f"license: {card['license']}",
        f"library_name: {_PROJECT}",
        "pipeline_tag: image-classification",
        "tags:",
        "- lottery-ticket",
        "- pruning",
        "- sparse",
        f"- {network['variant']}",
        "---",
    ]
    level = f"level {run['level']} of " if "level" in run else ""
    yield [f"# {model}: {level}{run['experiment']}"]
    yield [
        f"A sparse network ({network['variant']}: {description}) that keeps {100 * mask['density']:.2f} % of "
        f"{mask['total']} prunable weights; the others are exactly 0."
    ]
    yield [
        "```python",
        "from open_lth.export import load_ticket",
        "",
        'ticket = load_ticket("this directory")',
        "ticket.network, ticket.mask",
        "```",
    ]
    data = card["data"]
    yield [
        f"Images are brought to {' x '.join(map(str, data['image_shape']))} (channels, height, width), scaled to "
        f"[0, 1], and normalised by means {data['mean']} and standard deviations {data['std']} of the channels "
        f"({data['name']})."
    ]
    yield ["## Measures", "", *_table("measure", card["measures"])]
    if command := card["provenance"].get("command"):
        yield ["## Command", "", "```bash", shlex.join(["python", "open_lth.py", *command]), "```"]
    groups = {name: fields for name, fields in card["hyperparameters"].items() if isinstance(fields, dict)}
    rows = {f"{name}.{field}": value for name, fields in groups.items() for field, value in fields.items()}
    yield ["## Hyperparameters", "", *_table("hyperparameter", rows)]
    yield ["## Files", "", *_table("file", card["digests"], "SHA-256"), "", f"The mask's digest is {mask['digest']}."]


def _table(what: str, rows: Mapping[str, Any], value: str = "value") -> list[str]:
    lines = (f"| `{name}` | {_shown(entry)} |" for name, entry in rows.items())
    return [f"| {what} | {value} |", "| --- | --- |", *lines]


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return value.replace("|", "\\|") if isinstance(value, str) else json.dumps(value)
