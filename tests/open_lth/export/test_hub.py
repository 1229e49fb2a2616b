"""Tickets as Hugging Face's Hub takes them, offline."""

from __future__ import annotations

import pytest
import torch

from open_lth.export import load_ticket
from open_lth.export.hub import HubTicket


def test_a_ticket_saved_for_the_hub_comes_back(compacted, tmp_path):
    HubTicket(str(compacted.directory)).save_pretrained(tmp_path / "hub")
    again = HubTicket.from_pretrained(tmp_path / "hub").ticket
    ticket = load_ticket(compacted.directory)
    assert again.card == ticket.card
    assert again.mask.digest() == ticket.mask.digest()
    state = ticket.network.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in again.network.state_dict().items())


def test_all_its_files_go_along_and_no_others(compacted, tmp_path):
    names = {path.name for path in compacted.directory.iterdir()}
    (compacted.directory / ".model.safetensors.abcdefgh.tmp").write_text("what a killed process left")
    HubTicket(str(compacted.directory)).save_pretrained(tmp_path / "hub")
    assert {path.name for path in (tmp_path / "hub").iterdir()} == names
    assert (tmp_path / "hub" / "README.md").read_bytes() == compacted.readme.read_bytes()


def test_any_form_can_be_asked_for(compacted, tmp_path):
    HubTicket(str(compacted.directory)).save_pretrained(tmp_path / "hub")
    narrow = HubTicket.from_pretrained(tmp_path / "hub", form="compact").ticket.network
    assert narrow.fc_layers[0].in_features < 784


def test_what_is_pulled_is_what_a_ticket_consists_of(compacted, tmp_path, monkeypatch):
    asked: dict[str, object] = {}

    def download(repo_id: str, **options: object) -> str:
        asked.update(options, repo_id=repo_id)
        return str(compacted.directory)

    monkeypatch.setattr("open_lth.export.hub.snapshot_download", download)
    monkeypatch.setattr("huggingface_hub.hub_mixin.hf_hub_download", lambda **_: str(compacted.card))
    ticket = HubTicket.from_pretrained("me/lenet", revision="v1").ticket
    assert ticket.directory == compacted.directory
    assert asked["repo_id"] == "me/lenet" and asked["revision"] == "v1"
    assert {"model.safetensors", "mask.safetensors", "config.json"} <= set(asked["allow_patterns"])


def test_what_is_pushed_is_what_is_saved(compacted, monkeypatch):
    pushed: dict[str, set[str]] = {}

    class Api:
        def __init__(self, **_: object) -> None:
            pass

        def create_repo(self, repo_id: str, **_: object) -> object:
            return type("Repo", (), {"repo_id": repo_id})()

        def upload_folder(self, *, repo_id: str, folder_path, **_: object) -> str:
            pushed[repo_id] = {path.name for path in folder_path.iterdir()}
            return "url"

    monkeypatch.setattr("huggingface_hub.hub_mixin.HfApi", Api)
    HubTicket(str(compacted.directory)).push_to_hub("me/lenet")
    assert pushed == {"me/lenet": {path.name for path in compacted.directory.iterdir()}}


@pytest.fixture(autouse=True)
def offline_hub(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
