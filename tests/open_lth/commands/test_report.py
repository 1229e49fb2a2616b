"""The subcommand `report`: one page that needs nothing else."""

from __future__ import annotations

import base64
import html
import importlib.metadata
import platform
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from open_lth.suites.plots import figure_names
from tests.open_lth.reproduced import Reproduced

FIGURES = ("2", "9")
VOID = {"meta", "link", "img"}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Page(HTMLParser):
    """What a page refers to, and whether its elements are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.anchors: set[str] = set()
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note references and anchors."""
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.anchors |= {value or "" for name, value in attrs if name == "id"}
        self._open += [] if tag in VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        """Close the element opened last."""
        assert self._open.pop() == tag


@pytest.fixture(scope="module")
def page(reproduced: Reproduced, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("report") / "page.html"
    outcome = reproduced.run("report", f"--output={path}", "--figure", *FIGURES)
    assert (outcome.code, outcome.out, outcome.err) == (0, f"{path}\n", "")
    return path


@pytest.fixture(scope="module")
def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def test_the_page_needs_nothing_but_itself(text):
    assert "http:" not in text and "https:" not in text and "@import" not in text and "url(" not in text
    assert "<script" not in text
    found = Page(text)
    for reference in found.references:
        assert reference.startswith("data:") or (reference[0] == "#" and reference[1:] in found.anchors), reference[:80]


def test_it_has_every_figure_as_plot_makes_it(some_figures, text):
    encoded = [base64.b64encode(some_figures[f"figure_{name}.png"]).decode() for name in FIGURES]
    assert all(f'src="data:image/png;base64,{picture}"' in text for picture in encoded)
    for name in FIGURES:
        title, _, caption, *_ = some_figures[f"figure_{name}.md"].decode().splitlines()
        assert html.escape(caption, quote=False).replace("'", "&#39;") in text
        assert f"<h2>{title.removeprefix('# ')}</h2>" in text


def test_it_says_how_where_and_with_what_the_runs_were_made(reproduced, text):
    shown = html.unescape(text)
    controls = ("--start_at", "--shuffle_seed")
    needed = [c for c in reproduced.commands if "transplant" in c and not any(flag in c for flag in controls)]
    lines = shown.partition("in this order:</p>\n<pre>")[2].partition("</pre>")[0].splitlines()
    assert len(lines) == 3 and all(line.startswith("python open_lth.py lottery") for line in lines)
    assert len(needed) == 1 and lines[-1] == needed[0].partition(" --root=")[0]
    for fact in (
        platform.node(),
        importlib.metadata.version("torch"),
        platform.python_version(),
        "--bayesian_std_lr_factor=10",
    ):
        assert fact in shown
    assert "<tr><th>pruning_fraction</th><td>0.4</td></tr>" in shown


def test_figures_that_cannot_be_drawn_are_named_on_the_page(reproduced, tmp_path):
    path = tmp_path / "page.html"
    words = ("--replicates=2", "--figure", "2", f"--output={path}")
    outcome = reproduced.run("report", *words)
    assert outcome.code == 0
    text = html.unescape(path.read_text(encoding="utf-8"))
    assert "<li>LeNet-12, deterministic, replicate 2: levels 0-2 are not finished</li>" in text


def test_without_any_run_there_is_no_page_and_every_figure_is_named(workplace, reproduced, tmp_path):
    outcome = workplace.run("report", f"--scale={reproduced.scale}", f"--output={tmp_path / 'page.html'}")
    lines = outcome.err.splitlines()
    assert (outcome.code, outcome.out, len(lines)) == (2, "", len(figure_names()))
    assert all("none of its runs is under" in line for line in lines) and lines[-1].startswith("error: figure ")
    assert not (tmp_path / "page.html").exists()


@pytest.mark.skipif(BROWSER is None, reason="needs the browser chromium or google-chrome")
def test_a_browser_shows_it(page, tmp_path):
    assert BROWSER is not None
    picture = tmp_path / "page.png"
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--window-size=1000,1400",
        f"--user-data-dir={tmp_path / 'profile'}",
        f"--screenshot={picture}",
        page.as_uri(),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    image = pytest.importorskip("matplotlib.image").imread(picture)
    assert image.shape[:2] == (1400, 1000)
    assert 0.5 < (image[..., :3] > 0.99).all(axis=2).mean() < 0.99  # letters and curves on white
