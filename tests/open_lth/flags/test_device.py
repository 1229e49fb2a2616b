"""`--device`: a GPU that is named by its number is the one that the process works on."""

from __future__ import annotations

import argparse

import pytest
import torch

from open_lth.flags.running import add_context_flags, read_context


@pytest.mark.parametrize(("name", "current"), [("cuda", []), ("cuda:1", [torch.device("cuda:1")]), ("cpu", [])])
def test_a_gpu_named_by_its_number_becomes_the_processs_current_one(monkeypatch, name, current):
    made_current: list[torch.device] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", made_current.append)
    parser = argparse.ArgumentParser()
    add_context_flags(parser)
    args = parser.parse_args([f"--device={name}"])
    args.command_line = ()
    assert read_context(args).device == torch.device(name)
    assert made_current == current
