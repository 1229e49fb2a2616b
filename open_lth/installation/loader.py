"""How plugins are loaded that import a wheel's packages by their old names."""

from __future__ import annotations

from collections.abc import Collection
from importlib.machinery import SourceFileLoader
from importlib.util import decode_source
from types import CodeType

from open_lth.installation.rewriting import rewritten


class RewritingLoader(SourceFileLoader):
    """Loads a module whose imports mean packages inside a parent.

    Args:
        names: the packages' names on the top level.
        parent: the dotted name of the package that they are in.
    """

    def __init__(self, fullname: str, path: str, names: Collection[str], parent: str) -> None:
        super().__init__(fullname, path)
        self._names = names
        self._parent = parent

    def get_code(self, fullname: str) -> CodeType:
        """Return the module's code, compiled anew: what is in caches was compiled without this loader."""
        path = self.get_filename(fullname)
        source = rewritten(decode_source(self.get_data(path)), self._names, self._parent)
        code: CodeType = self.source_to_code(source.encode(), path)
        return code
