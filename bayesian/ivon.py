"""IVON: variational inference by natural gradients, at one gradient a step (Shen et al. 2024, arXiv 2402.17641)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adam import adam

from bayesian.adapter import VariationalTensor, deterministic_parameters, variational_tensors
from bayesian.hparams import BAYESIAN, BayesianHparams
from foundations.errors import UserError
from training import TrainingCircumstances, TrainingHparams

HESSIAN, MOMENTUM, AGE = "hessian", "momentum", "age"
"""What of the optimiser stays with a network, as buffers of its layers: rewinding rewinds all of it."""

CHANGES = 5.0
"""How often the estimate of the Hessian is replaced in the course of a training, unless told otherwise."""

_FIRST, _SECOND, _EPSILON = 0.9, 0.999, 1e-8
"""Adam's constants (Kingma and Ba 2015), for the parameters that are no distribution."""


def add_state(model: nn.Module) -> None:
    """Give every distribution of a network room for what IVON remembers of it, which is nothing yet."""
    for tensor in variational_tensors(model):
        for kind in (HESSIAN, MOMENTUM):
            tensor.layer.register_buffer(_buffer(tensor, kind), torch.zeros_like(tensor.mean))
        tensor.layer.register_buffer(_buffer(tensor, AGE), torch.zeros(()))


