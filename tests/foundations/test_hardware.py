from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
import types
from pathlib import Path

import pytest
import torch

from foundations import hardware
from foundations.hardware import keep_freed_memory, processor_name


@pytest.fixture
def cpuinfo(tmp_path, monkeypatch):
    """The file in which Linux names its processors."""
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(hardware, "_LINUX", path)
    return path


@pytest.mark.parametrize(("threads", "counted"), [(1, "1 thread"), (4, "4 threads")])
def test_a_cpu_is_named_with_its_threads(cpuinfo, monkeypatch, threads, counted):
    cpuinfo.write_text(
        "processor\t: 0\nmodel name\t: Fast CPU @ 3.0GHz\nprocessor\t: 1\nmodel name\t: Fast CPU @ 3.0GHz\n"
    )
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    assert processor_name(torch.device("cpu")) == f"Fast CPU @ 3.0GHz, {counted}"


@pytest.mark.parametrize("content", [None, "", "model name\t: \n", "flags : sse\n"])
def test_a_cpu_that_linux_does_not_name_is_named_after_its_architecture(cpuinfo, monkeypatch, content):
    if content is not None:
        cpuinfo.write_text(content)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert processor_name(torch.device("cpu")).startswith("riscv64, ")


def test_a_gpu_has_the_name_that_its_driver_knows(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: f"GPU number {device.index}")
    assert processor_name(torch.device("cuda:1")) == "GPU number 1"


def test_another_device_is_named_after_its_kind_and_the_cpu(cpuinfo):
    cpuinfo.write_text("model name : Phone Chip")
    assert processor_name(torch.device("mps")) == "mps of Phone Chip"


PROJECT = Path(__file__).parent.parent.parent
SIZE, ROUNDS = 64 << 20, 8
PROGRAM = f"""
import resource, sys
from foundations.hardware import keep_freed_memory
if sys.argv[1] == "keep":
    keep_freed_memory()
bytearray({SIZE})
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range({ROUNDS}):
    bytearray({SIZE})[::4096] = b"x" * ({SIZE} // 4096)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def is_recent_glibc() -> bool:
    """Return whether the C library takes thresholds above 32 MB, as glibc does since 2.35."""
    name, version = platform.libc_ver()
    return name == "glibc" and [int(part) for part in version.split(".")[:2]] >= [2, 35]


on_glibc = pytest.mark.skipif(not is_recent_glibc(), reason="the C library is not glibc 2.35 or later")


def page_faults(choice: str) -> int:
    """Return how often a fresh process touches a fresh page while it allocates large blocks again and again."""
    words = [sys.executable, "-c", PROGRAM, choice]
    return int(subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True).stdout)


@on_glibc
def test_large_blocks_come_from_memory_that_was_freed_before():
    pages = SIZE // 4096
    assert page_faults("default") > 20 * (page_faults("keep") + 1)
    assert page_faults("keep") < pages // 10


@on_glibc
def test_both_thresholds_are_accepted(monkeypatch):
    library = ctypes.CDLL(None)
    answers = []

    def mallopt(parameter: int, value: int) -> int:
        answers.append((parameter, library.mallopt(parameter, value)))
        return answers[-1][1]

    monkeypatch.setattr(ctypes, "CDLL", lambda name: types.SimpleNamespace(mallopt=mallopt))
    keep_freed_memory()
    assert answers == [(-3, 1), (-1, 1)]


@pytest.mark.parametrize("name", ["darwin", "win32", "freebsd14"])
def test_elsewhere_the_c_library_is_not_even_looked_at(monkeypatch, name):
    def fail(*_: object) -> None:
        raise AssertionError("the C library was loaded")

    monkeypatch.setattr(ctypes, "CDLL", fail)
    monkeypatch.setattr(sys, "platform", name)
    keep_freed_memory()


def test_a_linux_whose_c_library_has_no_such_setting_is_left_alone(monkeypatch):
    looked_at = []

    class Musl:
        def __getattr__(self, name: str) -> object:
            looked_at.append(name)
            raise AttributeError(name)

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Musl())
    monkeypatch.setattr(sys, "platform", "linux")
    keep_freed_memory()
    assert looked_at == ["mallopt"]
