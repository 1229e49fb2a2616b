"""The page on extending: its files, installed as the package that they make, and its commands, as they stand."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from foundations.storage import load_tensors
from open_lth.results.replicates import displayed_fields
from tests.docs.pages import blocks, commands, files
from tests.examples.plugins import Shell, installed
from tests.open_lth.running import Outcome, mask

PAGE = "extending.md"
FILES = files(PAGE)
COMMANDS = commands(PAGE)
REFUSED = ["train", "--default_hparams=small_cnn_4", "--bayesian", "--objective=label_smoothing"]


@pytest.fixture(scope="module")
def shell(tmp_path_factory) -> Shell:
    """A place where the page's package is installed."""
    pytest.importorskip("setuptools", reason="installing a package needs setuptools")
    place = tmp_path_factory.mktemp("extending")
    source = place / "page"
    parts = blocks(PAGE, "toml")
    for name, content in {**FILES, "pyproject.toml": "\n".join(parts)}.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(content)
    [scale] = blocks(PAGE, "json")
    (place / "widths.json").write_text(scale)
    return Shell(installed(source, place), place)


@pytest.fixture(scope="module")
def outcomes(shell: Shell) -> dict[str, Outcome]:
    """What became of every command, by the command."""
    asked = [*COMMANDS, ["train", "--help"], REFUSED]
    return dict(zip(map(" ".join, asked), shell.commands(asked), strict=True))


def directory(shell: Shell, model: str, **fields: str | None) -> Path:
    """Return the replicate of the lottery with these hyperparameters; deterministic unless they say otherwise."""
    wanted = {"model_name": model, "variant_name": None, "objective": None, **fields}
    logs = (shell.place / "results").glob("lottery_*/replicate_1/level_0/main/hparams.log")
    shown = {log: displayed_fields(log.read_text()) for log in logs}
    [found] = [log for log, has in shown.items() if all(has.get(name) == value for name, value in wanted.items())]
    return found.parent.parent.parent


@pytest.mark.parametrize("command", [" ".join(words) for words in COMMANDS])
def test_a_command_runs_as_it_stands(outcomes, command):
    outcome = outcomes[command]
    assert (outcome.code, outcome.err) == (0, ""), outcome.err


def test_everything_is_registered_by_the_page_s_package(outcomes):
    rows = [re.split(r"  +", line) for line in outcomes["plugins"].out.splitlines()]
    assert ["my_tickets", "my-tickets 0.1.0", "loaded"] in rows
    assert {row[0]: row[2] for row in rows if row[1:2] == ["my_tickets"]} == {
        "subcommand": "kept_signs",
        "model family": "small_cnn",
        "initializer": "truncated_normal",
        "data set": "stripes",
        "corruption": "dead_pixels",
        "variant": "tempered",
        "optimizer": "adamw",
        "objective": "label_smoothing",
        "extension": "TrainingHparams.Smoothing",
        "callback": "nearly_zero",
        "pruning strategy": "sparse_global_snip, sparse_each_layer",
        "branch": "constant_signs, agreement",
        "suite": "widths",
        "figure": "widths",
        "estimator": "latin_hypercube",
    }


def test_help_offers_what_the_package_registered(outcomes):
    text = " ".join(outcomes["train --help"].out.split())
    assert "the optimiser: sgd, adam, adamw" in text and "orthogonal, as_built, truncated_normal" in text
    assert "small_cnn_W with W the number of filters" in text and "stripes" in text and "--tempered" in text


def test_every_file_but_the_package_s_own_is_one_registration():
    own = {"my_tickets/__init__.py", "my_tickets/contracts.py"}
    for name, content in FILES.items():
        if name not in own:
            registrations = re.findall(r"\bregister(?:_\w+)?\(", content)
            assert len(registrations) == (2 if name.endswith("figure.py") else 1), name


def test_the_data_set_can_be_learned(outcomes):
    [command] = [command for command in outcomes if "stripes" in command]
    assert float(re.findall(r"accuracy +([\d.]+) %", outcomes[command].out)[-1]) > 90


def test_the_strategy_prunes_every_layer_alike(shell, outcomes):
    found = mask(directory(shell, "small_cnn_4", layer_fraction="0.5") / "level_1" / "main")
    # The weight at the threshold goes, too.
    assert {name: one.numel() - int(one.sum()) for name, one in found.items()} == {
        name: one.numel() // 2 + 1 for name, one in found.items()
    }


def test_the_branch_starts_from_one_magnitude_in_every_layer(shell, outcomes):
    [branch] = (shell.place / "results").rglob("lottery_branch_constant_signs_*")
    start = load_tensors(branch / "model_ep0_it0.pth")
    for name, one in mask(branch).items():
        assert len(start[name][one == 1].abs().unique()) == 1
        assert not bool(start[name][one == 0].any())


