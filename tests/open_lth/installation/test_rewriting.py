"""Imports are led to the packages inside another one, and bind what they bound."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest

from open_lth.installation.rewriting import rewritten

NAMES = ("datasets", "models")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("from datasets import A", "from home.inner.datasets import A"),
        ("from datasets.source import A, B as C", "from home.inner.datasets.source import A, B as C"),
        ("from  models import (\n    A,\n    B,\n)", "from  home.inner.models import (\n    A,\n    B,\n)"),
        ("import datasets", "import home.inner.datasets as datasets"),
        ("import datasets as d", "import home.inner.datasets as d"),
        ("import os, models.tensors as t, re", "import os, home.inner.models.tensors as t, re"),
        (
            "import models.tensors",
            "import home.inner.models.tensors as models, home.inner.models as models",
        ),
        (
            "def f():\n    from models import A; import datasets\n",
            "def f():\n    from home.inner.models import A; import home.inner.datasets as datasets\n",
        ),
        ("name = 'é'; from models import é", "name = 'é'; from home.inner.models import é"),
        ("if True:\r\n    import datasets\r\n", "if True:\r\n    import home.inner.datasets as datasets\r\n"),
    ],
)
def test_imports_of_the_packages_are_led_inside(source, expected):
    assert rewritten(source, NAMES, "home.inner") == expected


@pytest.mark.parametrize(
    "source",
    [
        "import torch\nfrom os import path",
        "from datasets_of_mine import A\nimport modelsx",
        "from . import models\nfrom .datasets import A\nfrom mine.datasets import B",
        "text = 'from datasets import A'  # import models",
        "from home.inner.datasets import A",
        "",
    ],
)
def test_all_else_stays_as_it_is(source):
    assert rewritten(source, NAMES, "home.inner") == source


def test_lines_stay_where_they_are():
    source = "\n\nimport models.tensors\nfrom datasets import (\n    A,\n)\nraise ValueError\n"
    assert rewritten(source, NAMES, "home.inner").splitlines()[6] == "raise ValueError"


def test_an_import_that_cannot_be_followed_is_refused():
    with pytest.raises(SyntaxError, match="line 1"):
        rewritten("from \\\n    datasets import A", NAMES, "home.inner")


@pytest.fixture
def home(monkeypatch) -> Iterator[dict[str, ModuleType]]:
    """Packages inside another one, with what they hold."""
    modules = {
        name: ModuleType(name) for name in ("home", "home.inner", "home.inner.models", "home.inner.models.tensors")
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
        parent, _, own = name.rpartition(".")
        if parent:
            setattr(modules[parent], own, module)
    yield modules


@pytest.mark.parametrize("source", ["import models", "import models.tensors", "import models.tensors, os, models"])
def test_the_same_names_are_bound(source, home):
    bound: dict[str, object] = {}
    exec(rewritten(source, NAMES, "home.inner"), bound)
    bound.pop("__builtins__")
    bound.pop("os", None)
    assert bound == {"models": home["home.inner.models"]}
