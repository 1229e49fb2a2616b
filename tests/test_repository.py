"""What the project's documents say is true of the project."""

import re
from pathlib import Path

PROJECT = Path(__file__).parent.parent


def test_the_version_is_the_same_everywhere():
    def stated(file: str, pattern: str) -> str:
        found = re.search(pattern, (PROJECT / file).read_text(encoding="utf-8"), re.MULTILINE)
        assert found, f"{file} states no version"
        return found[1]

    version = stated("setup.py", r'^VERSION = "(.+)"$')
    assert stated("CITATION.cff", r"^version: (\S+)$") == version
    assert stated("CHANGELOG.md", r"^## \[(\d[^]]*)\]") == version
