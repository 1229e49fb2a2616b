"""Measures of predictions: against labels, against calibrated ones, and of what tells in- from out-of-distribution."""

from training.measures.detection import detection_measures, uncertainty_scores
from training.measures.predictive import (
    brier_score,
    calibration_errors,
    entropies,
    expected_calibration_error,
    mean_absolute_calibration_error,
    measure,
    pooled_mean_absolute_calibration_error,
    reliability,
)
from training.measures.resampling import bootstrap_intervals, calibration_floors
from training.measures.selective import area_under_risk_coverage_curve
from training.measures.temperature import cross_fitted_temperatures, fit_temperature, scale_by_temperature

__all__ = [
    "area_under_risk_coverage_curve",
    "bootstrap_intervals",
    "brier_score",
    "calibration_errors",
    "calibration_floors",
    "cross_fitted_temperatures",
    "detection_measures",
    "entropies",
    "expected_calibration_error",
    "fit_temperature",
    "mean_absolute_calibration_error",
    "measure",
    "pooled_mean_absolute_calibration_error",
    "reliability",
    "scale_by_temperature",
    "uncertainty_scores",
]
