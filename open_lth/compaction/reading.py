"""A network read operation by operation: which units there are, and which layers write and read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, fx, nn

from foundations.errors import UserError
from open_lth.compaction.layers import AttentionLayer, Layer
from open_lth.compaction.units import Features, UnitGroups


@dataclass
class Structure:
    """What a network is made of, as far as units go.

    Args:
        layers: linear and convolutional layers by name.
        unitwise: modules with a number for each unit, such as BatchNorm, by name, with the group of their units.
        attention: attention layers by name; the two layers that they are made of are in `layers`.
    """

    groups: UnitGroups = field(default_factory=UnitGroups)
    layers: dict[str, Layer] = field(default_factory=dict)
    unitwise: dict[str, int] = field(default_factory=dict)
    attention: dict[str, AttentionLayer] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One operation, as it was carried out on an example.

    Args:
        name: the dotted name of the module that was called, or nothing.
        does: the module or function, or the name of the method.
        features: what is known of the first argument.
        others: what is known of other arguments that are tensors of units.
        is_of_images: whether the first argument is the images themselves.
        args: the arguments.
        result: what came out.
    """

    name: str
    does: Any
    features: Features | None
    others: tuple[Features, ...]
    is_of_images: bool
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    result: Any

    def applied_to(self, values: Tensor) -> Tensor:
        """Return what the operation makes of other values, its further arguments being the same."""
        does = getattr(torch.Tensor, self.does) if isinstance(self.does, str) else self.does
        result: Tensor = does(values.clone(), *self.args[1:], **self.kwargs)
        return result


Rule = Callable[[Structure, Call], "Features | None"]
"""Tells what is known of an operation's result, and adds layers to the structure; None if nothing is known."""


def read_structure(network: nn.Module, images: Tensor, rule_of: Callable[[Any], Rule | None]) -> Structure:
    """Return the structure of a network that computes on images (B, C, H, W); it must be in evaluation mode.

    Units that reach an operation without a rule all stay, and so do those that reach the output.

    Raises:
        UserError: if the network's operations depend on the images' values.
    """
    try:
        graph = _Tracer(rule_of).trace(network)
        reading = _Reading(fx.GraphModule(network, graph), rule_of)
        with torch.no_grad():
            reading.run(images)
    except (fx.proxy.TraceError, TypeError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"this network cannot be compacted: torch.fx cannot trace it ({reason})") from None
    return reading.structure


class _Tracer(fx.Tracer):
    """Follows the operations inside all modules but those of torch and those that have a rule."""

    def __init__(self, rule_of: Callable[[Any], Rule | None]) -> None:
        super().__init__()
        self._rule_of = rule_of

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Return whether a module is one operation."""
        return self._rule_of(m) is not None or super().is_leaf_module(m, module_qualified_name)


class _Reading(fx.Interpreter):
    """Carries out the operations one by one, and keeps what is known of the results."""

    def __init__(self, module: fx.GraphModule, rule_of: Callable[[Any], Rule | None]) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.structure = Structure()
        self._rule_of = rule_of
        self._known: dict[fx.Node, Features] = {}
        self._images = next(node for node in module.graph.nodes if node.op == "placeholder")

    def run_node(self, n: fx.Node) -> Any:
        """Carry out one operation."""
        result = super().run_node(n)
        features = self._ruled(n, result) if n.op.startswith("call_") else None
        if features is not None:
            self._known[n] = features
        else:
            for source in n.all_input_nodes:
                if source in self._known:
                    self.structure.groups.fix(self._known[source].group)
        return result

    def _ruled(self, node: fx.Node, result: Any) -> Features | None:
        name = str(node.target) if node.op == "call_module" else ""
        does: Any = self.fetch_attr(name) if name else node.target
        rule = self._rule_of(does)
        if rule is None or not isinstance(result, Tensor) or node.args[:1] != tuple(node.all_input_nodes[:1]):
            return None
        first, *others = node.all_input_nodes
        args, kwargs = self.fetch_args_kwargs_from_env(node)
        known = tuple(self._known[other] for other in others if other in self._known)
        call = Call(name, does, self._known.get(first), known, first is self._images, args, kwargs, result)
        return rule(self.structure, call)
