"""Whether captured training does what training does that is not captured: the first thing to run on a new GPU.

    python benchmarks/gpu_check.py

runs commands with and without `--graph=off`, on noise in CIFAR-10's shape, some 50 steps each, and prints PASS or FAIL
of each check as soon as it is known, with how far apart the networks are: the norm of their difference in units of
their own. Another replicate shows how far apart networks of other random numbers are. The exit code is 1 if a check
failed. `--only` chooses checks by parts of their names; `--tiny` shows on the CPU that all of them run, where nothing
is captured.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA starts: sums in the same order every time

import torch

import cli
from bayesian.estimators import ESTIMATORS
from checked_commands import Bench, Failed, Run, distance, stopped_at
from foundations.interruption import START_AGAIN
from random_images import random_images
from steps import samples_go
from training import VARIANTS

FAR = 1e-4
"""Nearer networks have computed the same up to rounding, which Adam magnifies from step to step. On a device where the
same command without graphs differs from itself by more (the second check), differences as great show nothing."""

Check = Callable[[Bench], str]
"""Returns what it has found, in a few words; raises Failed."""

BAYESIAN = ("--bayesian", "--bayesian_samples=2", "--bayesian_init_std=1")  # else it hardly matters what is drawn
FEW_STEPS = ("--training_steps=5it", "--milestone_steps=4it")
EXAMPLE = Path(__file__).parent.parent / "examples" / "mc_dropout"


def alike(bench: Bench, *flags: str) -> str:
    """Check that captured training ends where training ends that is not captured."""
    captured, found = _as_asked(bench.run(*flags)), _captured(bench)
    plain = bench.run(*flags, "--graph=off")
    if bench.graphs:
        raise Failed("--graph=off captures all the same")
    return f"{_near(captured, plain)}, {found}"


def _as_asked(run: Run) -> Run:
    """Return a run, unless its samples could not go together."""
    if "one after another" in run.said:
        raise Failed(run.said.strip())
    return run


def _near(one: Run, other: Run) -> str:
    apart = distance(one, other)
    if not apart <= FAR:
        raise Failed(f"apart by {apart:.1e}")
    return f"apart by {apart:.1e}" if apart else "the same bits"


def _captured(bench: Bench) -> str:
    """Return how often the latest command replayed graphs, or why a device without them did not."""
    if not bench.can_capture:
        return "nothing is captured on this device"
    if not bench.replays:
        raise Failed("nothing was replayed")
    return f"{bench.replays} replays of {len(bench.graphs)} graphs"


def repeated(bench: Bench) -> str:
    """Check that the device computes the same twice when nothing is captured."""
    return _near(bench.run("--graph=off"), bench.run("--graph=off"))


def far(bench: Bench) -> str:
    """Check that other random numbers lead far away, or all the others would show nothing."""
    apart = distance(bench.run(), bench.run("--replicate=2"))
    if apart < 100 * FAR:
        raise Failed(f"by {apart:.1e} only")
    return f"apart by {apart:.1e}"


def noise_matters(bench: Bench) -> str:
    """Check that other samples of the weights lead far away from the same initial weights."""
    apart = distance(bench.run(*BAYESIAN), bench.run(*BAYESIAN, "--bayesian_estimator=recycled"))
    if apart < 10 * FAR:
        raise Failed(f"by {apart:.1e} only")
    return f"apart by {apart:.1e}"


def resumed(bench: Bench, *flags: str) -> str:
    """Check that a run that is stopped in the middle goes on to where it would have ended."""
    whole, name = bench.run(*flags), f"stopped {bool(flags)}"
    with stopped_at(5):
        bench.run(*flags, root=name, code=START_AGAIN)
    return f"{_near(bench.run(*flags, root=name), whole)}, {_captured(bench)}"


def evaluated(bench: Bench, *flags: str) -> str:
    """Check that captured passes measure what passes measure that are not captured."""
    name = f"evaluated {bool(flags)}"
    bench.run(*flags, root=name)
    captured = bench.run(*flags, "--passes=5", root=name, verb=["evaluate"]).measures()
    found = _captured(bench)
    for path in (bench.root / name).rglob("evaluation.json*"):
        path.unlink()
    plain = bench.run(*flags, "--passes=5", "--graph=off", root=name, verb=["evaluate"]).measures()
    if not len(captured) or captured.shape != plain.shape:
        raise Failed("other measures were written")
    apart = float((captured - plain).abs().max())
    if not apart <= FAR:
        raise Failed(f"measures differ by {apart:.1e}")
    return f"measures differ by {apart:.1e}, {found}"


def together(bench: Bench, *flags: str, way: str = "side by side") -> str:
    """Check that samples that go together lead where one after another leads, in few steps."""
    few = (*BAYESIAN, "--bayesian_samples=4", *FEW_STEPS, *flags)
    with samples_go(way):
        several = _as_asked(bench.run(*few, "--samples_at_once=4"))
    return f"{_near(several, bench.run(*few, '--samples_at_once=1'))} from one after another"


def said_once(bench: Bench, expected: str, *flags: str) -> str:
    """Check that what cannot be captured is said, once, and trained all the same."""
    lines = [line for line in bench.run(*flags).said.splitlines() if "training steps are not captured" in line]
    if not bench.can_capture:
        return "nothing is captured on this device"
    if len(lines) != 1 or expected not in lines[0]:
        raise Failed(f"said {lines}")
    return expected


def diverged(bench: Bench) -> str:
    """Check that a loss that is not finite ends the run."""
    bench.run("--optimizer_name=sgd", "--gamma=1e30", code=cli.USER_ERROR)  # the rate explodes amid the run
    return f"ended, {_captured(bench)}"


def checks(even: str) -> dict[str, Check]:
    """Return all checks by name, the most important first.

    Args:
        even: a data set whose batches are all of one size.
    """

    def bayesian_by(*flags: str) -> Check:
        return lambda bench: alike(bench, *BAYESIAN, *flags)

    found: dict[str, Check] = {
        "deterministic, Adam, a smaller last batch": alike,
        "not captured, twice": repeated,
        "another replicate is far away": far,
        "other noise is far away": noise_matters,
        "ten samples": bayesian_by("--bayesian_samples=10"),
        "stopped and resumed": resumed,
        "stopped and resumed, Bayesian": lambda bench: resumed(bench, *BAYESIAN),
        "evaluation": evaluated,
        "evaluation, Bayesian": lambda bench: evaluated(bench, *BAYESIAN),
    }
    for name, estimator in ESTIMATORS.items():
        alone = ["--samples_at_once=1"] if estimator.local_in_linear_layers else []  # what cannot be would be said
        found[f"estimator {name}"] = bayesian_by(f"--bayesian_estimator={name}", *alone)
    found |= {
        "predictive likelihood": bayesian_by("--bayesian_likelihood=predictive"),
        "IVON": bayesian_by("--bayesian_optimizer=ivon"),
        "KL warm-up": bayesian_by("--bayesian_kl_warmup=2ep"),
        "statistics of training": bayesian_by("--bayesian_batchnorm=running"),
        "batches of one size": lambda bench: alike(bench, f"--dataset_name={even}"),
        "SGD with momentum and warm-up": lambda bench: alike(
            bench, "--optimizer_name=sgd", "--lr=0.05", "--momentum=0.9", "--warmup_steps=1ep"
        ),
        "frozen BatchNorm and output": lambda bench: alike(bench, "--batchnorm_frozen", "--output_frozen"),
        "learning-rate rewinding": lambda bench: alike(bench, "--lrr", "--levels=1"),
        "rewinding to an epoch": lambda bench: alike(bench, "--rewinding_steps=1ep", "--levels=1"),
        "bf16": lambda bench: alike(bench, "--precision=bf16"),
        "VGG": lambda bench: alike(bench, "--model_name=cifar_vgg_11_4"),
        "ViT": lambda bench: alike(bench, "--model_name=cifar_vit_1_8_2"),
        "a plugin's variant": lambda bench: alike(bench, "--mc_dropout"),
        "side by side": together,
        "side by side, VGG": lambda bench: together(bench, "--model_name=cifar_vgg_11_4"),
        "side by side, ViT": lambda bench: together(bench, "--model_name=cifar_vit_1_8_2"),
        "on streams": lambda bench: together(bench, way="streams"),
        "side by side, captured": bayesian_by("--bayesian_samples=4", "--samples_at_once=4"),
        "fp16 is not captured": lambda bench: said_once(bench, "fp16", "--precision=fp16"),
        "a loss that is not finite": diverged,
        # Both are compiled, but tuned apart; Adam turns what is left of that into steps of its own, so they are few.
        "compiled": lambda bench: alike(bench, "--compile", *FEW_STEPS),
        "compiled, Bayesian": bayesian_by("--compile", *FEW_STEPS),
    }
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Check, print, and return the exit code."""
    args = _arguments(argv)
    if not args.tiny and not torch.cuda.is_available():
        raise SystemExit("no GPU here (torch.cuda.is_available() is False): nothing checked; --tiny runs on the CPU")
    torch.backends.cudnn.deterministic = True
    for fused in ("flash", "mem_efficient", "cudnn"):  # attention whose gradients may differ from time to time
        getattr(torch.backends.cuda, f"enable_{fused}_sdp")(False)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    _register_example()
    batch = 16 if args.tiny else 64
    network = "cifar_resnet_8_2" if args.tiny else "cifar_resnet_8"
    whole = 3 if args.tiny else 12
    flags = _flags(network, random_images(whole * batch + batch // 2, 2 * batch), batch)
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        bench = Bench(flags, "cpu" if args.tiny else "cuda", Path(directory))
        for name, check in checks(random_images(whole * batch, 2 * batch)).items():
            if all(part in name for part in args.only):
                failed += not _passes(name, check, bench)
    print(f"{failed} failed" if failed else "all passed", flush=True)
    return int(failed > 0)


def _passes(name: str, check: Check, bench: Bench) -> bool:
    began = time.perf_counter()
    try:
        passed, found = True, check(bench)
    except Failed as error:
        passed, found = False, str(error)
    except Exception as error:  # one that cannot even be checked is no reason to leave the others out
        traceback.print_exc(file=sys.stderr)
        passed, found = False, f"{type(error).__name__}: {error}"
    print(f"{'PASS' if passed else 'FAIL'}  {name}: {found} ({time.perf_counter() - began:.1f} s)", flush=True)
    return passed


def _flags(network: str, images: str, batch: int) -> list[str]:
    fixed = "--training_steps=4ep --milestone_steps=2ep1it --gamma=0.5 --optimizer_name=adam --lr=0.002 --levels=0"
    return [
        f"--default_hparams={network}",
        f"--dataset_name={images}",
        f"--batch_size={batch}",
        "--momentum=0",
        "--weight_decay=1e-4",
        *fixed.split(),
    ]


def _register_example() -> None:
    """Register the variant of the example plugin, unless it is installed."""
    cli.load_plugins()
    if "mc_dropout" not in VARIANTS:
        sys.path.insert(0, str(EXAMPLE))
        variant = importlib.import_module("mc_dropout.variant").McDropout
        VARIANTS.register(variant.name)(variant)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", default=[], metavar="PART", help="checks whose names have all these parts")
    parser.add_argument("--tiny", action="store_true", help="a tiny network on the CPU: shows that all of it runs")
    return parser.parse_args(argv)


if __name__ == "__main__":
    raise SystemExit(main())
