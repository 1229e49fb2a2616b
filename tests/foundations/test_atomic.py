from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
import torch

from foundations.atomic import replace_atomically, sweep_temporaries, written_beside


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_replaced_whole(tmp_path):
    replace_atomically(tmp_path / "deep" / "note", b"old")
    replace_atomically(tmp_path / "deep" / "note", b"new")
    assert (tmp_path / "deep" / "note").read_bytes() == b"new"
    assert names_in(tmp_path / "deep") == ["note"]


def test_the_new_file_lies_beside_its_place_and_goes_if_it_is_not_renamed(tmp_path):
    with written_beside(tmp_path / "note", lambda file: file.write(b"new")) as new:
        assert new.read_bytes() == b"new"
        assert names_in(tmp_path) == [new.name]
    assert names_in(tmp_path) == []


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), written_beside(tmp_path / "note", lambda _: 1 // 0):
        pass
    assert names_in(tmp_path) == []


def failed_write(error: OSError, then: str):
    def write(_: object) -> None:
        try:
            raise error
        finally:
            if then:
                raise RuntimeError(then)

    return write


@pytest.mark.parametrize("then", ["", "unexpected pos 704 vs 598"], ids=["plain", "as torch.save hides it"])
def test_a_write_that_fails_names_the_file_that_was_to_be(tmp_path, then):
    write = failed_write(OSError(28, "No space left on device"), then)
    with pytest.raises(OSError) as caught, written_beside(tmp_path / "note", write):
        pass
    assert str(caught.value) == f"[Errno 28] No space left on device: '{tmp_path / 'note'}'"


class Stumbling(io.BytesIO):
    """Fails at one of its writes."""

    def __init__(self, writes: int, error: BaseException) -> None:
        super().__init__()
        self.writes, self.error = writes, error

    def write(self, content) -> int:
        self.writes -= 1
        if self.writes == 0:
            raise self.error
        return super().write(content)


@pytest.mark.parametrize("error", [KeyboardInterrupt("stopped"), OSError(28, "No space left on device")])
@pytest.mark.parametrize("writes", [1, 2, 5, 20])
def test_what_stops_torch_in_the_middle_of_a_file_is_what_comes_out(tmp_path, writes, error):
    save = lambda _: torch.save({"weights": torch.zeros(1000)}, Stumbling(writes, error))  # noqa: E731
    with pytest.raises(type(error), match=str(error.args[-1])), written_beside(tmp_path / "model.pth", save):
        pass
    assert names_in(tmp_path) == []


def test_an_error_of_another_kind_is_not_dressed_up(tmp_path):
    def write(_: object) -> None:
        raise RuntimeError("a mistake")

    with pytest.raises(RuntimeError, match="a mistake"), written_beside(tmp_path / "note", write):
        pass


def left_by_kills(directory: Path, *names: str) -> list[str]:
    """Leave what writers of these files would leave if they were killed, and return its names."""
    left = []
    for name in names:
        for target in (name, f".{name}.sha256"):
            with written_beside(directory / target, lambda file: file.write(b"half")) as new:
                os.link(new, directory / "kept")
            (directory / "kept").rename(new)
            left.append(new.name)
    return sorted(left)


def test_a_sweep_removes_what_killed_writers_left_and_nothing_else(tmp_path):
    (tmp_path / "below").mkdir()
    others = ["checkpoint.pth", ".checkpoint.pth.sha256", ".lock", "notes.tmp", ".notes.tmp", ".notes.12345678.tmp.txt"]
    for name in others:
        (tmp_path / name).write_text("kept")
    below = left_by_kills(tmp_path / "below", "logger")
    assert len(left_by_kills(tmp_path, "checkpoint.pth", "logger")) == 4
    sweep_temporaries(tmp_path)
    assert names_in(tmp_path) == sorted([*others, "below"])
    assert names_in(tmp_path / "below") == below


def test_a_sweep_for_one_file_spares_the_others(tmp_path):
    left_by_kills(tmp_path, "evaluation.json")
    others = left_by_kills(tmp_path, "logger")
    sweep_temporaries(tmp_path, "evaluation.json")
    assert names_in(tmp_path) == others


def test_a_sweep_follows_no_links_and_needs_no_directory(tmp_path):
    sweep_temporaries(tmp_path / "nowhere")
    (tmp_path / "precious").write_text("kept")
    (tmp_path / ".logger.abcdefgh.tmp").symlink_to(tmp_path / "precious")
    (tmp_path / ".mask.pth.abcdefgh.tmp").mkdir()
    sweep_temporaries(tmp_path)
    assert (tmp_path / "precious").read_text() == "kept"
    assert (tmp_path / ".mask.pth.abcdefgh.tmp").is_dir()
