"""The data sets, one file each; importing this registers them."""

from datasets.sources import cifar10, cifar100, digits, fashion_mnist, imagenet, mnist, svhn

__all__ = ["cifar10", "cifar100", "digits", "fashion_mnist", "imagenet", "mnist", "svhn"]
