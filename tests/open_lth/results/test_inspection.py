from __future__ import annotations

from pathlib import Path

import pytest

from foundations.checksum import sidecar
from foundations.storage import read_json, write_json
from open_lth.results.inspection import inspect_files
from tests.open_lth.running import outcome_of

RUN = "lottery_0/replicate_1/level_0/main"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    directory = tmp_path / RUN
    for name in ("a.json", "b.json"):
        write_json(directory / name, [name])
    return directory


def found(root: Path) -> dict[str, str]:
    return {str(one.path.relative_to(root)): one.state for one in inspect_files(root)}


def test_files_as_they_were_written_are_whole(run, tmp_path):
    assert found(tmp_path) == {f"{RUN}/a.json": "whole", f"{RUN}/b.json": "whole"}


def test_each_kind_of_trouble_is_told(run, tmp_path):
    other = tmp_path / "lottery_0" / "replicate_2" / "level_0" / "main"
    write_json(other / "a.json", ["other"])
    for name in ("a.json", ".a.json.sha256"):
        (run / name).write_bytes((other / name).read_bytes())
    (run / "b.json").unlink()
    write_json(run / "c.json", [])
    (run / "c.json").write_text("[1]")
    (run / ".d.json.0123abcd.tmp").write_text("half")
    (run / "theirs.txt").write_text("OpenLTH's")
    states = {name.removeprefix(f"{RUN}/"): state for name, state in found(tmp_path).items()}
    assert states == {
        "a.json": "misplaced",
        "b.json": "missing",
        "c.json": "damaged",
        ".d.json.0123abcd.tmp": "left over",
        "theirs.txt": "without a checksum",
        "lottery_0/replicate_2/level_0/main/a.json": "whole",
    }


def test_what_lies_beside_experiments_is_left_alone(run, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / ".x.0123abcd.tmp").touch()
    assert set(found(tmp_path).values()) == {"whole"}


def test_the_command_ends_with_2_if_anything_is_wrong(run, tmp_path):
    whole = outcome_of("runs", "--check", f"--root={tmp_path}")
    assert (whole.code, whole.out, whole.err) == (0, "2 whole\n", "")
    (run / "a.json").write_text("[")
    outcome = outcome_of("runs", "--check", f"--root={tmp_path}")
    assert outcome.code == 2
    assert f"damaged  {run / 'a.json'}" in outcome.out and "1 damaged, 1 whole" in outcome.out
    assert outcome.err == f"error: 1 of 2 files under {tmp_path} are not as they were written\n"
    assert sidecar(run / "a.json").exists() and read_json(run / "b.json") == ["b.json"]


def test_an_empty_root_is_no_trouble(tmp_path):
    outcome = outcome_of("runs", "--check", f"--root={tmp_path}")
    assert (outcome.code, outcome.out) == (0, f"no experiment lies under {tmp_path}\n")
