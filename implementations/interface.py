"""The contract that every backend fulfils, documented here once.

A backend is a folder with a module `learner.py` that holds a final class `Learner`, derived from the one
below, and a function `unavailable(device)`. registry.py checks all arguments before it calls them.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from implementations import checks
from implementations.network import Network, Parameters
from implementations.objective import Objective
from implementations.optimizer import Adam
from implementations.rules import ALL, FEEDBACK, FILTERS, MODES, SIGNALS, Rule
from implementations.types import Activity, Batch, Gradients, Metrics


@dataclass(frozen=True)
class Setting:
    """What a learner is to do; all of it checked.

    `threads` is the number of CPU threads, None for all that this process may use. `devices` is the number
    of devices over which the trials of a batch are shared out.
    """

    rule: Rule
    mode: str
    network: Network
    objective: Objective
    optimizer: Adam
    dtype: np.dtype
    device: str
    threads: int | None = None
    devices: int = 1


@dataclass(frozen=True)
class Parts:
    """What the rules of a backend may be made of: any combination of these runs, any other is refused.

    Attributes:
        modes: modes of rules whose gradient keeps to each neuron.
        reset_gradient_alone: modes in which it may flow through the reset, too, but no other connection.
        hops: modes in which it may cross a number of recurrent connections.
        recurrent_gradient: modes in which it may cross as many as there are steps.
        reset_gradient: modes in which it may flow through these, few or many, and the reset.
        feedback, signals, cut: kinds of feedback matrix, signals and filters left out, as in `Rule`.
    """

    modes: tuple[str, ...] = MODES
    reset_gradient_alone: tuple[str, ...] = MODES
    hops: tuple[str, ...] = ("adjoint",)
    recurrent_gradient: tuple[str, ...] = ("adjoint",)
    reset_gradient: tuple[str, ...] = ("adjoint",)
    feedback: tuple[str, ...] = FEEDBACK
    signals: tuple[str, ...] = SIGNALS
    cut: tuple[str, ...] = FILTERS

    def missing(self, rule: Rule, mode: str | None = None) -> str | None:
        """The part of a rule that is not there, in words; None where it can run in `mode`, or in any mode."""
        if rule.feedback not in self.feedback:
            return f"{rule.feedback} feedback"
        if rule.signal not in self.signals:
            return f"the {rule.signal} as the signal that is sent back"
        if not set(rule.cut) <= set(self.cut):
            cut = " and ".join(part for part in rule.cut if part not in self.cut)
            return f"a way back without the filters {cut}"
        wanted = set(rule.modes if mode is None else (mode,))
        for needed, through, there in (
            (
                rule.hops > 0 and rule.reset_gradient,
                "the recurrent and the reset gradient",
                self.reset_gradient,
            ),
            (rule.hops == 0 and not rule.reset_gradient, "gradients that keep to each neuron", self.modes),
            (
                rule.hops == 0 and rule.reset_gradient,
                "the reset gradient without the recurrent gradient",
                self.reset_gradient_alone,
            ),
            (0 < rule.hops < ALL, "the recurrent gradient over some hops", self.hops),
            (rule.hops == ALL, "the recurrent gradient", self.recurrent_gradient),
        ):
            if needed and not there:
                return through
            if needed and wanted.isdisjoint(there):
                return f"{through} in the mode {' or '.join(sorted(wanted))}"
        return None


EPROP_AND_BPTT = Parts(
    reset_gradient_alone=(),
    hops=(),
    feedback=("readout", "fixed", "learned"),
    signals=("error",),
    cut=(),
)
"""What the kernels for cards have: no hop or all of them, and whole filters."""


class Learner(ABC):
    """A network on a backend and device, with a rule that computes gradients and an optimizer.

    Shapes, units and equations are those of README.md for every backend; they differ in cost alone.

    A network has diverged where a weight that its rule uses, or its task loss, is beyond the bounds of
    divergence.py, or NaN. `loss` and `task_loss` of its metrics are NaN then, from the first batch on that is
    computed with such weights: those of a step are its metrics before the update, so that the update which
    made the weights too large shows one step later. No call raises an error for it; training.py does.

    A step is all or nothing: Ctrl-C, or another error that comes in the midst of `step` or `restore`, leaves
    the learner as it was before, or as it is afterwards. Learners in several threads don't disturb each
    other; one learner is for one thread at a time. A learner works in the process that made it: in one that
    was forked from it, everything raises RuntimeError. `copy` and `pickle` make learners of their own, with
    the same setting and state.
    """

    data_parallel: ClassVar[bool] = False
    """Whether it can train one network on several devices."""

    _setting: Setting

    @staticmethod
    def parts(device: str) -> Parts:
        """What rules may be made of on a device, whichever engine computes there."""
        return Parts() if device == "cpu" else EPROP_AND_BPTT

    @property
    def setting(self) -> Setting:
        """What it does; all of it checked."""
        return self._setting

    @property
    def network(self) -> Network:
        """Sizes and constants of what is trained."""
        return self._setting.network

    @property
    def engine(self) -> str:
        """Which of its ways to compute this learner took, for a record; "own" where a backend has one."""
        return "own"

    @abstractmethod
    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        """Put the parameters on the device. They are not changed; the learner keeps its own."""

    @abstractmethod
    def load(self, batch: Batch) -> Any:
        """Bring a batch to the device, in the form that this backend computes with. Not timed.

        Raises:
            InvalidArgument: (a ValueError) where the batch doesn't fit the network or the objective, or has a
                mask, which the kernels for cards do not take.
        """

    @abstractmethod
    def gradients(self, loaded: Any) -> tuple[Gradients, Metrics]:
        """Gradients and metrics of a loaded batch, as NumPy arrays and floats."""

    @abstractmethod
    def step(self, loaded: Any) -> Metrics:
        """One training step: gradients, then the optimizer's update. May return before it is done."""

    @abstractmethod
    def evaluate(self, loaded: Any) -> Metrics:
        """Metrics of a loaded batch: the forward pass alone, nothing kept for a gradient."""

    @abstractmethod
    def simulate(self, loaded: Any) -> Activity:
        """Spikes and readout of a loaded batch, as NumPy arrays."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until all that was asked for is done."""

    @abstractmethod
    def parameters(self) -> Parameters:
        """The present weights, as NumPy arrays in the learner's dtype."""

    @abstractmethod
    def state(self) -> dict[str, np.ndarray]:
        """All that training changes, optimizer included, as NumPy arrays: what a checkpoint stores.

        Names and shapes are those of state.py, so that any backend goes on from the state of any other.
        """

    @abstractmethod
    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up a state that `state` returned, of a learner with the same network and rule, on any backend.

        Raises:
            InvalidArgument: (a ValueError) for a state that is damaged, or of another rule or network; the
                learner is as it was. state.py says what a state may be.
        """

    @staticmethod
    @abstractmethod
    def compilations() -> int:
        """Programs that this process compiled, or loaded from disk, for the backend up to now.

        0 for a backend that compiles nothing. A training loop is warm when this stands still.
        """


def check_loaded(loaded: Any, kind: type, setting: Setting) -> None:
    """Fail unless `loaded` is a `kind`, with the setting it was loaded for, and that one fits `setting`."""
    if not isinstance(loaded, kind):
        checks.fail(
            "loaded",
            checks.Description(f"of type {type(loaded).__name__}"),
            "what this learner's load(batch) returned",
        )
    made_for: Setting = loaded.setting
    same = ("n_in", "n_out")
    if (
        any(getattr(made_for.network, name) != getattr(setting.network, name) for name in same)
        or made_for.objective.loss != setting.objective.loss
        or made_for.objective.window != setting.objective.window
        or made_for.dtype != setting.dtype
    ):
        checks.fail(
            "loaded",
            checks.Description("loaded by a learner of another n_in, n_out, loss, window or dtype"),
            "what this learner's load(batch) returned",
        )
