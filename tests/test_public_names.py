"""Public names: listed once, in their package, explained and typed; what begins with an underscore stays at home."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.test_architecture import CORE, PROJECT, files, name, syntax

PACKAGES = (*CORE, "bayesian")

EXPORTING = ("datasets", "models", "pruning", "training")
"""Packages from which others take names, and not from their modules; elsewhere every module is a place of its own."""


def packages() -> list[ModuleType]:
    """Every package and sub-package of the project."""
    roots = [importlib.import_module(package) for package in PACKAGES]
    below = [
        importlib.import_module(found.name)
        for root in roots
        for found in pkgutil.walk_packages(root.__path__, f"{root.__name__}.")
        if found.ispkg
    ]
    return [*roots, *below]


def exported(package: ModuleType) -> list[str]:
    return list(getattr(package, "__all__", []))


def exports() -> Iterator[tuple[str, object]]:
    """Every exported name, with its package, and what it stands for."""
    for package in packages():
        for word in exported(package):
            yield f"{package.__name__}.{word}", getattr(package, word, None)


def defined_here() -> list[tuple[str, object]]:
    """The exported functions and classes."""
    return [(place, what) for place, what in exports() if inspect.isclass(what) or inspect.isfunction(what)]


def imports_from_other_packages(path: Path) -> Iterator[tuple[str, str]]:
    """The module and the name of each `from module import name` that reaches into another package of the project."""
    return imports_of(syntax(path), own=path.relative_to(PROJECT).parts[0])


def imports_of(code: ast.AST, own: str = "") -> Iterator[tuple[str, str]]:
    """The module and the name of each `from module import name` from packages of the project but one."""
    for node in ast.walk(code):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            package = node.module.split(".")[0]
            if package in PACKAGES and package != own:
                yield from ((node.module, alias.name) for alias in node.names)


def missing_annotations(function: object) -> list[str]:
    """Return the parameters of a function, and `return`, that have no type."""
    signature = inspect.signature(function)  # type: ignore[arg-type]
    parameters = [p for p in signature.parameters.values() if p.name not in ("self", "cls")]
    untyped = [p.name for p in parameters if p.annotation is inspect.Parameter.empty]
    return untyped + ["return"] * (signature.return_annotation is inspect.Signature.empty)


def methods(kind: type) -> Iterator[tuple[str, object]]:
    """The public functions that a class of the project defines itself, unwrapped from what decorates them."""
    for word, what in vars(kind).items():
        function = what.fget if isinstance(what, property) else getattr(what, "__func__", what)
        if not word.startswith("_") and inspect.isfunction(function):
            yield word, function


@pytest.mark.parametrize("package", packages(), ids=lambda package: package.__name__)
def test_a_package_lists_its_public_names_in_order(package):
    listed, upper = exported(package), lambda word: (not word.isupper(), not word[0].isupper(), word)
    assert listed == sorted(set(listed), key=upper)
    assert not [word for word in listed if not hasattr(package, word)]
    bound = {
        word
        for word, what in vars(package).items()
        if not word.startswith("_") and not inspect.ismodule(what) and getattr(what, "__module__", "") != "__future__"
    }
    assert bound <= set(listed), "imported into the package, and not listed"


def test_a_name_means_the_same_wherever_it_is_exported():
    meanings: dict[str, dict[int, str]] = {}
    for place, what in exports():
        meanings.setdefault(place.rpartition(".")[2], {})[id(what)] = place
    assert not {word: list(places.values()) for word, places in meanings.items() if len(places) > 1}


@pytest.mark.parametrize(("place", "what"), defined_here(), ids=[place for place, _ in defined_here()])
def test_what_is_exported_is_explained_and_typed(place, what):
    functions = list(methods(what)) if inspect.isclass(what) else [("", what)]
    assert inspect.getdoc(what) and (inspect.getdoc(what) or "").partition("\n")[0].rstrip().endswith((".", "\\"))
    for word, function in functions:
        assert inspect.getdoc(getattr(what, word) if word else what), f"{place}.{word} has no docstring"
        assert not missing_annotations(function), f"{place}.{word}"


def is_misplaced(module: str, word: str) -> bool:
    """Return whether a name is taken from within a package that exports names, and not from a list in there."""
    inside = module.split(".")[0] in EXPORTING and "." in module
    return inside and word not in exported(importlib.import_module(module))


def test_names_are_taken_from_the_package_that_exports_them():
    misplaced = [
        f"{name(path)}: {word} from {module}"
        for path in files(*PACKAGES, "cli.py")
        for module, word in imports_from_other_packages(path)
        if is_misplaced(module, word)
    ]
    assert not misplaced


def shown_code() -> Iterator[tuple[str, ast.AST]]:
    """The files of the examples and the Python on the pages, what users begin from; not OpenLTH's, shown as before."""
    for path in files("examples"):
        yield name(path), syntax(path)
    for page in sorted({PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *(PROJECT / "docs").rglob("*.md")}):
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            if not block.startswith("# before: "):
                yield name(page), ast.parse(block)


def test_examples_and_pages_take_only_what_is_public_from_where_it_is_public():
    taken = [(place, module, word) for place, code in shown_code() for module, word in imports_of(code)]
    assert {place for place, *_ in taken} >= {"docs/extending.md", "examples/mc_dropout/mc_dropout/variant.py"}
    misplaced = [
        f"{place}: {word} from {module}"
        for place, module, word in taken
        if is_misplaced(module, word) or (module in EXPORTING and is_unlisted(module, word))
    ]
    private = [
        f"{place}: {word} from {module}"
        for place, module, word in taken
        if any(part.startswith("_") for part in (*module.split("."), word))
    ]
    assert not misplaced + private


def is_unlisted(module: str, word: str) -> bool:
    """Return whether a name is a package's, but neither a module in it nor on its list."""
    package = importlib.import_module(module)
    listed = word in exported(package) or not hasattr(package, "__path__")
    return not listed and importlib.util.find_spec(f"{module}.{word}") is None


def test_what_is_taken_from_a_package_is_listed_there():
    unlisted = [
        f"{name(path)}: {word} from {module}"
        for path in files(*PACKAGES, "cli.py", "tests", "benchmarks")
        for module, word in imports_from_other_packages(path)
        if is_unlisted(module, word)
    ]
    assert not unlisted


def test_no_package_takes_a_private_name_of_another():
    private = [
        f"{name(path)}: {word} from {module}"
        for path in files(*PACKAGES, "cli.py", "benchmarks")
        for module, word in imports_from_other_packages(path)
        if any(part.startswith("_") for part in (*module.split("."), word))
    ]
    assert not private
