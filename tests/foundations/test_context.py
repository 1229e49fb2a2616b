from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from foundations.context import REPORT_VARIABLE, choose_device, reporting_pipe
from foundations.errors import InvalidValue
from foundations.places import default_dataset_root, default_root


def test_results_and_data_sets_lie_where_openlth_puts_them_unless_the_environment_says_otherwise(monkeypatch):
    monkeypatch.delenv("OPEN_LTH_ROOT", raising=False)
    monkeypatch.delenv("OPEN_LTH_DATASETS", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert default_root() == Path("/home/someone/open_lth_data")
    assert default_dataset_root() == Path("/home/someone/open_lth_datasets")
    monkeypatch.setenv("OPEN_LTH_ROOT", "/scratch/results")
    monkeypatch.setenv("OPEN_LTH_DATASETS", "~/data")
    assert default_root() == Path("/scratch/results")
    assert default_dataset_root() == Path("/home/someone/data")


def test_the_cpu_is_always_there_and_auto_is_some_device():
    assert choose_device("cpu") == torch.device("cpu")
    torch.zeros(1, device=choose_device("auto"))


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", "meta"])
def test_a_device_that_is_not_there_is_answered_with_those_that_are(name):
    with pytest.raises(InvalidValue, match=f"^--device={name}: this machine has auto, cpu"):
        choose_device(name)


def test_progress_is_reported_to_the_pipe_that_the_environment_names_and_to_nothing_else(monkeypatch, tmp_path):
    monkeypatch.delenv(REPORT_VARIABLE, raising=False)
    assert reporting_pipe() is None
    end, descriptor = os.pipe()
    monkeypatch.setenv(REPORT_VARIABLE, str(descriptor))
    assert reporting_pipe() == descriptor
    os.close(end)
    os.close(descriptor)
    assert reporting_pipe() is None  # inherited from a process whose pipes this one does not have
    monkeypatch.setenv(REPORT_VARIABLE, "pipe")
    assert reporting_pipe() is None
    with (tmp_path / "file").open("w") as file:
        monkeypatch.setenv(REPORT_VARIABLE, str(file.fileno()))
        assert reporting_pipe() is None
