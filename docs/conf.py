"""The settings of Sphinx, which makes the site from these pages: `bash scripts/docs`."""

import fnmatch
import sys
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext")]

project = "open_lth"
author = "the contributors of open_lth"
html_show_copyright = False
extensions = [
    "myst_parser",
    "generated",
    "plain_docstrings",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3  # links such as page.md#scales work as they do on a code host

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
nitpicky = True
nitpick_ignore_regex = [
    # Names of other projects: looking them up takes a network, which a build must do without.
    *(
        ("py:.*", rf"(.*\.)?({library})\..*")
        for library in (
            "torch",
            "numpy",
            "pandas",
            "pathlib",
            "collections",
            "argparse",
            "types",
            "dataclasses",
            "contextlib",
        )
    ),
    ("py:class", "Tensor"),
    # Type variables, which have no documentation.
    ("py:class", r".*\.(Entry|Family|Group)"),
]

html_theme = "furo"
html_title = "open_lth"


def leave_out_missing(app: Sphinx, page: str, source: list[str]) -> None:
    """Take pages out of the index that are not there (yet): nobody's branch has all of them."""
    if page == "index":
        lines = source[0].splitlines()
        known = app.env.found_docs
        names = {line for line in lines if line and not line.startswith((":", "`", "|", "#")) and " " not in line}
        source[0] = "\n".join(line for line in lines if line not in names or "*" in line or line in known)


def let_tables_be(app: Sphinx, tree: nodes.document) -> None:
    """Tables of measured figures are reached from the page beside them, and stay out of the table of contents."""
    page = app.env.current_document.docname
    if fnmatch.fnmatch(page, "results/*/*") and not page.endswith("/README"):
        app.env.metadata[page]["orphan"] = True


def setup(app: Sphinx) -> None:
    """Connect the above."""
    app.connect("source-read", leave_out_missing)
    app.connect("doctree-read", let_tables_be)
