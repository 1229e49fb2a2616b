"""The statistics of BatchNorm, as averages over what its layers are given."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training import batchnorm_layers


@torch.no_grad()
def statistics_by_hand(model: nn.Module, batches: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
    """Return each layer's mean and unbiased variance, averaged over the batches by their images.

    A layer sees what those before it make of a batch by its own statistics. The network stays as it was.
    """
    model = copy.deepcopy(model).eval()
    given: list[list[Tensor]] = []
    for layer in batchnorm_layers(model):
        given.append([])
        layer.train().register_forward_pre_hook(lambda _, inputs, own=given[-1]: own.append(inputs[0]))
    for images in batches:
        model(images)
    shares = [len(images) / sum(map(len, batches)) for images in batches]
    found = []
    for inputs in given:
        by_channel = [features.transpose(0, 1).flatten(1) for features in inputs]
        means = [share * values.mean(1) for share, values in zip(shares, by_channel, strict=True)]
        variances = [share * values.var(1) for share, values in zip(shares, by_channel, strict=True)]
        found.append((torch.stack(means).sum(0), torch.stack(variances).sum(0)))
    return found
