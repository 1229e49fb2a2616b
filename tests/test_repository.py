"""What the project's documents say is true of the project."""

import re
import shlex
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
README = PROJECT / "README.md"
PLACED = ("train", "lottery", "lottery_branch")  # the commands that can say where their results would be


def readme_commands() -> list[str]:
    """Every `python open_lth.py ...` in the README's bash blocks, without what a shell would make of the rest."""
    if not README.exists():
        return []
    blocks = re.findall(r"^```bash\n(.*?)^```", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [re.split(r"[|;&>]", line)[0].strip() for line in lines if line.strip().startswith("python open_lth.py")]


def exit_code(words: list[str]) -> int | str | None:
    import cli

    try:
        return cli.main(words)
    except SystemExit as finished:  # argparse ends this way after --help
        return finished.code or 0


@pytest.mark.skipif(not README.exists(), reason="there is no README.md in this tree")
def test_the_readme_has_commands_to_check():
    assert readme_commands()


@pytest.mark.parametrize("command", readme_commands())
def test_a_command_of_the_readme_is_understood(command, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OPEN_LTH_ROOT", str(tmp_path / "root"))
    monkeypatch.setenv("OPEN_LTH_DATASETS", str(tmp_path / "datasets"))
    monkeypatch.chdir(tmp_path)
    words = shlex.split(command, comments=True)[2:]

    if not words:
        assert exit_code([]) == 1  # the list of subcommands
    else:
        harmless = "--display_output_location" if words[0] in PLACED else "--help"
        assert exit_code([*words, harmless]) == 0, capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_the_version_is_the_same_everywhere():
    def stated(file: str, pattern: str) -> str:
        found = re.search(pattern, (PROJECT / file).read_text(encoding="utf-8"), re.MULTILINE)
        assert found, f"{file} states no version"
        return found[1]

    version = stated("setup.py", r'^VERSION = "(.+)"$')
    assert stated("CITATION.cff", r"^version: (\S+)$") == version
    assert stated("CHANGELOG.md", r"^## \[(\d[^]]*)\]") == version
