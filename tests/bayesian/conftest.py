"""The plugin registered, small networks of its kind, and what they are trained and asked with."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

import cli
from bayesian.adapter import convert, variational_tensors
from bayesian.hparams import BayesianHparams
from bayesian.variant import BAYESIAN, Bayesian
from foundations.randomness import RandomStreams
from models import MODEL_FAMILIES, ModelFamily, ModelHparams, find_family
from training import PredictionRequest, TrainingCircumstances
from training.precision import Precision

NUM_EXAMPLES = 50


@functools.cache
def smallest_example(family: ModelFamily) -> str:
    """Return the example of a family with the fewest parameters."""

    def size(name: str) -> int:
        with torch.device("meta"):
            return sum(parameter.numel() for parameter in family.build(name, 10).parameters())

    return min(family.examples, key=size)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let `any_model` be the smallest example of every registered family."""
    if "any_model" in metafunc.fixturenames:
        names = [smallest_example(family) for _, family in MODEL_FAMILIES.items()]
        metafunc.parametrize("any_model", names, scope="module")


@pytest.fixture(scope="session", autouse=True)
def plugin() -> None:
    """Register the plugin as the command line does, so that both may happen in one session."""
    cli.load_plugins()


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Compute on one thread: these networks are too small to share out."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_hparams() -> Callable[..., BayesianHparams]:
    """Make the Bayesian hyperparameters, two samples unless told otherwise."""

    def make(**changes: object) -> BayesianHparams:
        return BayesianHparams(**{"variant_name": BAYESIAN, "samples": 2, **changes})

    return make


@pytest.fixture
def make_network(make_hparams: Callable[..., BayesianHparams]) -> Callable[..., nn.Module]:
    """Make a registered network's Bayesian kind."""

    def make(name: str, init_std: float = 0.01, seed: int = 0, **changes: object) -> nn.Module:
        initial = {"model_init": "kaiming_uniform", "batchnorm_init": "uniform"}
        hparams = ModelHparams(model_name=name, **{**initial, **changes})
        return Bayesian(make_hparams(init_std=init_std)).build(hparams, 10, seed)

    return make


class SmallNetwork(nn.Module):
    """A convolution with bias, BatchNorm and a linear layer without bias: one of each kind of tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 3, 3)
        self.bn = nn.BatchNorm2d(3)
        self.fc = nn.Linear(12, 4, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map images (B, 2, 4, 4) to logits (B, 4)."""
        return self.fc(self.bn(self.conv(images)).tanh().flatten(1))


@pytest.fixture
def small_pair() -> Callable[..., tuple[nn.Module, nn.Module]]:
    """Make a small deterministic network and its Bayesian twin, whose stds are large and all different."""

    def make(dtype: torch.dtype = torch.float64, std: float = 0.3) -> tuple[nn.Module, nn.Module]:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            deterministic, bayesian = SmallNetwork().to(dtype), SmallNetwork().to(dtype)
            nn.init.uniform_(deterministic.bn.weight, 0.5, 1.5)
            nn.init.uniform_(deterministic.bn.bias, -0.5, 0.5)
            bayesian.load_state_dict(deterministic.state_dict())
            convert(bayesian, lambda fan_in: 0.01 * (3 * fan_in) ** -0.5)
            with torch.no_grad():
                for tensor in variational_tensors(bayesian):
                    tensor.log_std.uniform_(-0.5, 0.5).add_(torch.tensor(std).log())
        return deterministic, bayesian

    return make


@pytest.fixture
def small_batch() -> Callable[..., tuple[Tensor, Tensor]]:
    """Make images and labels for the small network."""

    def make(count: int = 6, dtype: torch.dtype = torch.float64, seed: int = 1) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        images = torch.randn(count, 2, 4, 4, generator=generator, dtype=dtype)
        return images, torch.randint(4, (count,), generator=generator)

    return make


@pytest.fixture
def images_for() -> Callable[..., Tensor]:
    """Make images that a registered network takes."""

    def make(name: str, count: int, seed: int = 0) -> Tensor:
        channels, height, width = find_family(name).image_shape
        shape = (count, channels, height or 64, width or 64)
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))

    return make


@pytest.fixture
def circumstances() -> TrainingCircumstances:
    """A training run of replicate 1 on fifty examples."""
    return TrainingCircumstances(NUM_EXAMPLES, RandomStreams(1), Precision("fp32", torch.device("cpu")))


@pytest.fixture
def make_request() -> Callable[..., PredictionRequest]:
    """Ask for predictions of batches of images."""

    def make(*batches: Tensor, calibration: tuple[Tensor, ...] = (), occasion: str = "0/") -> PredictionRequest:
        precision = Precision("fp32", torch.device("cpu"))
        return PredictionRequest(lambda: batches, lambda: calibration, RandomStreams(1), occasion, precision)

    return make


class Draws:
    """Every sample of all weights that a network is run with, in order, as tensors by canonical name."""

    def __init__(self, model: nn.Module) -> None:
        self._tensors = variational_tensors(model)
        self.samples: list[dict[str, Tensor]] = []
        model.register_forward_pre_hook(lambda *_: self._record())

    def _record(self) -> None:
        found = {tensor.name: tensor.layer.__dict__[tensor.variable].detach().clone() for tensor in self._tensors}
        if not self.samples or any(not found[name].equal(value) for name, value in self.samples[-1].items()):
            self.samples.append(found)

    def noise(self) -> list[dict[str, Tensor]]:
        """The samples, standardised by the network's own means and stds."""
        return [
            {t.name: (sample[t.name] - t.mean.detach()) / t.log_std.detach().exp() for t in self._tensors}
            for sample in self.samples
        ]


@pytest.fixture
def watch() -> Callable[[nn.Module], Draws]:
    """Record the weights that a Bayesian network is run with."""
    return Draws
