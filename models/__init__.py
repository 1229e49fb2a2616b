"""Networks as plain `nn.Module`s, chosen by name, and the names of their prunable tensors."""

from models import cifar_resnet, cifar_vgg, cifar_vit, imagenet_resnet, lenet, library_networks  # noqa: F401 - registers the families
from models.build import build_network
from models.family import MODEL_FAMILIES, ModelFamily, find_family, numbers_in, register_family
from models.hparams import ModelHparams
from models.initializers import BATCHNORM_INITIALIZERS, INITIALIZERS, Initializer
from models.tensors import (
    batchnorm_tensor_names,
    output_tensor_names,
    prunable_layers,
    prunable_tensor_names,
)

__all__ = [
    "BATCHNORM_INITIALIZERS",
    "INITIALIZERS",
    "MODEL_FAMILIES",
    "Initializer",
    "ModelFamily",
    "ModelHparams",
    "batchnorm_tensor_names",
    "build_network",
    "find_family",
    "numbers_in",
    "output_tensor_names",
    "prunable_layers",
    "prunable_tensor_names",
    "register_family",
]
