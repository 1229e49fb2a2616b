from __future__ import annotations

import io
import os
import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import torch

from foundations.errors import UnreadableFile
from foundations.storage import load_tensors, read_json, read_text, save_tensors, write_json, write_text

PROJECT = Path(__file__).parents[2]
OPENLTH_RUN = PROJECT / "tests" / "data" / "openlth_root" / "lottery_10ded27454e22a1b71fcd332ae4f15d0" / "replicate_1"


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def state() -> dict[str, object]:
    return {
        "weights": torch.arange(12.0).reshape(3, 4),
        "nested": {"mask": torch.tensor([0, 1], dtype=torch.int32)},
        "ep": 3,
        "rate": 0.1,
        "text": "a,b",
        "pair": (1, None),
    }


def test_tensors_and_plain_values_come_back_as_they_were(tmp_path):
    save_tensors(tmp_path / "deep" / "er" / "state.pth", state())
    found = load_tensors(tmp_path / "deep" / "er" / "state.pth")
    expected = state()
    assert torch.equal(found.pop("weights"), expected.pop("weights"))
    mask, expected_mask = found.pop("nested")["mask"], expected.pop("nested")["mask"]
    assert mask.dtype == torch.int32
    assert torch.equal(mask, expected_mask)
    assert found == expected


def test_what_was_saved_can_be_read_by_torch_alone(tmp_path):
    save_tensors(tmp_path / "state.pth", state())
    assert torch.equal(torch.load(tmp_path / "state.pth", weights_only=True)["weights"], state()["weights"])


def test_json_and_text_come_back_as_they_were(tmp_path):
    write_json(tmp_path / "report.json", {"total": 9584.0, "names": ["a", None]})
    write_text(tmp_path / "hparams.log", "σ => 0.1\n")
    assert read_json(tmp_path / "report.json") == {"total": 9584.0, "names": ["a", None]}
    assert (tmp_path / "hparams.log").read_text(encoding="utf-8") == "σ => 0.1\n"


def test_files_have_the_permissions_that_the_users_umask_asks_for(tmp_path):
    previous = os.umask(0o027)
    try:
        write_text(tmp_path / "logger", "x")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(previous)
    assert (tmp_path / "logger").stat().st_mode & 0o777 == 0o640


