"""Tickets on Hugging Face's Hub."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from huggingface_hub import ModelHubMixin, snapshot_download

from open_lth.export.loading import OWN, load_ticket
from open_lth.export.paths import TicketPaths


class HubTicket(ModelHubMixin):
    """A ticket that can be pushed to the Hub and pulled from it: `HubTicket("ticket").push_to_hub("me/lenet")`.

    `HubTicket.from_pretrained("me/lenet", form="compact").ticket` is one that somebody has pushed, or that lies in a
    local directory.

    Args:
        directory: where the ticket lies.
        form: as in `load_ticket`.
    """

    def __init__(self, directory: str, form: str = OWN) -> None:
        self.ticket = load_ticket(directory, form)

    def _save_pretrained(self, save_directory: Path) -> None:
        """Copy the files of the ticket, and no others that lie beside them."""
        for path in TicketPaths(self.ticket.directory).files():
            if path.exists():
                shutil.copyfile(path, save_directory / path.name)

    @classmethod
    def _from_pretrained(
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        form: str = OWN,
        **_: Any,
    ) -> HubTicket:
        """Load a ticket from a directory, or from the Hub."""
        if Path(model_id).is_dir():
            return cls(model_id, form)
        names = [path.name for path in TicketPaths(Path()).files()]
        directory = snapshot_download(
            model_id,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            allow_patterns=names,
        )
        return cls(directory, form)
