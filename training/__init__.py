"""Objectives, optimisers, schedules, the one training loop, checkpoints and measures."""

from foundations.interruption import Interrupted
from foundations.metric_logger import MetricLogger
from training import optimizers  # noqa: F401 - importing optimisers registers them
from training.batchnorm import batchnorm_layers, recalibrate, statistics_restored
from training.callbacks import Callback, run_at_step, run_every_epoch
from training.checkpoint import TrainingState
from training.data import check_images_fit
from training.evaluation import Evaluator
from training.finite import Diverged
from training.hparams import OPTIMIZERS, ParameterGroups, TrainingHparams
from training.measures import (
    area_under_risk_coverage_curve,
    bootstrap_intervals,
    calibration_floors,
    cross_fitted_temperatures,
    detection_measures,
    fit_temperature,
    measure,
    reliability,
    scale_by_temperature,
    uncertainty_scores,
)
from training.objective import (
    OBJECTIVES,
    Loss,
    Objective,
    RepeatableObjective,
    TrainingCircumstances,
    accuracy,
    loss_of,
)
from training.optimizers import unreached_changes
from training.own_callbacks import CALLBACKS, CallbackCircumstances
from training.passes import Passes, logits_of
from training.placement import place
from training.precision import Precision
from training.prediction import Prediction, average
from training.probing import (
    average_gradient,
    endless_batches,
    mean_gradient,
    probing_loader,
    training_batches,
)
from training.reports import Report
from training.run import TrainingRun
from training.sinks import SINKS
from training.variant import (
    ALL_LAYERS,
    CURRICULA,
    VARIANTS,
    Deterministic,
    Diagnostics,
    ImageBatches,
    ModelVariant,
    PredictionRequest,
    VariantHparams,
    constant_name,
)

__all__ = [
    "ALL_LAYERS",
    "CALLBACKS",
    "CURRICULA",
    "OBJECTIVES",
    "OPTIMIZERS",
    "SINKS",
    "VARIANTS",
    "Callback",
    "CallbackCircumstances",
    "Deterministic",
    "Diagnostics",
    "Diverged",
    "Evaluator",
    "ImageBatches",
    "Interrupted",
    "Loss",
    "MetricLogger",
    "ModelVariant",
    "Objective",
    "ParameterGroups",
    "Passes",
    "Precision",
    "Prediction",
    "PredictionRequest",
    "RepeatableObjective",
    "Report",
    "TrainingCircumstances",
    "TrainingHparams",
    "TrainingRun",
    "TrainingState",
    "VariantHparams",
    "accuracy",
    "area_under_risk_coverage_curve",
    "average",
    "average_gradient",
    "batchnorm_layers",
    "bootstrap_intervals",
    "calibration_floors",
    "check_images_fit",
    "constant_name",
    "cross_fitted_temperatures",
    "detection_measures",
    "endless_batches",
    "fit_temperature",
    "logits_of",
    "loss_of",
    "mean_gradient",
    "measure",
    "place",
    "probing_loader",
    "recalibrate",
    "reliability",
    "run_at_step",
    "run_every_epoch",
    "scale_by_temperature",
    "statistics_restored",
    "training_batches",
    "uncertainty_scores",
    "unreached_changes",
]
