"""What the site does to pages that are written for a code host as well."""

from __future__ import annotations

import fnmatch
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx

_LINK = re.compile(r"\[([^\]]+)\]\(([^)#:\s]+)(?:#[^)\s]*)?\)")


def without_links_out(text: str, page: Path, docs: Path) -> str:
    """Return a page's text whose links to other files of the project are left as words: the site does not have these.

    A link to a file that is not there stays, so that the build complains.
    """

    def kept(link: re.Match[str]) -> str:
        target = (page.parent / link[2]).resolve()
        is_outside = target.exists() and not target.is_relative_to(docs.resolve())
        return link[1] if is_outside else link[0]

    return _LINK.sub(kept, text)


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    source[0] = without_links_out(source[0], Path(app.env.doc2path(page)), Path(app.srcdir))


def _let_tables_be(app: Sphinx, tree: nodes.document) -> None:
    """Tables of measured figures are reached from the page beside them, and stay out of the table of contents."""
    page = app.env.docname
    if fnmatch.fnmatch(page, "results/*/*") and not page.endswith("/README"):
        app.env.metadata[page]["orphan"] = True


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above."""
    app.connect("source-read", _read)
    app.connect("doctree-read", _let_tables_be)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