def test_the_variant_trains_as_the_deterministic_one_and_predicts_otherwise(shell, outcomes):
    plain = directory(shell, "small_cnn_4", pruning_strategy="sparse_global")
    tempered = directory(shell, "small_cnn_4", variant_name="tempered", temperature="4.0")
    names = ("level_1/main/model_ep2_it0.pth", "level_1/main/mask.pth")
    assert plain != tempered
    assert all((plain / name).read_bytes() == (tempered / name).read_bytes() for name in names)
    assert (plain / "level_1/main/logger").read_text() != (tempered / "level_1/main/logger").read_text()


def test_the_objective_changes_what_training_finds_and_nothing_before(shell, outcomes):
    plain = directory(shell, "small_cnn_4", pruning_strategy="sparse_global")
    smoothed = directory(shell, "small_cnn_4", objective="label_smoothing")
    start, end = (f"level_0/main/model_ep{epoch}_it0.pth" for epoch in (0, 2))
    assert (plain / start).read_bytes() == (smoothed / start).read_bytes()
    assert (plain / end).read_bytes() != (smoothed / end).read_bytes()


def test_a_network_with_an_objective_of_its_own_refuses_the_pages_in_one_line(outcomes):
    outcome = outcomes[" ".join(REFUSED)]
    text = "error: --objective=label_smoothing: a bayesian network is trained with cross_entropy\n"
    assert (outcome.code, outcome.err) == (2, text)


def test_the_figure_has_its_picture_and_its_numbers(shell, outcomes):
    table = (shell.place / "figures" / "widths.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in table] == ["method", "2 filters", "4 filters"]
    assert (shell.place / "figures" / "widths.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_tells_of_the_levels_of_a_lottery(outcomes):
    [command] = [command for command in outcomes if command.startswith("kept_signs ")]
    lines = outcomes[command].out.splitlines()
    found = [re.fullmatch(r"level_(\d)/main: ([\d.]+) % of (\d+) weights kept their sign", line) for line in lines]
    assert [match[1] for match in found if match] == ["0", "1"]
    assert all(50 < float(match[2]) <= 100 for match in found if match)
    assert int(found[1][3]) < int(found[0][3])


def test_the_command_is_listed(shell):
    [listed] = shell.commands([[]])
    assert re.search("^ +kept_signs +count the weights that training leaves their sign$", listed.out, re.MULTILINE)


def test_the_rows_for_the_contract_tests_name_what_the_package_registers(shell, outcomes):
    place = shell.packages / "my_tickets" / "contracts.py"
    spec = importlib.util.spec_from_file_location("page_contracts", place)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    named = {name for own in module.ROWS.values() for name in own}
    listed = set(re.findall(r"\w+", outcomes["plugins"].out))
    assert named <= listed and json.dumps(module.ROWS)


PROGRAM = """
import json, torch
from torch import nn
from bayesian.noise import NoiseRequest
from my_tickets.estimator import latin_hypercube
from types import SimpleNamespace
from my_tickets.score import connection_sensitivity

model = nn.Sequential(nn.Linear(4, 1))
model[0].weight.data[:] = torch.tensor([[2.0, -1.0, 3.0, 0.0]])
lottery = SimpleNamespace(gradients=lambda network, batches: {"0.weight": torch.tensor([[0.1, 2.0, -1.0, 5.0]])})
request = NoiseRequest(samples=4, size=20000, streams=None, device=torch.device("cpu"))
noise = torch.stack(list(latin_hypercube(request)(0, torch.Generator().manual_seed(0))))
quarters = (torch.special.ndtr(noise) * 4).floor().sort(dim=0).values
print(json.dumps({
    "snip": connection_sensitivity(model, {}, None, lottery)["0.weight"].tolist(),
    "mean": noise.mean().item(),
    "variance": noise.var(dim=1).mean().item(),
    "quarters": quarters.unique(dim=1).flatten().tolist(),
    "variance of means": noise.mean(dim=0).var().item(),
}))
"""


@pytest.fixture(scope="module")
def numbers(shell: Shell) -> dict[str, Any]:
    """What the score and the estimator compute."""
    result = shell.python("-c", PROGRAM)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_score_is_the_papers_formula(numbers):
    assert numbers["snip"] == [pytest.approx([0.2, 2.0, 3.0, 0.0])]


def test_the_estimator_spreads_a_batch_s_samples_over_the_distribution(numbers):
    assert numbers["mean"] == pytest.approx(0, abs=0.01) and numbers["variance"] == pytest.approx(1, abs=0.03)
    assert numbers["quarters"] == [0, 1, 2, 3], "one sample in each quarter"
    assert numbers["variance of means"] < 0.25 / 2, "independent draws have a quarter"
