"""The notebook's training, epoch by epoch: like `implementations.training`, it yields what happened.

An epoch is ten steps and a line of the log, "Train 10 steps, use X s, ...". In the notebook, X is the time
since the line before, the drawing of the trials included, but read before the last of the ten steps are done:
JAX returns before they are, and the wait that follows counts nowhere. Here every step is waited for, which
costs the overlap of drawing and computing. `train_s` has the steps alone, as for every other system; `log_s`
is X, with the drawing and all of the ten steps.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from implementations.notebook.data import Trials, draw, get_data, seed_trials
from implementations.notebook.learner import NotebookLearner
from implementations.notebook.network import N_IN
from implementations.notebook.settings import BATCHES_PER_EPOCH, N_BATCH, N_DRAWN
from implementations.training import Kept, NonFiniteLoss, Plan, Point, Step
from implementations.types import Activity, Batch

# First number of a spawn key: what the random numbers are for. The weights are of the seed itself.
_TRIALS, _DRAWN = 1, 2


@dataclass(frozen=True, kw_only=True)
class NotebookPoint(Point):
    """A line of the notebook's log; test figures are NaN, as it has none.

    Attributes:
        loss_reg: the part of `train_loss` that is firing-rate regularisation.
        log_s: seconds of the ten steps and their trials.
    """

    loss_reg: float
    log_s: float


class NotebookTraining:
    """The notebook's run of `plan.steps` steps; the interface is that of `implementations.training.Training`.

    Args:
        learner: as built; it is trained.
        plan: how many steps, and the seed of the trials. Each epoch has a seed of its own, so that a run that
            was interrupted and goes on sees the same trials.
        title: for errors.
    """

    criterion_step = None
    """The notebook has no stopping criterion."""

    def __init__(self, learner: NotebookLearner, plan: Plan, title: str) -> None:
        self._learner = learner
        self._plan = plan
        self._title = title
        self._step = 0
        self._train_s = 0.0

    @property
    def step(self) -> int:
        """Steps done."""
        return self._step

    @property
    def last_point(self) -> int:
        """Step of the last point; there is one after every epoch, and no stop within one."""
        return self._step

    def warm_up(self) -> None:
        """Let BrainPy compile an epoch's step and trials; the learner is as before."""
        state = self._learner.state()
        first = next(self._data(0)())
        self._learner.fit_epoch(lambda: iter([first]), lambda _: None)
        self._learner.restore(state)
        self._learner.synchronize()

    def final(self) -> None:
        """The notebook has no test trials."""

    def kept(self) -> list[Kept]:
        """Nor any to choose a network by."""
        return []

    def alignment(self) -> None:
        """No gradient is compared: the network is another one."""

    def events(
        self,
        passed: Mapping[int, float] | None = None,
        figures: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> Iterator[Step | NotebookPoint]:
        """Train up to the end of the plan; yields the point of each epoch.

        Args:
            passed: step -> train_s of points that are known already: the last step is yielded in their place,
                and train_s goes on from the known value.
            figures: of these points; no network is chosen by them.

        Raises:
            NonFiniteLoss: after the epoch in which the loss stopped being finite.
        """
        passed = passed or {}
        while self._step < self._plan.steps:
            point = self._epoch()
            if point.step in passed:
                self._train_s = passed[point.step]
                yield Step(point.step, self._train_s, point.train_loss, point.train_accuracy)
            else:
                yield point

    def draw_trials(self) -> tuple[Batch, Activity]:
        """Twenty trials that the training does not use, and what the network makes of them, to be drawn."""
        seed_trials(np.random.SeedSequence(entropy=self._plan.seed, spawn_key=(_DRAWN,)))
        batch = Batch(*draw(N_DRAWN, N_IN))
        return batch, self._learner.simulate(self._learner.load(batch))

    def state(self) -> dict[str, np.ndarray]:
        """All that `restore` needs, the learner's state included."""
        learner = {f"learner.{name}": array for name, array in self._learner.state().items()}
        return learner | {"step": np.array(self._step), "train_s": np.array(self._train_s)}

    def restore(self, state: Mapping[str, np.ndarray], criterion_step: int | None = None) -> None:
        """Take up a state that `state` returned; there is no criterion to know of."""
        prefix = "learner."
        learner = {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}
        step, train_s = int(state["step"]), float(state["train_s"])
        self._learner.restore(learner)
        self._step, self._train_s = step, train_s

    def _epoch(self) -> NotebookPoint:
        drawing_s = 0.0

        def train_data() -> Iterator[Trials]:
            nonlocal drawing_s
            trials = self._data(self._step // BATCHES_PER_EPOCH)()
            while True:
                self._learner.synchronize()  # the step before, which would else share the cores with drawing
                start = perf_counter()
                batch = next(trials, None)
                drawing_s += perf_counter() - start
                if batch is None:
                    return
                yield batch

        figures: dict[str, float] = {}
        start = perf_counter()
        self._learner.fit_epoch(train_data, figures.update)
        self._learner.synchronize()
        log_s = perf_counter() - start
        self._step += BATCHES_PER_EPOCH
        self._train_s += log_s - drawing_s
        if not math.isfinite(figures["loss"]):
            raise NonFiniteLoss(f"the training loss of step {self._step} is not finite: {self._title}")
        return NotebookPoint(
            step=self._step,
            train_s=self._train_s,
            train_loss=figures["loss"],
            train_accuracy=figures["accuracy"],
            test_loss=math.nan,
            test_accuracy=math.nan,
            rate_hz=math.nan,
            criterion=None,
            loss_reg=figures["loss reg"],
            log_s=log_s,
        )

    def _data(self, epoch: int) -> Callable[[], Iterator[Trials]]:
        seed_trials(np.random.SeedSequence(entropy=self._plan.seed, spawn_key=(_TRIALS, epoch)))
        return get_data(N_BATCH, N_IN)
