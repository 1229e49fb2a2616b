"""What legends say; a method has one name in all figures."""

from __future__ import annotations

from collections.abc import Mapping

DETERMINISTIC = "deterministic"
BAYESIAN = "Bayesian, |μ|/σ"  # the paper's default score
MEAN = "Bayesian, |μ|"

SCORES: Mapping[str, str] = {
    BAYESIAN: "sparse_global_snr",
    "Bayesian, √(μ²+σ²)": "sparse_global_square",
    MEAN: "sparse_global_mu",
}
"""The paper's scores (section 5): method -> pruning strategy."""

RELEASED_SCORES: Mapping[str, str] = {
    "Bayesian, |μ|/(σ²+10⁻⁶)": "sparse_global_snr_released",
    "Bayesian, μ²+(log σ)²": "sparse_global_square_released",
}
"""What the paper's released code computes instead of the first two."""

RANDOMISATIONS: Mapping[str, tuple[str, ...]] = {
    "new weights": ("reinit",),
    "shuffled layerwise": ("shuffle", "--strategy=layerwise"),
    "shuffled globally": ("shuffle", "--strategy=global"),
    "shuffled evenly": ("shuffle", "--strategy=even"),
}
"""Method -> the branch and its flags (section 7)."""

WHOLE_OUTPUT = ", output layer whole"
"""What the name of a shuffle ends with that leaves the output layer alone."""

DETERMINISTIC_SCALES: Mapping[str, str] = {
    DETERMINISTIC: "",
    "deterministic, |w|·√fan-in": "sparse_global_scaled",
    "deterministic, |w| in each layer": "sparse_layerwise",
}
"""Method -> pruning strategy; the scale's own if empty."""

BAYESIAN_SCALES: Mapping[str, str] = {
    BAYESIAN: SCORES[BAYESIAN],
    MEAN: SCORES[MEAN],
    "Bayesian, |μ|·√fan-in": "sparse_global_mu_scaled",
    "Bayesian, |μ| in each layer": "sparse_layerwise_mu",
    "Bayesian, |μ|/σ, σ shuffled": "sparse_global_snr_shuffled",
    "Bayesian, |μ|/σ, mean σ of the layer": "sparse_global_snr_of_layers",
    "Bayesian, |μ|/σ, mean σ of the filter": "sparse_global_snr_of_filters",
}
"""Method -> pruning strategy."""

TRANSPLANTED = "transplanted"
TRANSPLANTS: Mapping[str, str] = {TRANSPLANTED: "init", "transplanted, trained weights": "end"}
RANDOM_TRANSPLANTS: Mapping[str, str] = {"random, same densities": "init", "random, trained weights": "end"}
"""Method -> from which weights (section 8 can be read either way)."""

ITERATIVE = "iterative magnitude pruning"
ENSEMBLE = "deterministic, ensemble"
AS_MANY_GRADIENTS = "Bayesian, |μ|/σ, a sample for each member"
LARGER_DETERMINISTIC, LARGER_BAYESIAN = "deterministic, larger network", "Bayesian, larger network"
LRR_DETERMINISTIC, LRR_BAYESIAN = "deterministic, LRR", "Bayesian, LRR"
