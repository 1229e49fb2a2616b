"""How the paper's methods look: black is deterministic, blue Bayesian, open markers are a variation of the same."""

from __future__ import annotations

from collections.abc import Mapping

from bayesian.paper import methods
from open_lth.suites.styles import (
    BLACK,
    BLUE,
    DASH_DOTTED,
    DASHED,
    DOTTED,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    SOLID,
    VERMILLION,
    Style,
)

_, _SQUARES, _ = methods.SCORES
_RELEASED_SNR, _RELEASED_SQUARES = methods.RELEASED_SCORES
_NEW_WEIGHTS, _LAYERWISE, _GLOBALLY, _EVENLY = methods.RANDOMISATIONS
_, _SCALED, _IN_LAYERS = methods.DETERMINISTIC_SCALES
_, _, _MEAN_SCALED, _MEAN_IN_LAYERS, _SHUFFLED_STD, _STD_OF_LAYERS, _STD_OF_FILTERS = methods.BAYESIAN_SCALES
_, _TRANSPLANTED_TRAINED = methods.TRANSPLANTS
_RANDOM, _RANDOM_TRAINED = methods.RANDOM_TRANSPLANTS

METHODS: Mapping[str, Style] = {
    methods.DETERMINISTIC: Style(BLACK, "o"),
    methods.BAYESIAN: Style(BLUE, "s"),
    _SQUARES: Style(VERMILLION, "D", DASHED),
    methods.MEAN: Style(GREEN, "^", DASH_DOTTED),
    _RELEASED_SNR: Style(SKY, "s", DOTTED, filled=False),
    _RELEASED_SQUARES: Style(ORANGE, "D", DOTTED, filled=False),
    _NEW_WEIGHTS: Style(GREEN, "P", SOLID),
    _LAYERWISE: Style(ORANGE, "v", DASHED),
    _GLOBALLY: Style(PURPLE, "X", DASH_DOTTED),
    _EVENLY: Style(SKY, "<", DOTTED),
    f"{_LAYERWISE}{methods.WHOLE_OUTPUT}": Style(ORANGE, "p", DASHED),
    f"{_GLOBALLY}{methods.WHOLE_OUTPUT}": Style(PURPLE, "p", DASH_DOTTED),
    f"{_EVENLY}{methods.WHOLE_OUTPUT}": Style(SKY, "p", DOTTED),
    _SCALED: Style(BLACK, "d", DASH_DOTTED, filled=False),
    _IN_LAYERS: Style(BLACK, "d", DOTTED, filled=False),
    _MEAN_SCALED: Style(GREEN, "*", DOTTED),
    _MEAN_IN_LAYERS: Style(ORANGE, "*", DASHED),
    _SHUFFLED_STD: Style(PURPLE, "*", DASH_DOTTED),
    _STD_OF_LAYERS: Style(SKY, "*", SOLID),
    _STD_OF_FILTERS: Style(VERMILLION, "*", DOTTED, filled=False),
    _TRANSPLANTED_TRAINED: Style(VERMILLION, ">", DASHED, filled=False),
    _RANDOM: Style(PURPLE, "H", SOLID),
    _RANDOM_TRAINED: Style(PURPLE, "H", DASHED, filled=False),
    methods.TRANSPLANTED: Style(VERMILLION, ">", SOLID),
    methods.ENSEMBLE: Style(GREEN, "h", SOLID),
    methods.AS_MANY_GRADIENTS: Style(BLUE, "h", DASHED),
    methods.LRR_DETERMINISTIC: Style(BLACK, "o", DASHED, filled=False),
    methods.LRR_BAYESIAN: Style(BLUE, "s", DASHED, filled=False),
    methods.LARGER_DETERMINISTIC: Style(BLACK, "^", DASH_DOTTED, filled=False),
    methods.LARGER_BAYESIAN: Style(BLUE, "v", DASH_DOTTED, filled=False),
}
"""By method."""
