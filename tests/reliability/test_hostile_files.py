"""Nothing that the project reads can run code: a file that tries is refused in one line."""

from __future__ import annotations

import ast
import contextlib
import gzip
import hashlib
import io
import pickle
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torchvision.datasets import CIFAR10, SVHN

from datasets.image_files import read_image
from datasets.source import DATASETS
from foundations.checksum import sidecar
from foundations.errors import UserError
from foundations.paths import RunPaths
from foundations.storage import load_tensors, read_json, read_text
from pruning import Mask
from tests.open_lth.running import LENET, Trunk, Workplace
from tests.reliability.data_files import pack_cifar, write_cifar, write_mnist, write_svhn
from tests.reliability.payloads import FORMATS, HOW, Payload, set_off
from tests.test_architecture import CORE, SCRIPTS, calls, files, name, syntax
from training import MetricLogger
from training.checkpoint import TrainingState
from training.precision import Precision


def restore(path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters())
    shutil.copy(path, path.with_name("checkpoint.pth"))
    state = TrainingState(model, optimizer, Precision("fp32", torch.device("cpu")), None)  # type: ignore[arg-type]
    try:
        state.restore(RunPaths(path.parent))
    finally:
        path.with_name("checkpoint.pth").unlink()


READERS: dict[str, Callable[[Path], object]] = {
    "model": load_tensors,
    "mask": Mask.load,
    "checkpoint": restore,
    "JSON": read_json,
    "logger": MetricLogger.load,
    "image": lambda path: read_image(str(path), seed=None),
}
RUNS_CODE = (
    "eval",
    "exec",
    "pickle.load",
    "pickle.loads",
    "pickle.Unpickler",
    "numpy.load",
    "torch.jit.load",
    "marshal.load",
    "marshal.loads",
    "shelve.open",
    "joblib.load",
    "yaml.load",
)


def refuses_pickles(call: ast.Call) -> bool:
    return any(k.arg == "allow_pickle" and ast.unparse(k.value) == "False" for k in call.keywords)


def with_checksum(path: Path) -> None:
    """Whoever sends a file can send its checksum, too."""
    sidecar(path).write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")


def refused(read: Callable[[], object], named: Path) -> None:
    with pytest.raises(UserError) as caught:
        read()
    message = str(caught.value)
    assert str(named.parent) in message and "\n" not in message and "weights_only" not in message


@pytest.mark.parametrize("packed", FORMATS)
def test_the_payloads_are_live(packed, tmp_path):
    for how in HOW:
        marker = tmp_path / how
        (tmp_path / "file").write_bytes(FORMATS[packed](Payload(marker, how)))
        with contextlib.suppress(RuntimeError, AttributeError, TypeError, KeyError, EOFError):
            set_off(packed, tmp_path / "file")  # beside the payload, it is no file of that kind
        assert marker.exists()


@pytest.mark.parametrize("kind", READERS)
def test_a_file_with_a_payload_is_refused_and_not_run(kind, tmp_path, tally):
    path, marker, tried = tmp_path / "file", tmp_path / "marker", 0
    for packed in FORMATS.values():
        for how in HOW:
            path.write_bytes(packed(Payload(marker, how)))
            for prepare in (lambda _: None, with_checksum):
                prepare(path)
                refused(lambda: READERS[kind](path), path)
                tried += 1
            sidecar(path).unlink()
    tally(tried, int(marker.exists()), f"payload in the place of: {kind}")
    assert not marker.exists()


@pytest.mark.parametrize("packed", FORMATS)
def test_text_with_a_payload_is_text_or_refused(packed, tmp_path):
    (tmp_path / "hparams.log").write_bytes(FORMATS[packed](Payload(tmp_path / "marker")))
    with contextlib.suppress(UserError):
        read_text(tmp_path / "hparams.log")
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("packed", FORMATS)
def test_a_checksum_with_a_payload_is_refused_and_not_run(packed, tmp_path):
    path, marker = tmp_path / "logger", tmp_path / "marker"
    path.write_text("test_loss,0,1.0")
    sidecar(path).write_bytes(FORMATS[packed](Payload(marker)))
    refused(lambda: MetricLogger.load(path), sidecar(path))
    assert not marker.exists()


# Whole commands.


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Trunk:
    """A lottery of one level, evaluated."""
    place = tmp_path_factory.mktemp("finished")
    trunk = Trunk(Workplace(place / "results", place / "data"), LENET)
    trunk.find_tickets(levels=0)
    trunk.workplace.done("evaluate", "lottery", "--levels=0", "--quiet", *trunk.words)
    return trunk


EVALUATE, PRUNE = ("evaluate", "lottery", "--levels=0"), ("lottery", "--levels=1")
COMMANDS = {
    "model_ep2_it0.pth": PRUNE,
    "model_ep0_it0.pth": PRUNE,
    "mask.pth": PRUNE,
    "checkpoint.pth": ("lottery", "--levels=0"),
    "evaluation.json": EVALUATE,
    "logger": (*EVALUATE, "--passes=2"),
}


