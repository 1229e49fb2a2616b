"""The data sets, one file for each kind of files; importing this registers them."""

from datasets.sources import cifar, digits, idx, imagenet, svhn

__all__ = ["cifar", "digits", "idx", "imagenet", "svhn"]
