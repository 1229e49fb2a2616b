from __future__ import annotations

import platform

import pytest
import torch

from foundations import hardware
from foundations.hardware import processor_name


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