def state_of(tensor: VariationalTensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a distribution's Hessian and momentum, of its shape, and the number of steps that they remember."""
    hessian, momentum, age = (getattr(tensor.layer, _buffer(tensor, kind)) for kind in (HESSIAN, MOMENTUM, AGE))
    return hessian, momentum, age


def state_names(model: nn.Module) -> set[str]:
    """Return the names, in a network's state dict, of what IVON remembers of it; none if it was not made for that."""
    candidates = {
        f"{tensor.name.removesuffix(tensor.variable)}{_buffer(tensor, kind)}"
        for tensor in variational_tensors(model)
        for kind in (HESSIAN, MOMENTUM, AGE)
    }
    return candidates & {name for name, _ in model.named_buffers()}


def _buffer(tensor: VariationalTensor, kind: str) -> str:
    return f"_{tensor.variable}_{kind}"


class Ivon(torch.optim.Optimizer):
    r"""Improved variational online Newton, for means and log stds together; Adam for all other parameters.

    The posterior's std is :math:`1 / \sqrt{\lambda (h + \delta)}`, where h estimates the diagonal of the Hessian,
    :math:`\lambda = N / T` and :math:`\delta = T / (N s^2)` for a prior of std s (Shen et al. 2024, algorithm 1). With
    the gradients g of the data fit alone, at w = m + σε, a step is

    .. math::
        \bar g &= \beta_1 \bar g + (1 - \beta_1) g, \qquad \hat h = g \varepsilon / \sigma, \\
        h &= \beta_2 h + (1 - \beta_2) \hat h + \tfrac{1}{2} (1 - \beta_2)^2 (h - \hat h)^2 / (h + \delta), \\
        m &= m - \alpha (\bar g / (1 - \beta_1^t) + \delta m) / (h + \delta).

    The gradient of a log std is that of the mean times εσ, so ĥ is the former over σ². A pruned weight, of std 0, keeps
    its h. What h and the momentum were lies in the network's own buffers, which are saved and rewound along with it.

    Args:
        model: a Bayesian network with room for the state.
        weighting: λ.
        decay: δ.
        beta1: of the momentum.
        beta2: of the Hessian.
        rate: α.
        plain_rate: the learning rate of all other parameters.
        plain_decay: their L2 penalty.

    Raises:
        UserError: if a weight starts wider than the prior allows, so that its h would not be positive.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        weighting: float,
        decay: float,
        beta1: float,
        beta2: float,
        rate: float,
        plain_rate: float,
        plain_decay: float = 0.0,
    ) -> None:
        self._tensors = [tensor for tensor in variational_tensors(model) if tensor.mean.requires_grad]
        self._weighting, self._decay, self._beta1, self._beta2 = weighting, decay, beta1, beta2
        parts = [parameter for tensor in self._tensors for parameter in (tensor.mean, tensor.log_std)]
        groups: list[dict[str, Any]] = [{"params": parts, "lr": rate, "kind": "distribution"}] if parts else []
        plain = [p for p in deterministic_parameters(model).values() if p.requires_grad]
        groups += [{"params": plain, "lr": plain_rate, "weight_decay": plain_decay, "kind": "plain"}] if plain else []
        # All numbers that change from step to step are tensors.
        super().__init__(groups, {"lr": rate, "weight_decay": 0.0, "kind": "plain", "capturable": True})
        for tensor in self._tensors:
            self._begin(tensor)
        self._groups = _of_equal_age(self._tensors)

    @torch.no_grad()
    def _begin(self, tensor: VariationalTensor) -> None:
        """Choose h for the std that a weight has, where it has none yet."""
        hessian, _, _ = state_of(tensor)
        new = (hessian == 0) & (tensor.log_std > -math.inf)
        wanted = (-2 * tensor.log_std.double()).exp() / self._weighting - self._decay
        if bool((wanted[new] <= 0).any()):
            widest = float(tensor.log_std.max().exp())
            raise UserError(
                f"{tensor.name}: starts with a std of {widest:g}, which is too wide for IVON beside this prior: a "
                f"posterior cannot be wider; choose a smaller --{BAYESIAN}_init_std or a larger --{BAYESIAN}_prior_std"
            )
        hessian.copy_(torch.where(new, wanted.to(hessian.dtype), hessian))

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Take a step by the gradients that are there, those of the data fit."""
        for group in self.param_groups:
            if group["kind"] == "distribution":
                for tensors in self._groups:
                    self._update(tensors, group["lr"])
            else:
                self._step_of_adam(group)

    def _update(self, tensors: list[VariationalTensor], rate: float | Tensor) -> None:
        """Update distributions of equal age, each operation over all: on a GPU that is one kernel, or a few."""
        if any(tensor.mean.grad is None or tensor.log_std.grad is None for tensor in tensors):
            return
        means, log_stds = list[Tensor](t.mean for t in tensors), list[Tensor](t.log_std for t in tensors)
        hessians, momenta, ages = (list(state) for state in zip(*map(state_of, tensors), strict=True))
        self._estimate(hessians, log_stds)
        torch._foreach_lerp_(momenta, _gradients(means), 1 - self._beta1)
        torch._foreach_add_(ages, 1)
        directions = torch._foreach_div(momenta, 1 - self._beta1 ** ages[0])
        torch._foreach_add_(directions, means, alpha=self._decay)
        curvatures = torch._foreach_add(hessians, self._decay)
        torch._foreach_div_(directions, curvatures)
        torch._foreach_mul_(directions, rate)
        torch._foreach_sub_(means, directions)
        torch._foreach_mul_(curvatures, self._weighting)
        torch._foreach_log_(curvatures)
        torch._foreach_mul_(curvatures, -0.5)
        torch._foreach_copy_(log_stds, curvatures)

    def _estimate(self, hessians: list[Tensor], log_stds: list[Tensor]) -> None:
        """Bring h up to date, but where a weight is pruned."""
        alive = torch._foreach_exp(log_stds)
        torch._foreach_sign_(alive)  # a pruned weight has a std of 0
        curvatures = torch._foreach_add(hessians, self._decay)
        changes = torch._foreach_mul(curvatures, _gradients(log_stds))
        torch._foreach_mul_(changes, self._weighting)  # ĥ, since λ(h + δ) is 1/σ²
        torch._foreach_sub_(changes, hessians)
        corrections = torch._foreach_mul(changes, changes)
        torch._foreach_div_(corrections, curvatures)
        torch._foreach_mul_(changes, 1 - self._beta2)
        torch._foreach_add_(changes, corrections, alpha=0.5 * (1 - self._beta2) ** 2)
        torch._foreach_addcmul_(hessians, changes, alive)

    def _step_of_adam(self, group: dict[str, Any]) -> None:
        parameters: list[Tensor] = [parameter for parameter in group["params"] if parameter.grad is not None]
        for parameter in parameters:
            if not (state := self.state[parameter]):
                state["step"] = torch.zeros((), device=parameter.device)
                state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        states = [self.state[parameter] for parameter in parameters]
        adam(
            parameters,
            _gradients(parameters),
            [state["exp_avg"] for state in states],
            [state["exp_avg_sq"] for state in states],
            [],
            [state["step"] for state in states],
            fused=True,  # the number of steps stays where it is, so that a GPU can capture this
            amsgrad=False,
            beta1=_FIRST,
            beta2=_SECOND,
            lr=group["lr"],
            weight_decay=group["weight_decay"],
            eps=_EPSILON,
            maximize=False,
        )


def _of_equal_age(tensors: list[VariationalTensor]) -> list[list[VariationalTensor]]:
    """Return distributions in groups: a layer that a pretrained network has got anew remembers fewer steps."""
    groups: dict[float, list[VariationalTensor]] = {}
    for tensor in tensors:
        groups.setdefault(float(state_of(tensor)[2]), []).append(tensor)
    return [*groups.values()]


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def ivon(
    model: nn.Module, own: BayesianHparams, hparams: TrainingHparams, circumstances: TrainingCircumstances
) -> Ivon:
    """Return the optimiser for a network, as hyperparameters and the length of training want it.

    Raises:
        UserError: if the network's weights start too wide.
    """
    weighting = circumstances.num_examples / own.kl_temperature
    beta2 = own.ivon_beta2
    return Ivon(
        model,
        weighting=weighting,
        decay=1 / (weighting * own.prior_std**2),
        beta1=own.ivon_beta1,
        beta2=1 - min(0.1, CHANGES / circumstances.steps) if beta2 is None else beta2,
        rate=own.ivon_lr,
        plain_rate=hparams.lr,
        plain_decay=hparams.weight_decay or 0.0,
    )
