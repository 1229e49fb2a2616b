"""Which way the samples of a batch go through the network: the one place that decides it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bayesian.estimators import Estimator
from bayesian.passes import OneByOne, SamplePasses
from bayesian.posterior import Posterior
from bayesian.together import Spread, Together, on_streams, side_by_side
from foundations.messages import LOGGER
from training import TrainingCircumstances

WAYS: Mapping[str, Spread] = {"side by side": side_by_side, "streams": on_streams}
"""How several samples may go together."""

SMALL = 1_000_000
"""Random weights up to which samples go side by side on a GPU.

On an H200, the gradient of ResNet-20 (270,000 weights, batch 128, bf16, captured) took 2.43 ms a sample in the loop,
and 0.89 ms a sample with ten side by side as groups of convolutions; with two, 2.02 ms. On the CPU the loop is faster,
by 1.1 to 1.2 times. No larger network has been measured: these keep to the loop, and its memory, until one has been
(`benchmarks/gpu_step.py`).
"""


def choose_passes(
    model: nn.Module,
    posterior: Posterior,
    estimator: Estimator,
    samples: int,
    circumstances: TrainingCircumstances,
    images: Tensor,
    way: str,
) -> SamplePasses:
    """Return the passes for a network's samples; if they cannot go together although they should, that is said.

    Args:
        samples: how many of a batch's samples this process works on.
        images: some of those that will come.
        way: one of `WAYS`, for samples that go together.
    """
    at_once, precision = samples_at_once(posterior, samples, circumstances.samples_at_once), circumstances.precision
    reason = ""
    if at_once > 1 and estimator.local_in_linear_layers:
        reason = "local reparameterization draws for one sample after another"
    elif at_once > 1:
        try:
            together = Together(model, posterior, precision, at_once, WAYS[way], circumstances.compiled)
            reason = together.obstacle(images)
        except ValueError as error:
            reason = str(error)
    if at_once > 1 and not reason:
        return together
    if reason:
        LOGGER.warning("samples of the weights go through the network one after another, not together: %s", reason)
    return OneByOne(model, posterior, precision, estimator.local_in_linear_layers)


def samples_at_once(posterior: Posterior, samples: int, limit: int | None) -> int:
    """Return how many of a batch's samples go together.

    Args:
        limit: what the user said, who thereby asks for as many.
    """
    if limit is not None:
        return min(limit, samples)
    return samples if posterior.device.type == "cuda" and posterior.size <= SMALL else 1