class Poison:
    """Cannot be pickled: the writer fails after it has begun."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self):
        raise self.error


@pytest.mark.parametrize("error", [RuntimeError("disk on fire"), KeyboardInterrupt(), MemoryError()])
def test_a_writer_that_fails_in_the_middle_leaves_the_old_file_whole_and_nothing_else(tmp_path, error):
    path = tmp_path / "checkpoint.pth"
    save_tensors(path, {"generation": 1})
    before = path.read_bytes()
    with pytest.raises(type(error)):
        save_tensors(path, {"weights": torch.zeros(10_000), "bad": Poison(error)})
    assert path.read_bytes() == before
    assert names_in(tmp_path) == [".checkpoint.pth.sha256", "checkpoint.pth"]


def test_a_disk_that_is_full_when_the_file_is_flushed_leaves_the_old_file_whole(tmp_path, monkeypatch):
    write_text(tmp_path / "logger", "old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=f"No space left on device: '{tmp_path / 'logger'}'"):
        write_text(tmp_path / "logger", "new")
    assert read_text(tmp_path / "logger") == "old"
    assert names_in(tmp_path) == [".logger.sha256", "logger"]


def test_file_and_checksum_take_their_places_only_after_they_are_on_the_disk(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (events.append("sync"), fsync(handle))[1])
    monkeypatch.setattr(os, "replace", lambda old, new: (events.append(Path(new).name), replace(old, new))[1])
    write_text(tmp_path / "logger", "new")
    assert events == ["sync", "sync", ".logger.sha256", "sync", "logger", "sync"]


class Payload:
    """Creates a file when unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_payload_is_refused_and_not_run(tmp_path, zipped):
    path, marker = tmp_path / "model.pth", tmp_path / "marker"
    torch.save({"a": torch.zeros(2), "b": Payload(marker)}, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(UnreadableFile, match="something other than tensors and plain values") as caught:
        load_tensors(path)
    assert str(path) in str(caught.value)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists()  # it was live


def test_a_plain_pickle_with_a_payload_is_refused_and_not_run(tmp_path):
    path, marker = tmp_path / "model.pth", tmp_path / "marker"
    path.write_bytes(pickle.dumps(Payload(marker), protocol=2))
    with pytest.raises(UnreadableFile, match=str(path)):
        load_tensors(path)
    assert not marker.exists()


def contents() -> dict[str, bytes]:
    zipped, legacy = io.BytesIO(), io.BytesIO()
    torch.save(state(), zipped)
    torch.save(state(), legacy, _use_new_zipfile_serialization=False)
    return {"zip": zipped.getvalue(), "legacy": legacy.getvalue()}


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_a_truncated_file_is_reported_by_name_in_one_line(tmp_path, kind):
    path, whole = tmp_path / "model.pth", contents()[kind]
    for length in range(0, len(whole) - 1, max(1, len(whole) // 150)):
        path.write_bytes(whole[:length])
        with pytest.raises(UnreadableFile) as caught:
            load_tensors(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_garbage_is_reported_by_name(tmp_path):
    path, source = tmp_path / "model.pth", random.Random(0)
    for prefix in (b"", b"\x80\x02", b"PK\x03\x04"):
        for _ in range(150):
            path.write_bytes(prefix + source.randbytes(source.randrange(100)))
            with pytest.raises(UnreadableFile, match=f"^{path}: "):
                load_tensors(path)


def test_bytes_that_change_give_an_answer_or_a_message_but_never_another_error(tmp_path):
    path, source, refused = tmp_path / "model.pth", random.Random(0), 0
    for whole in contents().values():
        for _ in range(200):
            damaged = bytearray(whole)
            for _ in range(10):
                damaged[source.randrange(len(damaged))] = source.randrange(256)
            path.write_bytes(damaged)
            try:
                load_tensors(path)
            except UnreadableFile:
                refused += 1
    assert refused > 100


@pytest.mark.parametrize("reader", [load_tensors, read_json])
def test_a_file_that_is_missing_is_reported_by_name(tmp_path, reader):
    with pytest.raises(UnreadableFile, match=f"^{tmp_path / 'nowhere'}: .*[Nn]o such file"):
        reader(tmp_path / "nowhere")


@pytest.mark.parametrize("text", [b"", b"{", b"[1,", b"\xff\xfe"])
def test_damaged_json_is_reported_by_name(tmp_path, text):
    (tmp_path / "report.json").write_bytes(text)
    with pytest.raises(UnreadableFile, match=f"^{tmp_path / 'report.json'}: unreadable"):
        read_json(tmp_path / "report.json")


def test_openlths_masks_and_models_are_read():
    for name in ("mask.pth", "model_ep2_it0.pth"):
        tensors = load_tensors(OPENLTH_RUN / "level_2" / "main" / name)
        assert tensors["fc_layers.0.weight"].shape == (12, 784)


def test_openlths_checkpoints_are_read():
    content = load_tensors(OPENLTH_RUN / "level_2" / "main" / "checkpoint.pth")
    assert (content["ep"], content["it"]) == (2, 0)
    assert content["optimizer_state_dict"]["param_groups"][0]["lr"] == 0.1


@pytest.mark.parametrize("number", [np.float64(0.1), np.int64(7), np.float32(1.5), np.bool_(True), np.float16(-2)])
def test_numpys_numbers_are_loaded_as_pythons(tmp_path, number):
    torch.save({"lr": number}, tmp_path / "file.pth")
    found = load_tensors(tmp_path / "file.pth")["lr"]
    assert found == number.item() and type(found) is type(number.item())


@pytest.mark.parametrize("value", [np.array([1.0]), np.datetime64("2026-11-26"), np.str_("text")])
def test_nothing_else_of_numpy_is_loaded(tmp_path, value):
    torch.save({"lr": value}, tmp_path / "file.pth")
    with pytest.raises(UnreadableFile, match="something other than tensors"):
        load_tensors(tmp_path / "file.pth")


@pytest.mark.parametrize("read", [load_tensors, read_text, read_json])
def test_what_is_no_regular_file_is_not_read(tmp_path, read):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    for name, reason in (("pipe", "no regular file"), ("device", "no regular file"), ("folder", "a directory")):
        with pytest.raises(UnreadableFile, match=reason):
            read(tmp_path / name)
