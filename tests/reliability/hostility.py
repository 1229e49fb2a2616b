"""Hostile text, and what a command may answer to it."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Sequence

from hypothesis import settings
from hypothesis import strategies as st

import cli
from tests.open_lth.running import Outcome

TEXTS = st.one_of(
    st.text(max_size=12),
    st.text("0123456789epit,.-+_ ", max_size=12),
    st.sampled_from(
        [
            "",
            " ",
            "0",
            "-1",
            "nan",
            "inf",
            "1e400",
            "1e-400",
            "9" * 5000,
            "²",
            "\u0661",
            "1_0",
            "0x10",
            "True",
            "None",
            "../..",
            "/",
            "~",
            "~nobody_at_all",
            ".",
            "*",
            "%s",
            "{}",
            "'",
            '"',
            "\\",
            "-",
            "--",
            "=",
            "a\nb",
            "\0",
            "\x1b[2J",
            "\ud800",
            "\u2028",
            "é",
            "字" * 300,
            "$(id)",
            ";",
            "ep",
            "1it1ep",
        ]
    ),
    st.integers().map(str),
    st.floats().map(str),
)
ROOTS = st.one_of(
    TEXTS,
    st.lists(st.sampled_from(["..", ".", "a", "~", "", "b" * 300, "é", "a b", "-", "%d"]), max_size=6).map("/".join),
)


GROUPS = (
    "dataset_name",
    "batch_size",
    "model_name",
    "model_init",
    "batchnorm_init",
    "optimizer_name",
    "lr",
    "momentum",
    "nesterov_momentum",
    "gamma",
    "weight_decay",
    "data_order_seed",
    "transformation_seed",
    "subsample_fraction",
    "random_labels_fraction",
    "blur_factor",
    "unsupervised_labels",
    "precision",
    "pruning_strategy",
    "pruning_fraction",
    "pruning_layers_to_ignore",
    "others_frozen_exceptions",
    "default_hparams",
    "replicate",
    "device",
    "num_workers",
    "threads",
    "platform",
    "checkpoint_minutes",
    "lock_timeout",
)
STEP_FLAGS = ("training_steps", "milestone_steps", "warmup_steps", "rewinding_steps", "pretrain_training_steps")
BAYESIAN = (
    "samples",
    "kl_temperature",
    "prior_std",
    "init_std",
    "estimator",
    "likelihood",
    "batchnorm",
    "std_lr_factor",
)
SWITCHES = (
    "--pretrain",
    "--lrr",
    "--apex_fp16",
    "--others_frozen",
    "--batchnorm_frozen",
    "--output_frozen",
    "--bayesian",
)
STEPS = st.one_of(
    TEXTS,
    st.builds("{}ep{}it".format, st.integers(-5, 10**30), st.integers(-5, 10**30)),
    st.lists(st.builds("{}ep".format, st.integers(0, 300)), max_size=4).map(",".join),
)
LEVELS = st.one_of(
    TEXTS,
    st.lists(st.builds("{}-{}".format, st.integers(-2, 10**12), st.integers(-2, 10**12)), max_size=4).map(",".join),
)


def flags(names: Sequence[str], values: st.SearchStrategy[str], prefix: str = "") -> st.SearchStrategy[str]:
    """Return flags with values."""
    return st.builds(f"--{prefix}{{}}={{}}".format, st.sampled_from(names), values)


ANY_FLAG = st.one_of(
    flags(GROUPS, TEXTS),
    flags(STEP_FLAGS, STEPS),
    flags(BAYESIAN, TEXTS, "bayesian_"),
    st.sampled_from(SWITCHES),
    TEXTS,
)


def often(times: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator for a property that is to be tried so many times, on the same values every time."""
    return settings(max_examples=times, derandomize=True, database=None)


def check(outcome: Outcome) -> None:
    """Check that a command did what it was asked to, or said in one line why not."""
    assert outcome.code in (0, 2), outcome
    if outcome.code == 2:
        warnings, error = outcome.err.splitlines()[:-1], outcome.err.splitlines()[-1]
        assert error.startswith("error: ") and len(error) > len("error: "), outcome
        assert all(warning.startswith("warning: ") for warning in warnings), outcome
    assert "Traceback" not in outcome.err + outcome.out


def run_bare(*words: str) -> Outcome:
    """Run a command without the workplace's roots."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(list(words))
        except SystemExit as leaving:  # --help
            code = int(leaving.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())
