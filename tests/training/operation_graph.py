"""What stands in for a CUDA graph on the CPU: operations that are noted with their memory, and done again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

REFUSED = {
    "aten::_local_scalar_dense": "a number is read from the device",
    "aten::equal": "a number is read from the device",
    "aten::nonzero": "the size of a result depends on its values",
    "aten::masked_select": "the size of a result depends on its values",
    "aten::_unique2": "the size of a result depends on its values",
    "aten::lift_fresh": "a tensor is made of numbers of the host",
}


class OperationGraph:
    """Does an exact repetition of what some work did: the same operations, on the same memory, with the same numbers.

    As in a CUDA graph, whatever the host computed is frozen, and memory keeps its place; generators go on drawing. What
    a capture on a GPU refuses is refused. Unlike there, capturing does the work; so the first replay does nothing.
    """

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self._generators = [*generators, torch.default_generator]
        self._operations: list[tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any], Any]] = []
        self._was_done = False
        self.replays = 0

    def rehearse(self, work: Callable[[], Any]) -> Any:
        return work()

    def capture(self, work: Callable[[], Any]) -> Any:
        with _Noting(self._generators) as noted:
            result = work()
        self._operations, self._was_done = noted.operations, True
        return result

    @torch.no_grad()
    def replay(self) -> None:
        self.replays += 1
        for function, args, kwargs, results in [] if self._was_done else self._operations:
            for old, new in zip(_tensors(results), _tensors(function(*args, **kwargs)), strict=True):
                if old.untyped_storage().data_ptr() != new.untyped_storage().data_ptr():
                    old.copy_(new)
        self._was_done = False


class _Noting(TorchDispatchMode):
    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        self.operations: list[tuple[Callable[..., Any], Sequence[Any], Mapping[str, Any], Any]] = []
        self._generators = {generator._cdata for generator in generators}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if (name := function._schema.name) in REFUSED:
            raise RuntimeError(f"{name} while capturing: {REFUSED[name]}")
        if name.startswith("aten::index") and any(one.dtype == torch.bool for one in _tensors(args[1:2])):
            raise RuntimeError(f"{name} while capturing: the size of a result depends on its values")
        for one in tree_leaves((args, kwargs)):
            if isinstance(one, torch.Generator) and one._cdata not in self._generators:
                raise RuntimeError(f"{name} while capturing: the graph does not know the generator")
        results = function(*args, **kwargs)
        self.operations.append((function, args, kwargs, results))
        return results


def _tensors(tree: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor))
