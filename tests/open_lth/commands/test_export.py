"""The subcommand `export`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from open_lth.export import load_ticket
from tests.open_lth.running import Workplace, snapshot


def exported(workplace: Workplace, *words: str) -> Path:
    """Run the command, and return the directory that it prints first."""
    return Path(workplace.done("export", *words).out.splitlines()[0])


def test_a_ticket_lies_in_the_directory_of_its_run(trunk):
    place = exported(trunk.workplace, trunk.directory.parent.name, "--level=1")
    assert place == trunk.level(1) / "ticket"
    assert load_ticket(place).card["run"]["level"] == 1


def test_the_run_is_left_as_it_was_and_nothing_is_written_twice(trunk):
    before = snapshot(trunk.workplace.root)
    exported(trunk.workplace, str(trunk.level(2)))
    after = snapshot(trunk.workplace.root)
    assert {name: after[name] for name in before} == before
    exported(trunk.workplace, str(trunk.level(2)))
    assert snapshot(trunk.workplace.root) == after


def test_a_ticket_goes_where_it_is_to_go_and_grows_by_what_is_asked_for_later(trunk, tmp_path):
    output = tmp_path / "mine"
    words = (trunk.directory.parent.name, f"--output={output}", "--license=cc-by-4.0")
    assert exported(trunk.workplace, *words) == output
    before = snapshot(output)
    assert exported(trunk.workplace, *words, "--compact") == output
    after = snapshot(output)
    assert after.keys() - before.keys() == {"compact.safetensors", "compact.json"}
    assert {name: after[name] for name in before} == before
    assert json.loads((output / "config.json").read_text())["license"] == "cc-by-4.0"
    assert not (trunk.level(2) / "ticket").exists()


def test_the_summary_is_printed_and_kept(trunk):
    out = trunk.workplace.done("export", str(trunk.level(2)), "--summary").out.splitlines()
    place = Path(out[0])
    summary = json.loads((place / "summary.json").read_text())
    assert out[1] == "parameters: " + ", ".join(f"{name} {n:,}" for name, n in summary["parameters"].items())
    assert out[-len(summary["in_words"]) :] == summary["in_words"]
    rows = [line.split() for line in out if line.startswith(("1 ", "64 "))]
    assert [row[:2] for row in rows] == [[size, form] for size in ("1", "64") for form in ("dense", "compacted", "csr")]
    assert all(float(lower) <= float(median) <= float(upper) for _, _, median, lower, upper in rows)
    assert (place / "compact.safetensors").exists()


def test_onnx_is_written_of_each_form(trunk):
    pytest.importorskip("onnxscript", reason="the extra `export` is not installed")
    place = exported(trunk.workplace, str(trunk.level(2)), "--onnx", "--compact")
    assert {path.name for path in place.glob("*.onnx")} == {"model.onnx", "compact.onnx"}


@pytest.mark.parametrize("branch", [("reinit",), ("shuffle", "--seed=0")])
def test_a_branch_is_exported_by_its_name(trunk, branch):
    directory = trunk.branch(*branch)
    place = exported(trunk.workplace, directory.name)
    assert place == directory / "ticket"
    assert load_ticket(place).card["run"]["kind"].startswith("randomly_")


def test_a_transplanted_ticket_is_a_bayesian_one(trunk_of):
    trunk = trunk_of()
    directory = trunk.branch("transplant", "--bayesian_samples=3")
    ticket = load_ticket(exported(trunk.workplace, directory.name))
    assert ticket.card["network"]["variant"] == "bayesian"
    assert ticket.card["network"]["variant_hparams"]["samples"] == 3


def test_results_of_openlth_can_be_taken_away(openlth_trunk):
    place = exported(openlth_trunk.workplace, str(openlth_trunk.level(2)), "--compact")
    ticket = load_ticket(place)
    assert ticket.card["provenance"] == {} and ticket.card["mask"]["density"] < 0.7
    assert "## Command" not in (place / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing",), "nothing: no experiment under"),
        (("lottery_", "--level=9"), "--level=9: finished are 0, 1, 2"),
        (("lottery_", "--license=my own"), "--license=my own: must be an SPDX identifier, such as mit or cc-by-4.0"),
        ((), "the following arguments are required: RUN"),
    ],
)
def test_mistakes_are_named_in_one_line(trunk, words, said):
    assert said in trunk.workplace.refused("export", *words)
