"""What a run prints before it starts."""

from __future__ import annotations

from pathlib import Path

from open_lth.descs import Desc


def print_header(desc: Desc, replicate: int, location: Path, quiet: bool, extra: str = "") -> None:
    """Print the hyperparameters and where the results go, unless quiet."""
    if quiet:
        return
    print("=" * 82)
    print(f"{desc.title} (Replicate {replicate})\n" + "-" * 82)
    print(desc.display())
    if extra:
        print(extra)
    print(f"Output Location: {location}\n" + "=" * 82 + "\n", flush=True)
