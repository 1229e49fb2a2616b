"""What is installed: everything that the packages need, types included, beside others' packages of the same names."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.test_architecture import CORE, PROJECT

PACKAGES = (*CORE, "bayesian")
INSIDE = "open_lth/packages"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> zipfile.ZipFile:
    """A wheel, built from a copy of the sources."""
    pytest.importorskip("setuptools", minversion="70.1", reason="builds a wheel")
    copy: Path = tmp_path_factory.mktemp("sources")
    for package in PACKAGES:
        shutil.copytree(PROJECT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("setup.py", "pyproject.toml", "README.md", "cli.py", "open_lth.py", "LICENSE"):
        shutil.copy(PROJECT / file, copy)
    words = [sys.executable, "setup.py", "-q", "bdist_wheel", "--dist-dir", "built"]
    built = subprocess.run(words, cwd=copy, capture_output=True, text=True, timeout=180, check=False)
    assert built.returncode == 0, built.stderr
    [file] = (copy / "built").iterdir()
    return zipfile.ZipFile(file)


def in_wheel(name: str) -> str:
    """Where a file of the project is in a wheel."""
    return name if name.startswith("open_lth/") else f"{INSIDE}/{name}"


def test_the_packages_are_marked_as_typed(wheel):
    assert {in_wheel(f"{package}/py.typed") for package in PACKAGES} <= set(wheel.namelist())


def test_every_module_and_every_file_that_one_reads_is_there(wheel):
    sources = [path for package in PACKAGES for path in (PROJECT / package).rglob("*") if path.is_file()]
    wanted = {path.relative_to(PROJECT).as_posix() for path in sources if "__pycache__" not in path.parts}
    assert {in_wheel(name) for name in wanted} <= set(wheel.namelist())
    assert f"{INSIDE}/cli.py" in wheel.namelist() and "open_lth.py" not in wheel.namelist()


def test_nothing_else_is_installed(wheel):
    tops = {name.split("/")[0] for name in wheel.namelist() if "dist-info" not in name}
    assert tops == {"open_lth", "open_lth.pth"}


THEIRS = """
def load_dataset():
    return "theirs"
"""
PLUGIN = """
import training.variant, datasets
from datasets import DATASETS
from models import find_family

def register():
    from training import VARIANTS, Deterministic
    assert datasets.DATASETS is DATASETS and training.variant.VARIANTS is VARIANTS

    class Mine(Deterministic):
        name = "mine"
        description = "a network of mine"

    VARIANTS.register("mine")(Mine)
"""


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """What is installed in an environment: the wheel, another package called datasets, and a plugin."""
    environment: Path = tmp_path_factory.mktemp("environment")
    venv.create(environment, symlinks=True)
    [site] = environment.glob("lib/python*/site-packages")
    # By a path alone, an editable install of this project stays out.
    (site / "others.pth").write_text(sysconfig.get_path("purelib"))
    wheel.extractall(site)
    for name, content in {
        "datasets/__init__.py": THEIRS,
        "a_plugin/__init__.py": PLUGIN,
        "a_plugin-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: a-plugin\nVersion: 1.0\n",
        "a_plugin-1.0.dist-info/entry_points.txt": "[open_lth.plugins]\na_plugin = a_plugin:register\n",
    }.items():
        (site / name).parent.mkdir(exist_ok=True)
        (site / name).write_text(content)
    return site


def run_in(site: Path, code: str, *words: str) -> str:
    """Run code in the environment, and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    python = site.parents[2] / "bin" / "python"
    ran = subprocess.run(
        [python, "-c", code, *words],
        cwd=site.parents[2],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


THEIRS_LAST = pytest.param("import open_lth.results, datasets", marks=pytest.mark.slow)


@pytest.mark.parametrize("imports", ["import datasets, open_lth.results", THEIRS_LAST])
def test_both_packages_of_one_name_are_imported_in_one_process(site, imports):
    code = f"{imports}\nimport open_lth.packages.datasets as ours\n"
    code += "assert datasets.load_dataset() == 'theirs' and datasets is not ours\nprint(*ours.DATASETS.names())"
    assert "fashion_mnist" in run_in(site, code)


def test_old_names_that_nobody_else_has_are_second_names_of_the_packages(site):
    code = """
import sys, training, foundations.hparams, models.tensors as tensors
from open_lth.packages import foundations as own_foundations, models, training as own
assert training is own and training.__name__ == training.__spec__.name == "open_lth.packages.training"
assert foundations is own_foundations and tensors is models.tensors
assert sum(name.endswith("models.tensors") for name in sys.modules) == 2 and sys.modules["models"] is models
"""
    run_in(site, code)


def test_where_nobody_else_has_datasets_it_is_ours(site):
    (site / "datasets").rename(site / "gone")
    try:
        run_in(site, "import datasets, open_lth.packages.datasets as ours\nassert datasets is ours")
    finally:
        (site / "gone").rename(site / "datasets")


def test_the_program_works_and_plugins_import_packages_by_their_old_names(site):
    code = "from open_lth.installation.console import main\nraise SystemExit(main())"
    out = run_in(site, code, "plugins")
    assert "a_plugin" in out and "broken" not in out
    assert any(line.split() == ["variant", "a_plugin", "mine"] for line in out.splitlines())


@pytest.mark.slow
def test_the_program_starts_processes_of_its_own(site, tmp_path):
    code = "from open_lth.installation.console import main\nraise SystemExit(main())"
    flags = (
        "--default_hparams=mnist_lenet_12",
        "--dataset_name=digits",
        "--training_steps=2it",
        f"--root={tmp_path}",
        "--quiet",
        "--bayesian",
        "--bayesian_samples=2",
    )
    run_in(site, code, "lottery", "--levels=1", *flags)
    run_in(site, code, "lottery_branch", "reinit", "--levels=0,1", "--jobs=2", *flags)
    assert len([*tmp_path.rglob("lottery_branch_*/logger")]) == 2