@pytest.mark.parametrize("file", COMMANDS)
def test_a_command_that_reads_a_file_with_a_payload_refuses_it_in_one_line(file, finished, tmp_path):
    shutil.copytree(finished.workplace.root, tmp_path / "results")
    trunk = Trunk(Workplace(tmp_path / "results", tmp_path / "data"), LENET)
    path, marker = trunk.level(0) / file, tmp_path / "marker"
    path.write_bytes(FORMATS["torch zip"](Payload(marker)))
    with_checksum(path)
    if file == "checkpoint.pth":
        (trunk.level(0) / "logger").unlink()  # so that there is something to resume
    message = trunk.workplace.refused(*COMMANDS[file], "--quiet", *trunk.words)
    assert str(path) in message
    assert not marker.exists()


@pytest.mark.parametrize("file", ["sparsity_report.json", "timing.json", "command.json", "hparams.log"])
def test_a_payload_where_nothing_depends_on_the_file_does_no_harm(file, finished, tmp_path):
    shutil.copytree(finished.workplace.root, tmp_path / "results")
    trunk = Trunk(Workplace(tmp_path / "results", tmp_path / "data"), LENET)
    marker = tmp_path / "marker"
    (trunk.level(0) / file).write_bytes(FORMATS["torch zip"](Payload(marker)))
    with_checksum(trunk.level(0) / file)
    trunk.find_tickets(levels=1)
    trunk.workplace.done(*EVALUATE, "--passes=2", "--quiet", *trunk.words)
    assert not marker.exists()


# Data sets.


def load(data_set: str, root: Path) -> Callable[[], object]:
    return lambda: DATASETS.get(data_set)().load(root, train=True)


@pytest.mark.parametrize("batch", [*(name for name, _ in CIFAR10.train_list + CIFAR10.test_list), "batches.meta"])
def test_a_batch_of_cifar_with_a_payload_is_refused_and_not_run(batch, tmp_path, monkeypatch):
    path, marker = write_cifar(tmp_path, monkeypatch) / batch, tmp_path / "marker"
    load("cifar10", tmp_path)()
    path.write_bytes(pickle.dumps(Payload(marker), protocol=2))
    with_checksum(path)
    refused(load("cifar10", tmp_path), path)
    assert not marker.exists()


def test_every_file_of_cifar_is_known_by_its_digest():
    for data_set in ("cifar10", "cifar100"):
        digests = DATASETS.get(data_set)()._digests()
        assert len(digests) >= 3 and all(len(digest) == 32 for digest in digests.values())


def test_an_archive_of_cifar_with_a_payload_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    archive, marker = pack_cifar(write_cifar(tmp_path, monkeypatch), monkeypatch), tmp_path / "marker"
    with tarfile.open(archive, "w:gz") as tar:
        for entry in ("../escaped", f"{CIFAR10.base_folder}/data_batch_1"):
            content = pickle.dumps(Payload(marker), protocol=2)
            info = tarfile.TarInfo(entry)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    refused(load("cifar10", tmp_path), archive)
    assert [path.name for path in tmp_path.rglob("*")] == ["cifar10", archive.name]


@pytest.mark.parametrize("packed", FORMATS)
def test_a_file_of_svhn_or_mnist_with_a_payload_is_refused_and_not_run(packed, tmp_path, monkeypatch):
    marker = tmp_path / "marker"
    content = FORMATS[packed](Payload(marker))
    path = write_svhn(tmp_path / "svhn", monkeypatch)
    path.write_bytes(content)
    refused(load("svhn", tmp_path / "svhn"), path)
    # Even with the digest of the published file: it is no file of Matlab's.
    monkeypatch.setattr(
        SVHN, "split_list", {"train": [*SVHN.split_list["train"][:2], hashlib.md5(content).hexdigest()]}
    )
    refused(load("svhn", tmp_path / "svhn"), path)
    for packs, end in ((False, ""), (True, ".gz")):
        raw = write_mnist(tmp_path / f"mnist{end}", packs)
        for kind in ("train-images-idx3", "train-labels-idx1"):
            path = raw / f"{kind}-ubyte{end}"
            before = path.read_bytes()
            path.write_bytes(gzip.compress(content) if packs else content)
            refused(load("mnist", tmp_path / f"mnist{end}"), path)
            path.write_bytes(before)
    assert not marker.exists()


def test_the_pickles_of_older_torchvisions_are_not_opened(tmp_path):
    processed, marker = write_mnist(tmp_path, packed=False).parent / "processed", tmp_path / "marker"
    processed.mkdir()
    for file in ("training.pt", "test.pt"):
        torch.save(Payload(marker), processed / file)
    load("mnist", tmp_path)()
    assert not marker.exists()


def test_nothing_in_the_project_can_run_what_a_file_holds():
    everywhere = files(*CORE, *SCRIPTS, "bayesian", "benchmarks")
    found = [(name(path), call, what) for path in everywhere for call, what in calls(syntax(path)) if what in RUNS_CODE]
    assert not [(path, what) for path, call, what in found if not refuses_pickles(call)]
