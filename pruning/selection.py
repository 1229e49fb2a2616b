"""From scores to a mask."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from foundations.errors import InvalidValue, UserError, one_of
from pruning.mask import Mask


def prune_lowest_globally(
    scores: Mapping[str, Tensor], mask: Mask, fraction: float, ignored: Collection[str] = ()
) -> Mask:
    """Prune the lowest-scoring weights of all layers together, exactly as OpenLTH counts them.

    With n = ceil(fraction * all unpruned weights, those of ignored layers included), the threshold is entry n,
    counted from 0, of the ascending scores of the unpruned weights outside ignored layers; what scores higher
    than the threshold stays. So n + 1 weights go, more with ties.

    Args:
        scores: for every tensor of the mask, scores of its shape.
        ignored: tensors that keep their mask.

    Raises:
        InvalidValue: if an ignored tensor does not exist.
        UserError: if a score is not a number, or nothing is left to prune.
    """
    candidates = _candidates(scores, mask, ignored)
    remaining = [score[mask[name] == 1] for name, score in candidates.items()]
    flat = torch.cat(remaining) if remaining else torch.empty(0)
    if flat.numel() == 0:
        raise UserError("no weight is left that could be pruned")
    position = min(math.ceil(fraction * mask.unpruned), flat.numel() - 1)
    threshold = flat.kthvalue(position + 1).values
    pruned = {name: ((score > threshold) & (mask[name] == 1)).int() for name, score in candidates.items()}
    return Mask({name: pruned.get(name, mask[name]) for name in mask})


def remaining_after(mask: Mask, fraction: float, ignored: Collection[str] = ()) -> int:
    """Return how many weights `prune_lowest_globally` keeps of scores that are all different."""
    candidates = sum(int(tensor.sum()) for name, tensor in mask.items() if name not in ignored)
    return mask.unpruned - min(math.ceil(fraction * mask.unpruned) + 1, candidates)


def fraction_to_keep(mask: Mask, keep: int) -> float:
    """Return the fraction by which `prune_lowest_globally` keeps so many weights, of scores that are all different."""
    return max(mask.unpruned - keep - 1.5, 0.0) / mask.unpruned


def prune_to_keep(mask: Mask, keep: int, prune: Callable[[float], Mask]) -> Mask:
    """Return a mask that keeps so many weights, or as nearly so many as pruning by any fraction does.

    The fraction of `prune_lowest_globally` is tried first. By it other ways to select, and scores that are alike, may
    keep other numbers; then the fraction is found by bisection.

    Args:
        mask: the weights there are; if they are no more than wanted, all stay.
        prune: from the fraction to the next mask; the greater the fraction, the fewer weights it keeps.
    """
    if mask.unpruned <= keep:
        return mask
    least, fraction, most = 0.0, fraction_to_keep(mask, keep), 1.0
    found = best = prune(fraction)
    if found.unpruned < keep:
        gentlest = prune(0.0)
        if gentlest.unpruned <= keep:  # as where many scores are alike, and the lowest
            return gentlest
        best = min(best, gentlest, key=lambda one: abs(one.unpruned - keep))
    while found.unpruned != keep and most - least > 0.5 / mask.unpruned:
        least, most = (least, fraction) if found.unpruned < keep else (fraction, most)
        fraction = (least + most) / 2
        found = prune(fraction)
        best = min(best, found, key=lambda one: abs(one.unpruned - keep))
    return best


def prune_lowest_by_layer(
    scores: Mapping[str, Tensor], mask: Mask, fraction: float, ignored: Collection[str] = ()
) -> Mask:
    """Prune the same fraction of each layer's remaining weights, rounded up, those that score lowest.

    A layer keeps one weight at least. Of equal scores the first in memory go.

    Args:
        scores: for every tensor of the mask, scores of its shape.
        ignored: tensors that keep their mask.

    Raises:
        InvalidValue: if an ignored tensor does not exist.
        UserError: if a score is not a number, or nothing is left to prune.
    """
    candidates = _candidates(scores, mask, ignored)
    if all(int(mask[name].sum()) <= 1 for name in candidates):
        raise UserError("no layer has more than one weight left, so none can be pruned")
    pruned = {name: _prune_lowest(score, mask[name], fraction) for name, score in candidates.items()}
    return Mask({name: pruned.get(name, mask[name]) for name in mask})


def _prune_lowest(score: Tensor, mask: Tensor, fraction: float) -> Tensor:
    kept = mask.flatten().nonzero().squeeze(1)
    count = min(math.ceil(fraction * len(kept)), len(kept) - 1)
    after = mask.flatten().clone()
    if count > 0:
        after[kept[score.flatten()[kept].argsort(stable=True)[:count]]] = 0
    return after.view(mask.shape)


def _candidates(scores: Mapping[str, Tensor], mask: Mask, ignored: Collection[str]) -> dict[str, Tensor]:
    """Return the scores of the tensors that may be pruned, on the CPU."""
    if set(ignored) - set(mask):
        raise InvalidValue("pruning_layers_to_ignore", ",".join(sorted(ignored)), one_of(mask))
    found = {name: scores[name].detach().cpu() for name in mask if name not in ignored}
    if any(bool(score[mask[name] == 1].isnan().any()) for name, score in found.items()):
        reason = "the network has diverged, or the score divides by zero"
        raise UserError(f"some weights have no score (not a number): {reason}")
    return found


def layers_pruned_away(before: Mask, after: Mask) -> list[str]:
    """Return the tensors that had weights left and have none any more."""
    return [name for name in after if bool(before[name].any()) and not bool(after[name].any())]
