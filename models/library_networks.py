"""Networks of timm and torchvision by the names that these libraries have for them, before any training."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from foundations.errors import InvalidValue
from foundations.randomness import default_generator_seeded
from foundations.suggestions import nearest
from models.family import ModelFamily, register_family
from models.presets import CIFAR_SGD

_ODD = 13  # classes: a number that no other layer is likely to have
_SIDES = (32, 224, 299)  # of the images that are tried


class _Library(ModelFamily):
    """Any classifier of a library, initialised as the library does it unless a flag says otherwise.

    Its output layer and the images that it takes are found by building it without memory, on torch's meta device.
    """

    prefix: ClassVar[str]
    image_shape: tuple[int, int | None, int | None] = (3, None, None)
    output_layer = ""
    defaults: ClassVar[Mapping[str, object]] = {**CIFAR_SGD, "model_init": "as_built", "batchnorm_init": "as_built"}

    def __init__(self, name: str = "") -> None:
        if name:
            self.output_layer, self.image_shape = _facts(type(self), name)

    def matches(self, name: str) -> bool:
        """Return whether a name begins with the library's."""
        return name.startswith(self.prefix)

    def of(self, name: str) -> ModelFamily:
        """Return the family of one network, with its own output layer and images.

        Raises:
            InvalidValue: if the library has no such network, or it is no classifier of images.
        """
        return type(self)(name)

    def build(self, name: str, num_classes: int) -> nn.Module:
        """Return the network, initialised by its library."""
        return self.make(name.removeprefix(self.prefix), num_classes)

    def takes(self, name: str, height: int, width: int) -> bool:
        """Return whether the network can compute with images of a size."""
        return _gives_logits(_outline(type(self), name), height, width)

    @classmethod
    def make(cls, name: str, num_classes: int) -> nn.Module:
        """Return the library's network of a name.

        Raises:
            InvalidValue: if there is none.
        """
        raise NotImplementedError

    @classmethod
    def own_side(cls, network: nn.Module) -> int:
        """Return the side of the images that a network was made for, if it says so."""
        return 224


@register_family("timm")
class TimmFamily(_Library):
    """Those of timm (PyTorch Image Models)."""

    prefix = "timm:"
    pattern = "timm:NAME with NAME one of timm.list_models()"
    examples = ("timm:test_resnet", "timm:resnet10t")

    @classmethod
    def make(cls, name: str, num_classes: int) -> nn.Module:
        """Return timm's network of a name."""
        import timm  # slow to import, so only when needed

        if not timm.is_model(name):
            raise _unknown(cls.prefix, name, timm.list_models(), "timm.list_models()")
        network: nn.Module = timm.create_model(name, pretrained=False, num_classes=num_classes)
        return network

    @classmethod
    def own_side(cls, network: nn.Module) -> int:
        """Return the side of the images that timm made a network for."""
        return int(getattr(network, "default_cfg", {}).get("input_size", (3, 224, 224))[-1])


@register_family("torchvision")
class TorchvisionFamily(_Library):
    """Those of torchvision."""

    prefix = "torchvision:"
    pattern = "torchvision:NAME with NAME one of torchvision.models.list_models()"
    examples = ("torchvision:shufflenet_v2_x0_5", "torchvision:resnet18")

    @classmethod
    def make(cls, name: str, num_classes: int) -> nn.Module:
        """Return torchvision's network of a name."""
        from torchvision import models as library  # slow to import, so only when needed

        names = library.list_models(library)  # the classifiers, not those for detection or video
        if name not in names:
            raise _unknown(cls.prefix, name, names, "torchvision.models.list_models()")
        more = {"aux_logits": False, "init_weights": True} if name in ("googlenet", "inception_v3") else {}
        network: nn.Module = library.get_model(name, weights=None, num_classes=num_classes, **more)
        return network


def _unknown(prefix: str, name: str, names: Sequence[str], listing: str) -> InvalidValue:
    """Return the error for a name that a library does not have; it has too many to list them all."""
    found = nearest(name, names)
    hint = f"did you mean {prefix}{found}? " if found else ""
    return InvalidValue("model_name", prefix + name, f"{hint}{listing} has the {len(names)} valid names")


@functools.cache
def _outline(family: type[_Library], name: str) -> nn.Module:
    """Return a network without weights, for looking at."""
    inside = name.removeprefix(family.prefix)
    with default_generator_seeded(0):
        try:
            with torch.device("meta"):
                network = family.make(inside, _ODD)
        except NotImplementedError:  # its code computes with numbers of tensors, which those on meta do not have
            network = family.make(inside, _ODD).to("meta")
    return network.eval()


@functools.cache
def _facts(family: type[_Library], name: str) -> tuple[str, tuple[int, int | None, int | None]]:
    """Return the output layer's name and the images that a network takes.

    Raises:
        InvalidValue: if it is no classifier of images, or has several output layers.
    """
    network = _outline(family, name)
    own = family.own_side(network)
    taken = [side for side in dict.fromkeys((own, *_SIDES)) if _gives_logits(network, side, side)]
    if not taken:
        raise InvalidValue("model_name", name, "is no network that takes images and returns a logit for each class")
    outputs = [layer for layer, module in network.named_modules() if _outputs(module) == _ODD]
    if len(outputs) != 1:
        raise InvalidValue("model_name", name, f"has {len(outputs)} output layers, not one: {', '.join(outputs)}")
    side = taken[0] if len(taken) == 1 else None
    return outputs[0], (3, side, side)


def _outputs(module: nn.Module) -> int | None:
    """Return how many outputs a layer with weights of its own has; None for any other module."""
    if "weight" not in module._parameters:
        return None
    return getattr(module, "out_features", getattr(module, "out_channels", None))


def _gives_logits(network: nn.Module, height: int, width: int) -> bool:
    """Return whether images of a size become logits."""
    try:
        with torch.no_grad():
            logits = network(torch.zeros(2, 3, height, width, device="meta"))
    except Exception:  # of whatever kind: the libraries check sizes in many ways
        return False
    return isinstance(logits, Tensor) and logits.shape == (2, _ODD)
