"""Pruning by what a weight does to the loss or to the flow through the network: SNIP, GraSP and SynFlow.

They were made for networks that have not been trained, where magnitudes say little, but can look at any. Those whose
weights are random are pruned by the expectation over draws of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules.batchnorm import _NormBase

from foundations.randomness import default_generator_seeded
from pruning.circumstances import PruningCircumstances
from pruning.mask import Mask
from pruning.scored import register_global_strategy

EXAMPLES_A_CLASS = 10
"""How many examples of each class SNIP and GraSP look at, on average (Lee et al. 2019; Wang et al. 2020)."""

TEMPERATURE = 200.0
"""By which GraSP divides logits (Wang et al. 2020)."""

ROUNDS = 100
"""In how many steps SynFlow prunes (Tanaka et al. 2020)."""

Batches = list[tuple[Tensor, Tensor]]
OneDraw = Callable[[nn.Module, list[Tensor], Batches], list[Tensor]]


def snip(model: nn.Module, mask: Mask, generator: torch.Generator, lottery: PruningCircumstances) -> dict[str, Tensor]:
    """Return |w g|, how much the loss depends on whether a weight is there (Lee et al. 2019, "SNIP", equation 5)."""

    def one_draw(network: nn.Module, weights: list[Tensor], batches: Batches) -> list[Tensor]:
        gradients = _mean(_gradients(lottery.loss(network, *batch), weights) for batch in batches)
        return [weight.detach() * gradient for weight, gradient in zip(weights, gradients, strict=True)]

    return {name: value.abs() for name, value in _over_draws(model, mask, lottery, one_draw).items()}


def grasp(model: nn.Module, mask: Mask, generator: torch.Generator, lottery: PruningCircumstances) -> dict[str, Tensor]:
    """Return w (H g): weights without which the gradient would be longest, or lose least, come lowest.

    To take away w changes the squared norm of the gradient g by -2 w (H g), to first order (Wang et al. 2020, "Picking
    Winning Tickets Before Training by Preserving Gradient Flow", equation 8); H is the Hessian.
    """

    def one_draw(network: nn.Module, weights: list[Tensor], batches: Batches) -> list[Tensor]:
        def loss(batch: tuple[Tensor, Tensor]) -> Tensor:
            return lottery.loss(lambda images: network(images) / TEMPERATURE, *batch)

        gradients = _mean(_gradients(loss(batch), weights) for batch in batches)

        def products() -> Iterator[list[Tensor]]:
            for batch in batches:
                own = _gradients(loss(batch), weights, create_graph=True)
                along = sum((one * other).sum() for one, other in zip(own, gradients, strict=True))
                assert isinstance(along, Tensor)
                yield _gradients(along, weights)

        return [weight.detach() * product for weight, product in zip(weights, _mean(products()), strict=True)]

    return _over_draws(model, mask, lottery, one_draw)


def synflow(
    model: nn.Module, mask: Mask, generator: torch.Generator, lottery: PruningCircumstances
) -> dict[str, Tensor]:
    """Return |w| times the derivative of R by |w|, the flow through a weight (Tanaka et al. 2020, section 6).

    R is the sum of outputs for an image of ones, of the network of all |w|, in which nothing is added to features and
    BatchNorm multiplies by the size of its factor and the scale of evaluation. Of normalisation by the features
    themselves, as in a transformer, that makes no sense.
    """
    image = torch.ones_like(next(lottery.batches())[0][:1]).double()

    def one_draw(network: nn.Module, weights: list[Tensor], batches: Batches) -> list[Tensor]:
        gradients = _gradients(network(image).sum(), weights)
        return [weight.detach() * gradient for weight, gradient in zip(weights, gradients, strict=True)]

    return _over_draws(model, mask, lottery, one_draw, as_flow=True)


def _over_draws(
    model: nn.Module, mask: Mask, lottery: PruningCircumstances, one_draw: OneDraw, as_flow: bool = False
) -> dict[str, Tensor]:
    """Return the mean of a score over draws of the weights, on the CPU; the network stays as it is.

    Args:
        as_flow: whether weights are replaced by their sizes and what is added by nothing, in double precision.
    """
    network = lottery.on_device(model).train()
    batches = [] if as_flow else _batches(lottery)
    if as_flow:
        _let_flow(network.double().eval())

    def scores() -> Iterator[list[Tensor]]:
        for drawn in lottery.draws(network):
            if as_flow:
                _make_positive(drawn, mask)
            yield one_draw(network, [drawn[name].requires_grad_() for name in mask], batches)

    # Fused attention has no second derivative.
    with default_generator_seeded(0), sdpa_kernel(SDPBackend.MATH):
        found = _mean(scores())
    return {name: score.cpu() for name, score in zip(mask, found, strict=True)}


def _batches(lottery: PruningCircumstances) -> Batches:
    """Return batches with ten examples of each class on average, at least."""
    found: Batches = []
    for batch in lottery.batches():
        found.append(batch)
        if sum(len(labels) for _, labels in found) >= EXAMPLES_A_CLASS * lottery.num_classes():
            break
    return found


@torch.no_grad()
def _let_flow(network: nn.Module) -> None:
    """Let normalisation multiply by positive numbers and add nothing."""
    for layer in network.modules():
        if isinstance(layer, _NormBase):
            if layer.affine:
                layer.weight.abs_()
                layer.bias.zero_()
            if layer.running_mean is not None:
                layer.running_mean.zero_()


@torch.no_grad()
def _make_positive(drawn: Mapping[str, Tensor], mask: Mask) -> None:
    for name, tensor in drawn.items():
        if name in mask:
            tensor.abs_().mul_(mask[name].to(tensor.device))
        elif name.endswith("bias"):
            tensor.zero_()


def _gradients(value: Tensor, weights: list[Tensor], create_graph: bool = False) -> list[Tensor]:
    found = torch.autograd.grad(value, weights, create_graph=create_graph, allow_unused=True)
    return [torch.zeros_like(w) if one is None else one for one, w in zip(found, weights, strict=True)]


def _mean(several: Iterator[list[Tensor]]) -> list[Tensor]:
    total, count = [one.detach() for one in next(several)], 1
    for more in several:
        total, count = [a + b.detach() for a, b in zip(total, more, strict=True)], count + 1
    return [one / count for one in total]


register_global_strategy("sparse_snip", "the smallest |w g| (SNIP), averaged over training images", snip, ())
register_global_strategy("sparse_grasp", "those that cost the gradient least (GraSP)", grasp, ())
register_global_strategy(
    "sparse_synflow", "the smallest flow through a weight, in 100 rounds (SynFlow)", synflow, (), rounds=ROUNDS
)
