"""The notebook's network and trainer, with the methods of `interface.Learner` that make sense for it."""

import contextlib
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import brainpy as bp
import brainpy.math as bm
import jax
import numpy as np
from brainpy import tools

from implementations import checks, process
from implementations.network import Network
from implementations.notebook.availability import RULES, unavailable
from implementations.notebook.data import T_CUE_SPACING, Trials
from implementations.notebook.loss import loss_fun
from implementations.notebook.network import N_IN, N_OUT, EligSNN
from implementations.notebook.scope import notebook_environment
from implementations.notebook.settings import BATCHES_PER_EPOCH, LEARNING_RATE
from implementations.objective import Objective
from implementations.state import Entry, checked
from implementations.types import Activity, Batch, Gradients, Metrics

# What a batch has to fit: sizes and window, and nothing of the dynamics.
_AS_NETWORK, _AS_OBJECTIVE = Network(n_in=N_IN, n_out=N_OUT), Objective(window=T_CUE_SPACING)


@dataclass(frozen=True, eq=False)
class _Loaded:
    """A batch on the device: spikes (batch, time, n_in) bool, targets (batch,) int."""

    spikes: jax.Array
    targets: jax.Array


class NotebookLearner:
    """What the notebook builds before it trains: network, `bp.BPTT`, Adam, and the monitor of spikes.

    Args:
        rule: "bptt" (eprop=False, as published) or "eprop_symmetric" (eprop=True).
        seed: of the weights, an integer >= 0.
        device: "cpu" or "cuda".

    Raises:
        InvalidArgument: (a ValueError) for an argument that is not what it may be, or if it can't run here.
    """

    def __init__(self, rule: str = "bptt", seed: int = 0, device: str = "cpu") -> None:
        eprop = RULES[checks.choice("rule", rule, RULES)]
        checks.integer("seed", seed, 0)
        reason = unavailable(device)
        if reason is not None:
            raise checks.InvalidArgument(f"the notebook can't run here: {reason}")
        process.keep(self, ("brainpy", "jax"))
        self._device = device
        self._trainer: Any  # BrainPy's types are too narrow for what its trainer does
        with self._environment():
            self._network = EligSNN(eprop=eprop, seed=seed)
            self._trainer = bp.BPTT(
                self._network,
                loss_fun,
                loss_has_aux=True,
                optimizer=bp.optim.Adam(lr=LEARNING_RATE),
                monitors={"r.spike": self._network.r.spike},
            )
        # A bar would call back to Python in the middle of each trial; `fit` switches it off in the same way.
        self._trainer.progress_bar = False
        self._shared = tools.DotDict(fit=True)
        names = {id(weight): name for name, weight in self._network.weights().items()}
        self._names = {
            key: names[id(weight)] for key, weight in self._trainer.optimizer.vars_to_train.items()
        }

    @property
    def engine(self) -> str:
        """As of the interface."""
        return "own"

    def load(self, batch: Batch) -> Any:
        """Bring a batch to the device; `fit` brings each batch when it steps.

        Raises:
            InvalidArgument: (a ValueError) where the batch doesn't fit the network or the loss.
        """
        batch.check_fits(_AS_NETWORK, _AS_OBJECTIVE, np.dtype(np.float32))
        with self._environment():
            return _Loaded(bm.as_jax(bm.asarray(batch.spikes)), bm.as_jax(bm.asarray(batch.targets)))

    def step(self, loaded: _Loaded) -> Metrics:
        """One training step, the body of `fit`'s loop. May return before it is done."""
        with self._environment():
            self._reset(len(loaded.targets))
            _, figures = self._trainer.f_train(self._shared, loaded.spikes, loaded.targets)
            return _metrics(figures)

    def evaluate(self, loaded: _Loaded) -> Metrics:
        """Metrics of a loaded batch: the forward pass alone."""
        with self._environment():
            self._reset(len(loaded.targets))
            _, figures = self._trainer.f_loss(self._shared, loaded.spikes, loaded.targets)
            return _metrics(figures)

    def gradients(self, loaded: _Loaded) -> tuple[Gradients, Metrics]:
        """Gradients, as the trainer hands them to Adam, and metrics, as NumPy arrays and floats."""
        with self._environment():
            self._reset(len(loaded.targets))
            found, _, figures = self._trainer.f_grad(self._shared, loaded.spikes, loaded.targets)
            named = {self._names[key]: np.asarray(gradient) for key, gradient in found.items()}
            return Gradients(**named), _metrics(figures)

    def fit_epoch(
        self,
        train_data: Callable[[], Iterable[Trials]],
        report: Callable[[Mapping[str, float]], None],
    ) -> None:
        """One epoch of the notebook's `trainer.fit`, ten steps; `report` gets what its log would show.

        The notebook asks for forty epochs at once; the trainer keeps all that one passes to the next.
        """

        def after_report(_step: int, figures: Mapping[str, Any], _phase: str) -> None:
            report({name: float(value) for name, value in figures.items()})

        # Its log counts steps from 0 in each call, and is read from an early clock: training.py has another.
        with self._environment(), contextlib.redirect_stdout(io.StringIO()):
            self._trainer.fit(
                train_data, num_epoch=1, num_report=BATCHES_PER_EPOCH, fun_after_report=after_report
            )

    def simulate(self, loaded: _Loaded) -> Activity:
        """Spikes (batch, time, n_rec) and readout (batch, time, n_out), as the notebook gets them to draw."""
        with self._environment():
            runner = bp.DSTrainer(
                self._network, monitors={"spike": self._network.r.spike}, progress_bar=False
            )
            readout = runner.predict(loaded.spikes, reset_state=True)
            return Activity(np.asarray(runner.mon["spike"]) > 0.0, np.asarray(readout))

    def synchronize(self) -> None:
        """Wait until all that was asked for is done."""
        jax.block_until_ready([variable.value for variable in self._variables().values()])

    def state(self) -> dict[str, np.ndarray]:
        """Weights and what Adam keeps, as NumPy arrays: what a checkpoint stores."""
        return {name: np.array(variable.value) for name, variable in self._variables().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take up a state that `state` returned, one with NaN and infinity, too.

        Raises:
            InvalidArgument: (a ValueError) for a state that is damaged; the learner is as it was.
        """
        variables = self._variables()
        expected = {
            name: Entry(
                variable.shape,
                np.dtype(variable.dtype),
                finite=False,
                negative=name != "adam_step" and not name.endswith("_v"),
            )
            for name, variable in variables.items()
        }
        found = checked(state, expected)
        with self._environment():
            for name, variable in variables.items():
                variable.value = bm.as_jax(bm.asarray(found[name], dtype=variable.dtype))

    def _variables(self) -> dict[str, bm.Variable]:
        """All that training changes, under names that no count of instances is part of."""
        optimizer = self._trainer.optimizer
        moments = {
            f"{self._names[key]}_{which}": optimizer.implicit_vars[f"{key}_{which}"]
            for key in self._names
            for which in ("m", "v")
        }
        return {
            **self._network.weights(),
            **moments,
            "adam_step": optimizer.step,
            "last_epoch": optimizer.lr.last_epoch,
        }

    def _reset(self, batch: int) -> None:
        self._network.reset(batch)
        self._trainer.reset_state()

    def _environment(self) -> contextlib.AbstractContextManager[None]:
        return notebook_environment(self._device)


def _metrics(figures: Mapping[str, Any]) -> Metrics:
    """The loss's figures; it has no mean rate over all neurons, which is NaN."""
    loss, rate_loss, accuracy = (bm.as_jax(figures[name]) for name in ("loss", "loss reg", "accuracy"))
    return Metrics(loss, loss - rate_loss, rate_loss, accuracy, float("nan"))
