from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tracemalloc
from pathlib import Path

import pytest

from foundations import checksum
from foundations.checksum import (
    digest_of,
    listed_digests,
    lost_files,
    move,
    open_checked,
    put_in_place,
    remove,
    settle,
    sidecar,
    unsettled_files,
)
from foundations.errors import UnreadableFile


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def put(path: Path, content: bytes, previous: Path | None = None) -> None:
    new = path.with_name("new")
    new.write_bytes(content)
    put_in_place(new, path, previous)


def read(path: Path) -> bytes:
    file, has_list = open_checked(path)
    with file:
        assert has_list == sidecar(path).exists()
        return file.read()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A place for a file."""
    return tmp_path / "mask.pth"


def test_the_digest_lies_beside_the_file_where_sha256sum_finds_it(path):
    put(path, b"content")
    assert sidecar(path) == path.with_name(".mask.pth.sha256")
    assert sidecar(path).read_text() == f"{sha256(b'content')}  mask.pth\n"
    assert not path.with_name("new").exists()
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--status", sidecar(path).name], cwd=path.parent, check=True)


@pytest.mark.parametrize("content", [b"", b"a", bytes(3_000_000)])
def test_what_is_put_in_place_is_read(path, content):
    put(path, b"before")
    put(path, content)
    assert read(path) == content
    assert listed_digests(path) == (sha256(content),)


def test_a_file_without_a_list_is_taken_as_it_is(path):
    path.write_bytes(b"OpenLTH's")
    assert read(path) == b"OpenLTH's"


def test_a_file_that_changed_is_refused_with_two_ways_out(path):
    put(path, b"content")
    path.write_bytes(b"Content")
    with pytest.raises(UnreadableFile) as caught:
        open_checked(path)
    assert str(caught.value) == (
        f"{path}: damaged: its SHA-256 is not the one in .mask.pth.sha256; delete it to have it made again, "
        "or delete .mask.pth.sha256 if you changed it yourself"
    )
    sidecar(path).unlink()
    assert read(path) == b"Content"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "x",
        sha256(b"content"),
        f"{sha256(b'content')}  logger\n",
        f"{sha256(b'content')[:-1]}  mask.pth\n",
        f"{sha256(b'content')}  mask.pth\nmore\n",
        f"{sha256(b'content')} mask.pth\n",
        "\xff\x00",
    ],
)
def test_a_damaged_list_is_named_with_the_way_out(path, text):
    put(path, b"content")
    sidecar(path).write_bytes(text.encode("latin-1"))
    with pytest.raises(UnreadableFile) as caught:
        open_checked(path)
    remedy = "delete it to accept mask.pth as it is"
    assert str(caught.value) == f"{sidecar(path)}: damaged: holds no SHA-256 of mask.pth; {remedy}"


def test_a_list_that_cannot_be_read_is_named(path):
    path.write_bytes(b"content")
    sidecar(path).mkdir()
    with pytest.raises(UnreadableFile, match=f"^{re.escape(str(sidecar(path)))}: damaged"):
        open_checked(path)


def test_a_new_file_mends_a_damaged_list(path):
    put(path, b"content")
    sidecar(path).write_text("garbage")
    put(path, b"new")
    assert read(path) == b"new"
    assert listed_digests(path) == (sha256(b"new"),)


def test_a_list_left_by_a_deleted_file_does_not_count_for_the_next(path):
    put(path, b"content")
    path.unlink()
    put(path, b"new")
    assert sidecar(path).read_text() == f"{sha256(b'new')}  mask.pth\n"


def test_any_of_several_digests_will_do_as_after_a_kill_between_two_steps(path):
    put(path, b"old")
    sidecar(path).write_text("".join(f"{sha256(content)}  mask.pth\n" for content in (b"old", b"new")))
    for content in (b"old", b"new"):
        path.write_bytes(content)
        assert read(path) == content
    path.write_bytes(b"third")
    with pytest.raises(UnreadableFile):
        read(path)


def test_the_previous_file_goes_where_it_is_told_with_its_digest(path):
    previous = path.with_name("previous.pth")
    for number in range(4):
        put(path, b"%d" % number, previous)
        assert read(path) == b"%d" % number
        assert number == 0 or read(previous) == b"%d" % (number - 1)
        assert previous.exists() == (number > 0)
    assert listed_digests(path) == (sha256(b"3"),)
    assert listed_digests(previous) == (sha256(b"2"),)


def test_the_previous_file_of_another_program_gets_a_digest_too(path):
    path.write_bytes(b"OpenLTH's")
    previous = path.with_name("previous.pth")
    put(path, b"ours", previous)
    assert read(previous) == b"OpenLTH's"
    assert listed_digests(previous) == (sha256(b"OpenLTH's"),)


def test_a_damaged_previous_file_stays_damaged(path):
    previous = path.with_name("previous.pth")
    put(path, b"content")
    path.write_bytes(b"Content")
    put(path, b"new", previous)
    assert read(path) == b"new"
    with pytest.raises(UnreadableFile, match=r"^.*previous\.pth: damaged"):
        read(previous)


def test_moving_and_removing_take_the_digest_along(path):
    put(path, b"content")
    target = path.with_name("target")
    put(target, b"other")
    move(path, target)
    assert read(target) == b"content"
    assert sorted(file.name for file in path.parent.iterdir()) == [".target.sha256", "target"]
    for _ in range(2):
        remove(target)
        assert not list(path.parent.iterdir())


def test_a_file_that_is_replaced_while_it_is_read_is_no_damaged_file(path, monkeypatch):
    put(path, b"0")
    real, replacements = checksum.listed_digests, [3, 2, 1]

    def listed_just_before_a_replacement(asked: Path):
        listed = real(asked)
        with monkeypatch.context() as undisturbed:
            undisturbed.setattr(checksum, "listed_digests", real)
            if replacements:
                put(path, b"%d" % replacements.pop())
        return listed

    monkeypatch.setattr(checksum, "listed_digests", listed_just_before_a_replacement)
    assert read(path) == b"3"


def test_hashing_takes_no_memory_to_speak_of(tmp_path):
    with (tmp_path / "big").open("wb") as file:
        file.truncate(64_000_000)
    tracemalloc.start()
    with (tmp_path / "big").open("rb") as file:
        digest_of(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000


RUN = "lottery_0/replicate_1/level_2/main"


def test_whose_file_it_is_stands_in_the_list_as_a_comment(tmp_path):
    path = tmp_path / RUN / "mask.pth"
    path.parent.mkdir(parents=True)
    put(path, b"content")
    assert sidecar(path).read_text() == f"# of {RUN}\n{sha256(b'content')}  mask.pth\n"
    if shutil.which("sha256sum"):
        check = ["sha256sum", "--check", "--status", "--strict", sidecar(path).name]
        subprocess.run(check, cwd=path.parent, check=True)


@pytest.mark.parametrize("other", [RUN.replace("_2", "_3"), RUN.replace("_1", "_2"), RUN.replace("main", "lrr")])
def test_a_file_of_another_run_is_refused_with_two_ways_out(other, tmp_path):
    here, there = tmp_path / RUN, tmp_path / other
    for directory in (here, there):
        directory.mkdir(parents=True)
    put(here / "mask.pth", b"content")
    for name in ("mask.pth", ".mask.pth.sha256"):
        shutil.copy(here / name, there / name)
    advice = f"put it back there, or delete {sidecar(there / 'mask.pth')} to take it for this run's"
    with pytest.raises(UnreadableFile, match=re.escape(f"mask.pth: belongs to {RUN}, not to this run; {advice}")):
        read(there / "mask.pth")
    sidecar(there / "mask.pth").unlink()
    assert read(there / "mask.pth") == b"content"


def test_a_root_may_be_moved_and_lists_of_before_are_taken(tmp_path):
    path = tmp_path / "root" / RUN / "mask.pth"
    path.parent.mkdir(parents=True)
    put(path, b"content")
    shutil.move(tmp_path / "root", tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere" / RUN / "mask.pth"
    assert read(moved) == b"content"
    sidecar(moved).write_text(f"{sha256(b'content')}  mask.pth\n")
    assert read(moved) == b"content"


def test_a_list_without_its_file_tells_that_the_file_was_deleted(path):
    put(path, b"content")
    assert lost_files(path.parent) == []
    path.unlink()
    assert lost_files(path.parent) == [path]
    remove(path)
    assert lost_files(path.parent) == []


def test_settling_leaves_the_digest_that_the_file_has(path):
    put(path, b"new")
    sidecar(path).write_text(f"{sha256(b'old')}  mask.pth\n{sha256(b'new')}  mask.pth\n")
    assert unsettled_files(path.parent) == [path]
    settle(path.parent)
    assert listed_digests(path) == (sha256(b"new"),) and unsettled_files(path.parent) == []


def test_settling_does_not_make_a_damaged_file_right(path):
    put(path, b"damaged")
    both = f"{sha256(b'old')}  mask.pth\n{sha256(b'new')}  mask.pth\n"
    sidecar(path).write_text(both)
    settle(path.parent)
    assert sidecar(path).read_text() == both
