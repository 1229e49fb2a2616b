"""The preset that several families on CIFAR-10 share.

Source: He et al., Deep Residual Learning for Image Recognition, section 4.2, counted in epochs; pruning as in
Frankle & Carbin, The Lottery Ticket Hypothesis.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

CIFAR_SGD: Mapping[str, object] = MappingProxyType(
    {
        "dataset_name": "cifar10",
        "batch_size": 128,
        "model_init": "kaiming_normal",
        "batchnorm_init": "uniform",
        "optimizer_name": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "milestone_steps": "80ep,120ep",
        "gamma": 0.1,
        "training_steps": "160ep",
        "pruning_strategy": "sparse_global",
        "pruning_fraction": 0.2,
    }
)
