"""Training images a second: on the device in batches, beside one by one with PIL and torchvision.

    python benchmarks/data_pipeline.py --dataset_root DIR

draws batches of 128 augmented, normalised training images, on one thread, in two ways: with open_lth's loader, and as
is usual, with a `DataLoader` that turns each image into a PIL image, crops and mirrors it with torchvision's
transforms, and makes a normalised tensor of it. Images are 32x32 in colour (50,000, of noise, in CIFAR-10's shape), and
Fashion-MNIST where it is there. Beside them stands a training step of ResNet-20 on such a batch.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torchvision.transforms as T
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from datasets import DATASETS, Batch, DatasetHparams, DatasetSource, Loader, load_train
from foundations.context import RunContext
from foundations.places import default_dataset_root
from foundations.randomness import RandomStreams
from measuring import Competitor, Work, print_header, print_row, side_by_side, spread
from random_images import random_images
from steps import training_step

BATCH = 128
OURS_PER_TURN, THEIRS_PER_TURN = 400, 10  # batches


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    args = _arguments(argv)
    print_header(
        "data", "DataLoader (images/s)", "open_lth (images/s)", "times as fast", f"share of a {args.network} step (%)"
    )
    for name, title in _data_sets(args):
        where = (name, args.images, args.dataset_root)
        ours, theirs, step = side_by_side(
            [
                Competitor("the loader", device_batches, where, OURS_PER_TURN),
                Competitor("PIL", image_by_image_batches, where, THEIRS_PER_TURN),
                Competitor("the step", training_step, (args.network, "weights", 0, BATCH)),
            ],
            args.rounds,
        )
        share = spread(100 * batch / whole for batch, whole in zip(ours.seconds, step.seconds, strict=True))
        print_row(title, f"{BATCH / theirs.median:,.0f}", f"{BATCH / ours.median:,.0f}", theirs.over(ours), share)


def _data_sets(args: argparse.Namespace) -> Iterator[tuple[str, str]]:
    yield "random_images", f"{args.images:,} images of 32x32 in colour"
    if list(args.dataset_root.rglob("train-images-idx3-ubyte*")):
        yield "fashion_mnist", "Fashion-MNIST"


def device_batches(name: str, images: int, dataset_root: Path) -> Work:
    """Return what draws open_lth's next batch."""
    hparams = DatasetHparams(dataset_name=_registered(name, images), batch_size=BATCH)
    context = RunContext(root=dataset_root, dataset_root=dataset_root)
    loader = load_train(hparams, None, "", RandomStreams(1), context, memory_format=torch.channels_last)
    return _whole_batches(loader).__next__


def _whole_batches(loader: Loader) -> Iterator[Batch]:
    for epoch in itertools.count():
        yield from itertools.islice(loader.epoch(epoch), loader.num_examples // BATCH)


class ImageByImage(Dataset[tuple[torch.Tensor, int]]):
    """A data set as torchvision has them: `[i]` decodes, augments and normalises one image."""

    def __init__(self, source: DatasetSource, root: Path) -> None:
        examples = source.load(root, train=True)
        self._images = examples.images.permute(0, 2, 3, 1).contiguous().numpy()
        self._labels = examples.labels.tolist()
        height, width = source.image_shape[1:]
        crop = [T.RandomCrop((height, width), padding=source.crop_padding)] if source.crop_padding else []
        flip = [T.RandomHorizontalFlip()] if source.flip else []
        self._transform = T.Compose([*crop, *flip, T.ToTensor(), T.Normalize(source.mean, source.std)])

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        pixels = self._images[index]
        image = Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1] == 1 else pixels)
        return self._transform(image), self._labels[index]


def image_by_image_batches(name: str, images: int, dataset_root: Path) -> Work:
    """Return what draws the next batch of torch's loader."""
    examples = ImageByImage(DATASETS.get(_registered(name, images))(), dataset_root)
    loader = DataLoader(examples, batch_size=BATCH, shuffle=True, drop_last=True)
    return itertools.chain.from_iterable(itertools.repeat(loader)).__next__


def _registered(name: str, images: int) -> str:
    return random_images(images, 0) if name == "random_images" else name


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset_root", type=Path, default=default_dataset_root(), help="where Fashion-MNIST may lie")
    parser.add_argument("--images", type=int, default=50_000, help="of noise (default: 50000)")
    parser.add_argument("--network", default="cifar_resnet_20", metavar="NAME", help="whose step (cifar_resnet_20)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of every competitor (default: 7)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
