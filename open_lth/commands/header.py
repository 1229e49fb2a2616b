"""What a run prints before it starts."""

from __future__ import annotations

from pathlib import Path

from foundations.context import RunContext
from open_lth.runners.descs import Desc


def print_header(desc: Desc, replicate: int, location: Path, context: RunContext, extra: str = "") -> None:
    """Print the hyperparameters, where the results go and how many processes there are, unless quiet."""
    if context.quiet:
        return
    print("=" * 82)
    print(f"{desc.title} (Replicate {replicate})\n" + "-" * 82)
    print(desc.display())
    for line in filter(None, (extra, context.sharing.describe(context.ranks))):
        print(line)
    print(f"Output Location: {location}\n" + "=" * 82 + "\n", flush=True)
