"""Suites of controls, each beside the claim that it can refute."""

from __future__ import annotations

from collections.abc import Iterable

from bayesian.paper import methods
from bayesian.paper.figures import figure, series_of, tickets
from bayesian.paper.scale import PaperScale
from bayesian.paper.trunk import Trunk, bayesian, deterministic, ensemble_of
from models import find_family
from open_lth.suites import Experiment, Series


@figure("layer_scale", "How much of |μ|/σ is the scale of layers?")
def layer_scale(scale: PaperScale) -> Iterable[Series]:
    """Scores that know layers but no σ of single weights, in both kinds of network, beside |w| and |μ|/σ.

    σ starts proportional to 1/√fan-in, so |μ|/σ weighs layers against each other as |w|·√fan-in does.
    """
    for panel, network in scale.networks.items():
        for method, strategy in methods.DETERMINISTIC_SCALES.items():
            words = (f"--pruning_strategy={strategy}",) if strategy else ()
            yield tickets(panel, method, deterministic(scale, network, words))
        for method, strategy in methods.BAYESIAN_SCALES.items():
            yield tickets(panel, method, bayesian(scale, network, strategy=strategy))


@figure("whole_output", "Shuffles that leave the output layer whole")
def whole_output(scale: PaperScale) -> Iterable[Series]:
    """Each shuffle as the paper has it, and as it is if the output layer takes no part.

    Across layers a shuffle takes the output layer's weights away, and classes with them. All draw anew at every level.
    """
    for label, network in scale.networks.items():
        kinds = (
            (f"{label}, deterministic", methods.DETERMINISTIC, deterministic(scale, network)),
            (f"{label}, Bayesian", methods.BAYESIAN, bayesian(scale, network)),
        )
        for panel, method, trunks in kinds:
            yield tickets(panel, method, trunks)
            for randomised, words in methods.RANDOMISATIONS.items():
                if words[0] == "shuffle":
                    drawn = (*words, "--level_seeds")
                    yield series_of(panel, randomised, (trunk.randomisation(*drawn) for trunk in trunks))
                    keep = f"--layers_to_keep={_output_layer(trunks[0].flags)}"
                    whole = (trunk.randomisation(*drawn, keep) for trunk in trunks)
                    yield series_of(panel, f"{randomised}{methods.WHOLE_OUTPUT}", whole)


def _output_layer(network: Iterable[str]) -> str:
    """Return the weight of a network's output layer, by the flags that name the network."""
    flags = {name: value for name, _, value in (word.partition("=") for word in network)}
    name = flags.get("--model_name") or flags["--default_hparams"]
    return f"{find_family(name).output_layer}.weight"


@figure("random_transplants", "Transplanted tickets beside random ones, from both starts")
def random_transplants(scale: PaperScale) -> Iterable[Series]:
    """Bayesian networks under deterministic tickets and under random masks of the same layerwise densities."""
    for panel, network in scale.networks.items():
        yield tickets(panel, methods.BAYESIAN, bayesian(scale, network))
        trunks = deterministic(scale, network)
        for method, start in methods.TRANSPLANTS.items():
            yield series_of(panel, method, (_transplant(scale, trunk, start, ()) for trunk in trunks))
        for method, start in methods.RANDOM_TRANSPLANTS.items():
            drawn = ((trunk, (f"--shuffle_seed={trunk.replicate}",)) for trunk in trunks)
            yield series_of(panel, method, (_transplant(scale, trunk, start, words) for trunk, words in drawn))


def _transplant(scale: PaperScale, trunk: Trunk, start: str, words: Iterable[str]) -> Experiment:
    at = () if start == "init" else (f"--start_at={start}",)
    return trunk.branch("transplant", *scale.bayesian, *at, *words)


@figure("ensemble", "Bayesian networks beside an ensemble of deterministic ones, at equal gradients")
def ensemble(scale: PaperScale) -> Iterable[Series]:
    """As many samples a step as the ensemble has members, so that a level of either takes as many gradients."""
    for panel, network in scale.networks.items():
        trunks = deterministic(scale, network)
        yield series_of(panel, methods.DETERMINISTIC, (trunk.evaluation(1) for trunk in trunks))
        if len(trunks) > 1:
            yield series_of(panel, methods.ENSEMBLE, [ensemble_of(trunks)])
        samples = (f"--bayesian_samples={len(trunks)}", "--bayesian_estimator=weights")
        own = bayesian(scale, network, samples)
        yield series_of(panel, methods.AS_MANY_GRADIENTS, (trunk.evaluation(1) for trunk in own))


@figure("settings", "What the paper leaves open, one setting at a time")
def settings(scale: PaperScale) -> Iterable[Series]:
    """The Bayesian network of the scale beside the same with one setting changed each."""
    for panel, network in scale.networks.items() if scale.settings else ():
        yield tickets(panel, methods.BAYESIAN, bayesian(scale, network))
        for method, words in scale.settings.items():
            yield tickets(panel, method, bayesian(scale, network, words))
