"""The contract tests run over an installed plugin's entries, by the rows that it brings."""

from __future__ import annotations

import re

from tests.contracts.table import REGISTRIES
from tests.examples.plugins import PROJECT

ITS_OWN = "model-mnist_lenet-mc_dropout and test_it_trains"
OF_THE_TABLE = "test_every_entry_has_a_row_and_every_row_an_entry or test_every_variant_is_tested"


def test_the_contract_tests_take_in_a_plugin_and_it_keeps_them(mc_dropout):
    words = ("-m", "pytest", "-v", "-p", "no:cacheprovider", "-c", str(PROJECT / "pyproject.toml"), "-n", "0")
    tests = str(PROJECT / "tests" / "contracts" / "test_contracts.py")
    result = mc_dropout.python(*words, tests, "-k", f"({ITS_OWN}) or {OF_THE_TABLE}")
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"test_it_trains\[model-mnist_lenet-mc_dropout\] PASSED", result.stdout)
    assert f"{len(REGISTRIES) + 2} passed" in result.stdout, "every registry, the variants, and the plugin's own"
