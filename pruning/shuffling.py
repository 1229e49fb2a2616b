"""Random masks of the same density as a given one (Frankle et al. 2021; Kuhn et al., section 7)."""

from __future__ import annotations

from collections.abc import Callable, Collection

import torch

from foundations.errors import InvalidValue, one_of
from foundations.randomness import derive_seed
from pruning.mask import Mask


def _generator(seed: int, name: str) -> torch.Generator:
    return torch.Generator().manual_seed(derive_seed("shuffled_mask", seed, name))


def _random_tensor(shape: torch.Size, kept: int, generator: torch.Generator) -> torch.Tensor:
    flat = torch.zeros(shape.numel(), dtype=torch.int32)
    flat[torch.randperm(shape.numel(), generator=generator)[:kept]] = 1
    return flat.reshape(shape)


def shuffle_layerwise(mask: Mask, seed: int) -> Mask:
    """Shuffle the mask within each layer: every layer keeps its density."""
    return Mask({name: _random_tensor(t.shape, int(t.sum()), _generator(seed, name)) for name, t in mask.items()})


def shuffle_globally(mask: Mask, seed: int) -> Mask:
    """Apply one permutation to all layers' masks in a row: only the total density is kept."""
    sizes = [tensor.numel() for tensor in mask.values()]
    flat = _random_tensor(torch.Size([mask.total]), mask.unpruned, _generator(seed, "all layers"))
    parts = flat.split(sizes)
    return Mask({name: part.reshape(mask[name].shape) for name, part in zip(mask, parts, strict=True)})


def shuffle_evenly(mask: Mask, seed: int) -> Mask:
    """Give each layer a random mask at the mean density, to within one weight; the total is kept exactly."""
    shuffled, seen, kept = {}, 0, 0
    for name, tensor in mask.items():
        seen += tensor.numel()
        # Rounding the running total instead of each layer keeps the sum exact.
        target = (2 * seen * mask.unpruned + mask.total) // (2 * mask.total)
        shuffled[name] = _random_tensor(tensor.shape, target - kept, _generator(seed, name))
        kept = target
    return Mask(shuffled)


def keep(mask: Mask, seed: int) -> Mask:
    """Return the mask as it is."""
    return Mask(mask)


SHUFFLES: dict[str, Callable[[Mask, int], Mask]] = {
    "layerwise": shuffle_layerwise,
    "global": shuffle_globally,
    "even": shuffle_evenly,
    "identity": keep,
}


def shuffle_mask(
    mask: Mask, strategy: str, seed: int, ignored: Collection[str] = (), kept: Collection[str] = ()
) -> Mask:
    """Shuffle a mask by the strategy of a name.

    Args:
        ignored: tensors that are dense in the result; what they had pruned is shuffled along, as in OpenLTH.
        kept: tensors whose masks stay as they are and take no part, so that as many weights are kept as before.

    Raises:
        InvalidValue: if there is no such strategy or an ignored or kept tensor does not exist.
    """
    if strategy not in SHUFFLES:
        raise InvalidValue("strategy", strategy, one_of(SHUFFLES))
    if set(ignored) - set(mask):
        raise InvalidValue("layers_to_ignore", ",".join(ignored), one_of(mask))
    if set(kept) - set(mask) or set(kept) >= set(mask):
        raise InvalidValue("layers_to_keep", ",".join(kept), f"{one_of(mask)}, but not all of them")
    rest = Mask({name: tensor for name, tensor in mask.items() if name not in kept})
    shuffled = {**mask, **SHUFFLES[strategy](rest, seed)}
    return Mask({name: torch.ones_like(tensor) if name in ignored else tensor for name, tensor in shuffled.items()})
