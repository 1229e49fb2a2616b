"""The settings of Sphinx, which makes the site from these pages: `bash scripts/docs`."""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS.parent), str(DOCS / "_ext")]

project = "open_lth"
author = "the contributors of open_lth"
html_show_copyright = False
extensions = [
    "myst_parser",
    "generated",
    "page_sources",
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
            "matplotlib",
        )
    ),
    ("py:class", r"(nn\.)?(Tensor|Module)"),
    # Private names, such as the function behind an annotation.
    ("py:class", r"(.*\.)?_\w+"),
    # A type that autodoc cuts in two at its comma.
    ("py:class", r"tuple\[\w+"),
    ("py:obj", r"typing\.Annotated\[\w+"),
    ("py:class", r"(Annotated|Mapping)\[\w+"),
    ("py:class", r"bool\(x >.*"),
    ("py:class", "Count"),
    # Type variables, which have no documentation.
    ("py:class", r".*\.(Added|Entry|Family|Group|Made|Result|Settings)"),
]

html_theme = "furo"
html_title = "open_lth"
