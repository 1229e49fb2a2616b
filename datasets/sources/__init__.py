"""The data sets, one file for each kind of files; importing this registers them."""

from datasets.sources import arrays, cifar, digits, folder, idx, imagenet, svhn

__all__ = ["arrays", "cifar", "digits", "folder", "idx", "imagenet", "svhn"]
