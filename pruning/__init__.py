"""Masks, scores, selection and enforcement."""

from pruning import sparse_global as _sparse_global  # registers the deterministic strategies

# isort: split
from pruning import saliency as _saliency  # registers strategies that look at the data
from pruning.circumstances import PruningCircumstances
from pruning.enforcement import MaskEnforcement, Prunable, PrunableParameter, apply_mask, prunable_shapes
from pruning.layer_scale import layer_adaptive, times_root_of_fan_in
from pruning.mask import Mask, check_same_tensors
from pruning.scored import PruneBy, Score, register_global_strategy
from pruning.selection import layers_pruned_away, prune_lowest_by_layer, prune_lowest_globally, prune_to_keep
from pruning.shuffling import shuffle_mask
from pruning.strategy import (
    DETERMINISTIC,
    STRATEGIES,
    GlobalPruningHparams,
    PruningHparams,
    Strategy,
    check_strategy_fits,
)

prunable_weights = _sparse_global.prunable_weights
del _saliency

__all__ = [
    "DETERMINISTIC",
    "STRATEGIES",
    "GlobalPruningHparams",
    "Mask",
    "MaskEnforcement",
    "Prunable",
    "PrunableParameter",
    "PruneBy",
    "PruningCircumstances",
    "PruningHparams",
    "Score",
    "Strategy",
    "apply_mask",
    "check_same_tensors",
    "check_strategy_fits",
    "layer_adaptive",
    "layers_pruned_away",
    "prunable_shapes",
    "prunable_weights",
    "prune_lowest_by_layer",
    "prune_lowest_globally",
    "prune_to_keep",
    "register_global_strategy",
    "shuffle_mask",
    "times_root_of_fan_in",
]
