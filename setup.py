"""Packaging of open_lth: its packages, the module behind the command line, and what they need."""

import runpy
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

VERSION = "0.1.0"
PACKAGES = ("foundations", "datasets", "models", "pruning", "training", "open_lth", "bayesian")
HERE = Path(__file__).parent
README = HERE / "README.md"

TEST = [
    *("pytest>=8", "pytest-xdist>=3.5", "pytest-timeout>=2.3"),
    *("hypothesis>=6.100", "torchmetrics>=1.4", "setuptools>=70.1"),
]
TENSORBOARD = ["tensorboard>=2.20"]
WANDB = ["wandb>=0.28"]
EXPORT = ["onnx>=1.17", "onnxscript>=0.3", "huggingface_hub>=0.30"]
DOCS = ["sphinx>=8.1", "furo>=2024.8", "myst-parser>=4", "sphinx-copybutton>=0.5.2"]
CHECKS = ["ruff>=0.9", "mypy>=1.14", "import-linter>=2.1", "types-tqdm", "pandas-stubs<3", "pre-commit>=4"]
EXTRAS = {"tensorboard": TENSORBOARD, "wandb": WANDB, "export": EXPORT, "docs": DOCS, "test": TEST}
DEV = [*CHECKS, *(package for extra in EXTRAS.values() for package in extra)]

MOVED = (*(name for name in PACKAGES if name != "open_lth"), "cli")
"""What a wheel has inside `open_lth.packages`: on the top level, others have packages of these names."""


class BuildPackages(build_py):
    """Puts the packages of the top level into one of their own, with imports to match; not in an editable install."""

    def run(self) -> None:
        """Build, then move."""
        super().run()
        if not self.editable_mode:
            self._move(Path(self.build_lib))

    def _move(self, lib: Path) -> None:
        inside = lib / "open_lth" / "packages"
        shutil.rmtree(inside, ignore_errors=True)
        inside.mkdir()
        (inside / "__init__.py").write_text('"""What is beside `open_lth` in a checkout."""\n', encoding="utf-8")
        for path in (lib / name if name != "cli" else lib / "cli.py" for name in MOVED):
            path.rename(inside / path.name)
        rewritten = runpy.run_path(str(HERE / "open_lth" / "installation" / "rewriting.py"))["rewritten"]
        for module in (lib / "open_lth").rglob("*.py"):
            source = rewritten(module.read_text(encoding="utf-8"), MOVED, "open_lth.packages")
            module.write_text(source, encoding="utf-8")
        install = "import open_lth.installation.finder as finder; finder.install()\n"
        (lib / "open_lth.pth").write_text(install, encoding="utf-8")


setup(
    name="open-lth",
    version=VERSION,
    description="OpenLTH, the lottery-ticket framework, on today's PyTorch, with a plugin for Bayesian networks",
    long_description=README.read_text(encoding="utf-8") if README.exists() else "",
    long_description_content_type="text/markdown",
    license="MIT",
    python_requires=">=3.10",
    packages=find_packages(include=[pattern for name in PACKAGES for pattern in (name, f"{name}.*")]),
    package_data={
        **{name: ["py.typed"] for name in PACKAGES},
        "bayesian.paper": ["scales/*.json"],
        "open_lth.cluster": ["job.sh"],
        "open_lth.report": ["page.html"],
    },
    # Not open_lth: that script is for a checkout, and installed it would have the package's name.
    py_modules=["cli"],
    entry_points={"console_scripts": ["open-lth = open_lth.installation.console:main"]},
    cmdclass={"build_py": BuildPackages},
    install_requires=[
        "torch>=2.6",  # older versions can be made to run code that hides in a checkpoint
        "torchvision",
        "torch-blue>=1.1,<1.2",
        "timm>=1.0.21",
        "numpy>=1.26",
        "scikit-learn>=1.4",  # the digits data set, and measures of out-of-distribution detection
        "scipy>=1.11.1",  # the SVHN data set's file format, temperatures and intervals
        "matplotlib>=3.8",
        "pandas>=2.2.1",
        "jinja2>=3.1",  # the page that `report` writes
        "tqdm>=4.66",
        "filelock>=4.1",
        "pydantic>=2.7,<3",  # reads files of settings
        "safetensors>=0.4.3,<1",
    ],
    extras_require={**EXTRAS, "dev": DEV},
)
