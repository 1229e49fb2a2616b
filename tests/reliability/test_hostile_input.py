"""Whatever is given as a flag: a named error in one line, never a traceback, nothing written, nothing out of place."""

from __future__ import annotations

import os
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.open_lth.running import LENET, Workplace
from tests.reliability.hostility import ANY_FLAG, LEVELS, ROOTS, STEPS, TEXTS, check, flags, often, run_bare

SMALL, FULL = 40, 3000
MNIST = ("--default_hparams=mnist_lenet_12",)  # whose data are not there, so nothing is ever trained


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without a network, and with the number of threads as it was."""

    def fail(*_: object, **__: object) -> None:
        raise OSError("the network is down")

    monkeypatch.setattr(urllib.request, "urlopen", fail)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def refuse_or_locate(workplace: Workplace, *words: str) -> None:
    """Run a command that cannot train, and check that nothing is left of it."""
    outcome = workplace.run(*words, "--quiet")
    check(outcome)
    assert outcome.code != 0 or "--display_output_location" in words or outcome.out.startswith("usage:")
    assert not workplace.root.exists() or not list(workplace.root.iterdir())


def test_no_flag_makes_a_traceback_or_a_partial_write(workplace, tries, tally):
    tried = 0

    @often(tries(SMALL, FULL))
    @given(st.sampled_from(["train", "lottery"]), st.lists(ANY_FLAG, min_size=1, max_size=3), LEVELS)
    def attempt(command, more, levels):
        nonlocal tried
        tried += 1
        refuse_or_locate(workplace, command, *MNIST, f"--levels={levels}", *more)
        refuse_or_locate(workplace, command, *MNIST, "--levels=1", *more)

    attempt()
    tally(2 * tried, 0, "absurd flags")


def test_no_argument_of_a_branch_does_either(workplace, tries, tally):
    tried = 0
    names = (
        "seed",
        "strategy",
        "start_at",
        "layers_to_ignore",
        "levels",
        "retrain_d_dataset_name",
        "retrain_t_lr",
        "retrain_t_training_steps",
        "retrain_d_batch_size",
        "bayesian_samples",
        "jobs",
    )

    @often(tries(SMALL, FULL))
    @given(
        st.one_of(st.sampled_from(["shuffle", "reinit", "retrain", "transplant"]), TEXTS),
        st.lists(st.one_of(flags(names, st.one_of(TEXTS, STEPS, LEVELS)), ANY_FLAG), min_size=1, max_size=3),
        st.booleans(),
    )
    def attempt(branch, more, locate):
        nonlocal tried
        tried += 1
        words = ("--seed=0", "--levels=0", *more, *(("--display_output_location",) if locate else ()))
        refuse_or_locate(workplace, "lottery_branch", branch, *MNIST, *words)

    attempt()
    tally(tried, 0, "absurd arguments of branches")


@pytest.fixture
def cage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory, home and root that are deep enough for paths to climb out of, with a file beside them."""
    cage = tmp_path.joinpath(*"abcdefgh")
    cage.mkdir(parents=True)
    (cage / "file").write_text("a file")
    monkeypatch.chdir(cage)
    monkeypatch.setenv("HOME", str(cage))
    return cage


def test_results_lie_below_the_root_whatever_is_asked_for(cage, tries, tally):
    workplace = Workplace(cage / "results", cage / "data")
    tried = 0

    @often(tries(SMALL, FULL))
    @given(st.lists(st.one_of(ANY_FLAG, flags(("replicate",), TEXTS)), max_size=3), st.integers(0, 9999))
    def attempt(more, level):
        nonlocal tried
        tried += 1
        for words in (("lottery", f"--levels={level}"), ("lottery_branch", "shuffle", "--seed=0", f"--levels={level}")):
            outcome = workplace.run(*words, *MNIST, *more, "--display_output_location")
            check(outcome)
            for line in outcome.out.splitlines() if outcome.code == 0 and outcome.out.startswith("/") else ():
                assert workplace.root in Path(os.path.normpath(line)).parents

    attempt()
    assert list(cage.rglob("*")) == [cage / "file"]
    tally(2 * tried, 0, "absurd flags that try to leave the root")


def test_absurd_roots_are_refused_or_used_as_they_are(cage, tries, tally, monkeypatch):
    tried = 0

    @often(tries(SMALL, FULL))
    @given(ROOTS, ROOTS, st.booleans())
    def attempt(root, dataset_root, by_environment):
        nonlocal tried
        tried += 1
        plain = not {"\0"} & set(root + dataset_root) and root.isascii() and dataset_root.isascii()
        words = ["train", *MNIST, "--display_output_location"]
        with monkeypatch.context() as patch:
            if by_environment and plain:
                patch.setenv("OPEN_LTH_ROOT", root)
                patch.setenv("OPEN_LTH_DATASETS", dataset_root)
                check(run_bare(*words))
            else:
                check(run_bare(*words, f"--root={root}", f"--dataset_root={dataset_root}"))

    attempt()
    for root in ("file", "file/below", "/dev/null/results", "x" * 300):
        outcome = run_bare("train", *LENET, "--quiet", f"--root={root}")
        check(outcome)
        assert outcome.code == 2
    assert (cage / "file").read_text() == "a file"
    tally(tried, 0, "absurd roots")


@pytest.mark.parametrize("flag", ["root", "dataset_root"])
@pytest.mark.parametrize(
    ("value", "reason"),
    [("", "must be a path, not nothing"), ("~nobody_at_all/x", "there is no such home directory")],
)
def test_a_root_that_is_none_is_named(flag, value, reason):
    outcome = run_bare("train", *LENET, f"--{flag}={value}")
    assert (outcome.code, outcome.err) == (2, f"error: --{flag}={value}: {reason}\n")


NUMBERS = st.one_of(st.floats(1e-45, 1e30), st.floats(allow_nan=False, allow_infinity=False), st.sampled_from([0, 1]))
WHOLE = st.one_of(st.integers(0, 40), st.integers(0, 10**12))
EXTREME = st.one_of(
    flags(("lr", "weight_decay", "gamma", "momentum", "nesterov_momentum", "pruning_fraction"), NUMBERS.map(str)),
    flags(("subsample_fraction", "random_labels_fraction"), NUMBERS.map(str)),
    flags(("batch_size", "blur_factor", "data_order_seed", "transformation_seed", "replicate"), WHOLE.map(str)),
    flags(("kl_temperature", "prior_std", "init_std", "std_lr_factor"), NUMBERS.map(str), "bayesian_"),
    flags(("warmup_steps",), STEPS),
    st.sampled_from(["--precision=bf16", "--precision=fp16", "--optimizer_name=sgd", "--unsupervised_labels=rotation"]),
)


def test_extreme_numbers_are_trained_with_or_refused(workplace, tries, tally):
    tried = 0

    @often(tries(4, 300))
    @given(st.lists(EXTREME, min_size=1, max_size=4), st.sampled_from([(), ("--bayesian", "--bayesian_samples=2")]))
    def attempt(more, kind):
        nonlocal tried
        tried += 1
        words = (*LENET, *kind, "--training_steps=2it", "--milestone_steps=1it", "--gamma=0.1", *more)
        check(workplace.run("lottery", "--levels=1", *words, "--quiet"))
        shutil.rmtree(workplace.root, ignore_errors=True)

    attempt()
    tally(tried, 0, "extreme hyperparameters")
