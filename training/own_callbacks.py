"""What happens between training steps because a user asks for it by name: the extension point for more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from foundations.errors import InvalidValue
from foundations.hparams import Hparams
from foundations.paths import RunPaths
from foundations.registry import Registry
from foundations.step import Step
from training.callbacks import Callback, save_model
from training.checkpoint import TrainingState
from training.evaluation import Evaluator


@dataclass(frozen=True)
class CallbackCircumstances:
    """The training in which a callback runs.

    Args:
        paths: where the run's files lie.
        start: the step with which training begins, 0 unless weights are rewound to a later one.
        end: the step with which it ends.
        evaluator: measures networks on the test examples; `evaluator.train` has the training examples.
        is_leader: whether this process writes files, which one of several does.
        hparams: the groups of hyperparameters by name, `training_hparams` and the like; on processes that only help,
            those of the training alone.
    """

    paths: RunPaths
    start: Step
    end: Step
    evaluator: Evaluator
    is_leader: bool
    hparams: Mapping[str, Hparams] = field(default_factory=dict)


CALLBACKS: Registry[Callable[[CallbackCircumstances], Callback]] = Registry("callbacks")
"""Each makes a callback for a training. It is called before every step and after the last one with the network, the
optimiser, the step and the logger (`TrainingState`); gradients of the step before are not always there. A run that was
stopped calls it again at the step from which it goes on, where it must do the same."""


def own_callbacks(names: str, circumstances: CallbackCircumstances) -> list[Callback]:
    """Return the callbacks of some names, separated by commas, in their order.

    Raises:
        InvalidValue: if one is not registered.
    """
    return [CALLBACKS.get(name)(circumstances) for name in filter(None, names.split(","))]


def save_every(text: str, circumstances: CallbackCircumstances) -> Callback:
    """Save the network whenever so much more has been trained since step 0, at the end apart.

    Args:
        text: how much, e.g. `1ep` or `100it`.

    Raises:
        InvalidValue: if it is no number of steps, or none.
    """
    try:
        period = Step.from_str(text, circumstances.end.iterations_per_epoch).iteration
    except ValueError as error:
        raise InvalidValue("save_every", text, str(error)) from None
    if period == 0:
        raise InvalidValue("save_every", text, "must be at least 1it")
    save = save_model(circumstances.paths)

    def callback(state: TrainingState) -> None:
        is_due = state.step.iteration % period == 0 and circumstances.start < state.step < circumstances.end
        if is_due and circumstances.is_leader and not circumstances.paths.model(state.step).exists():
            save(state)

    return callback
