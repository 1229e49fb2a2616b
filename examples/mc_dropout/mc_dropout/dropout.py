"""Dropout put into any network, without changing its tensors' names."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from models import prunable_layers


def add_dropout(model: nn.Module, rate: float) -> None:
    """Let every Linear and Conv2d layer but the first drop its inputs, in training and in evaluation alike.

    In Gal and Ghahramani (2016, section 3) a layer's weights are W = M diag(z): a trained matrix M whose columns are
    switched on and off by z ~ Bernoulli(1 - rate), which is dropout on the layer's inputs. The first layer, whose
    inputs are the image, keeps all of them. Behind a convolution every position of a feature map is dropped by itself
    (Gal and Ghahramani 2015, section 3). What is kept is divided by 1 - rate, so that expected inputs stay as they are.

    A hook is no module and owns no tensor: the state dict has the deterministic network's names, so that masks and
    tickets move between the two. "First" means first in the order in which the network's class names its layers.
    """
    for layer in list(prunable_layers(model).values())[1:]:
        layer.register_forward_pre_hook(functools.partial(_drop, rate))


def _drop(rate: float, layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    features, *others = inputs
    return F.dropout(features, rate, training=True), *others  # training=True: also when the network is evaluated


@contextmanager
def default_generators_seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let dropout draw from a stream of its own inside the block, and leave all generators as they were.

    Dropout draws from torch's default generator, on a GPU from the GPU's.
    """
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
