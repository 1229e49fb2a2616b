"""The plugin by itself; run it where both open_lth and the plugin can be imported: `pytest tests`."""

import pytest
import torch
from mc_dropout.dropout import add_dropout, default_generators_seeded
from mc_dropout.hparams import McDropoutHparams
from mc_dropout.suite import series
from mc_dropout.variant import McDropout
from torch import nn

from foundations.errors import InvalidValue, UserError
from foundations.randomness import RandomStreams
from models import ModelHparams
from open_lth.suites import Scale
from training import Deterministic, Precision, PredictionRequest

CPU = torch.device("cpu")
VGG = ModelHparams(model_name="cifar_vgg_11_4", model_init="kaiming_normal", batchnorm_init="uniform")


def kind(rate: float, samples: int = 4) -> McDropout:
    return McDropout(McDropoutHparams(rate=rate, samples=samples))


def request_for(images: torch.Tensor, occasion: str) -> PredictionRequest:
    return PredictionRequest(
        images=lambda: [images],
        calibration=list,
        streams=RandomStreams(replicate=1),
        occasion=occasion,
        precision=Precision("fp32", CPU),
    )


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_dropout_keeps_the_mean_and_gives_the_variance_that_it_must():
    """Of y = w x z / (1 - p) with z ~ Bernoulli(1 - p), mean and variance are sums of w x and p / (1 - p) (w x)^2."""
    model = nn.Sequential(nn.Linear(3, 6), nn.Linear(6, 1))
    add_dropout(model, rate=0.3)
    hidden = torch.tensor([1.0, -2.0, 0.5, 3.0, -1.0, 2.0])
    terms = model[1].weight[0] * hidden
    with torch.no_grad(), default_generators_seeded(0, CPU):
        outputs = model[1](hidden.expand(200_000, 6)) - model[1].bias
    assert outputs.mean().item() == pytest.approx(terms.sum().item(), abs=0.02)
    assert outputs.var().item() == pytest.approx(0.3 / 0.7 * (terms**2).sum().item(), rel=0.03)


def test_the_image_is_not_dropped():
    model = nn.Sequential(nn.Linear(3, 6))
    add_dropout(model, rate=0.9)
    image = torch.randn(4, 3)
    assert torch.equal(model(image), model(image))


def test_names_and_initial_weights_are_the_deterministic_networks():
    ours, theirs = kind(0.5).build(VGG, 10, seed=3).state_dict(), Deterministic().build(VGG, 10, seed=3).state_dict()
    assert list(ours) == list(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_predictions_vary_by_occasion_and_with_it_alone(images):
    model = kind(0.3).build(VGG, 10, seed=3)
    state = torch.get_rng_state()
    one, again, other = (
        kind(0.3).predict(model, request_for(images, occasion)).log_probabilities for occasion in ("1", "1", "2")
    )
    assert torch.equal(one, again) and bool((one != other).any(dim=1).all())
    assert one.exp().sum(dim=1).tolist() == pytest.approx([1.0] * 5)
    assert torch.equal(torch.get_rng_state(), state) and model.training


def test_a_prediction_is_the_mean_of_its_passes(images):
    model = kind(0.3).build(VGG, 10, seed=3)
    request = request_for(images, "1")
    passes = torch.stack(list(kind(0.3).sample_log_probabilities(model, request))).exp()
    assert len(passes) == 4
    torch.testing.assert_close(kind(0.3).predict(model, request).log_probabilities.exp(), passes.mean(dim=0))
    assert bool((passes.var(dim=0).sum(dim=1) > 0).all())
    # By Jensen's inequality the mean is less certain than its parts are on average.
    entropy = -(passes.mean(dim=0) * passes.mean(dim=0).log()).sum(dim=1)
    assert bool((entropy > -(passes * passes.log()).sum(dim=2).mean(dim=0)).all())


def test_without_dropout_it_predicts_as_the_deterministic_network_bit_by_bit(images):
    request = request_for(images, "1")
    ours = kind(0.0).predict(kind(0.0).build(VGG, 10, seed=3), request)
    theirs = Deterministic().predict(Deterministic().build(VGG, 10, seed=3), request)
    assert torch.equal(ours.log_probabilities, theirs.log_probabilities) and ours.sample_entropies is None


@pytest.mark.parametrize(("field", "value"), [("rate", 1.0), ("rate", -0.1), ("samples", 0)])
def test_impossible_values_are_refused_by_name(field, value):
    with pytest.raises(InvalidValue, match=f"^--{field}={value}: must be at least"):
        McDropoutHparams(**{field: value})


def test_a_scale_of_others_has_no_curves_and_an_incomplete_one_is_refused():
    assert series(Scale({"networks": {}, "levels": 3}, "others.json")) == []
    with pytest.raises(UserError, match=r"^--scale=mine\.json: mc_dropout: networks is missing$"):
        series(Scale({"mc_dropout": {"levels": 3}}, "mine.json"))
