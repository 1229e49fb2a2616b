"""Scales: by name, or from a file of the user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundations.errors import UserError
from open_lth.suites.scales import SCALES, read_scale


def test_a_named_scale_is_read_from_its_file(tmp_path, monkeypatch):
    (tmp_path / "huge.json").write_text('{"levels": 100}')
    monkeypatch.setattr(SCALES, "_entries", {"huge": tmp_path / "huge.json"})
    assert read_scale("huge") == {"levels": 100}


def test_a_file_of_ones_own_is_read_from_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine.json").write_text('{"description": "σ", "levels": 1}', encoding="utf-8")
    assert read_scale("mine.json") == {"description": "σ", "levels": 1}


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is no JSON file: Expecting property name"),
        ("[1]", "must hold one JSON object"),
        ('{"a": {"b": 1, "b": 2}}', "b is there twice"),
        (b"\xff{}", "is no JSON file"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_line(tmp_path, content, complaint):
    path = tmp_path / "mine.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UserError) as caught:
        read_scale(str(path))
    assert str(caught.value).startswith(f"--scale={path}: ") and complaint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["enormous", "no/such.json", "/"])
def test_an_unknown_scale_is_refused_with_what_there_is(name):
    with pytest.raises(UserError) as caught:
        read_scale(name)
    valid = "paper, small, medium, gpu, methods or the path of a JSON file"
    assert str(caught.value) == f"--scale={name}: valid values are {valid}"
