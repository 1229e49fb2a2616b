"""A Bayesian network taken apart for others to read: its mean network, and its distribution around it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from bayesian.adapter import variational_tensors
from bayesian.ivon import state_names
from bayesian.posterior import Posterior
from training import ImageBatches, batchnorm_layers, recalibrate, statistics_restored

_STD = ".std"


@torch.no_grad()
def mean_state(model: nn.Module, calibration: ImageBatches | None) -> dict[str, Tensor]:
    """Return the state dict of the deterministic network whose weights are the means.

    Args:
        calibration: gives the training images for which statistics of BatchNorm are recomputed; None if they are to
            stay.
    """
    posterior = Posterior.of(model)
    with statistics_restored(model):
        if calibration is not None and batchnorm_layers(model):
            model.eval()
            with posterior.weights(posterior.flat()[0]):
                recalibrate(model, calibration(), model.forward)
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    return _under_deterministic_names(model, state)


def _under_deterministic_names(model: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict with the means, and in the order, of the deterministic network."""
    names = [item for tensor in variational_tensors(model) for item in tensor.state_names.items()]
    means, log_stds = {mean: name for name, (mean, _) in names}, {log_std for _, (_, log_std) in names}
    further = log_stds | state_names(model)
    return {means.get(name, name): tensor for name, tensor in state.items() if name not in further}


@torch.no_grad()
def distribution_state(model: nn.Module) -> dict[str, Tensor]:
    """Return `<name>.std` for every random tensor, and the buffers of BatchNorm under their own names."""
    stds = {f"{tensor.name}{_STD}": tensor.log_std.exp() for tensor in variational_tensors(model)}
    return {**stds, **{name: buffer.clone() for name, buffer in model.named_buffers()}}


@torch.no_grad()
def restore_distribution(model: nn.Module, means: Mapping[str, Tensor], distribution: Mapping[str, Tensor]) -> None:
    """Give a Bayesian network what `mean_state` and `distribution_state` have told of another."""
    state = {**means, **{name: tensor for name, tensor in distribution.items() if not name.endswith(_STD)}}
    for tensor in variational_tensors(model):
        for name, (of_mean, of_log_std) in tensor.state_names.items():
            state[of_mean], state[of_log_std] = state.pop(name), distribution[f"{tensor.name}{_STD}"].log()
    model.load_state_dict(state)
