"""The one training loop of all backends: it draws trials, steps a learner, and evaluates it.

Nothing here reads, writes or prints. `Training.events` yields what happened; who iterates decides what to
keep. Every batch has a seed of its own, so that a run that was interrupted and goes on sees the same trials.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, SupportsFloat

import numpy as np

from implementations import checks
from implementations.alignment import Alignment
from implementations.interface import Learner
from implementations.network import Network, Parameters
from implementations.tasks import Task
from implementations.types import Batch, Metrics

CRITERION_BATCHES = 8
"""The stopping criterion, as published: a validation batch, and then the mean of so many fresh ones, errs
less than the task's `Measure` says. A frozen task is looked at on the one batch that it has."""

# First number of a spawn key: what the random numbers of a seed are for. All streams are independent.
_WEIGHTS, _TRAINING, _TEST, _VALIDATION, _CONFIRMATION, _FINAL, _FROZEN, _ALIGNMENT = range(8)

# What trials of a stream are for, where a task does not draw them anew: a network is chosen by points.
_SPLITS = {_TEST: "validation", _VALIDATION: "validation", _CONFIRMATION: "validation", _FINAL: "test"}

BEST, AT_CRITERION = "best", "criterion"
"""Networks that a run keeps beside its last one: that of the best point, and where the criterion was met."""

_MAX_WARM_UPS = 5


@dataclass(frozen=True)
class Plan:
    """How a learner is trained and how often it is looked at.

    Attributes:
        steps: training steps in all, a multiple of `evaluate_every`.
        batch: trials per step.
        seed: of the trials and, by `initial_parameters`, of the weights; less than 2**63.
        evaluate_every: steps from one point to the next; also how often the stopping criterion is looked at.
        test_trials: fresh trials per point; rounded up to whole batches, as another shape would be compiled
            again. The default is 4 forward passes per 10 steps, a sixth of the whole or less. A frozen task
            has no fresh trials: its one batch is evaluated.
        stop_early: whether the run ends where the stopping criterion of the task is met.
        final_trials: fresh trials that the trained network is judged on at the end, rounded up as well; 0 for
            none.
        alignment_every: steps from one comparison of the rule's gradient with that of BPTT to the next; the
            first is of the initial weights, the last of those at the end. 0 for none. Training is the same
            with and without.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range.
    """

    steps: int = 400
    batch: int = 64
    seed: int = 0
    evaluate_every: int = 10
    test_trials: int = 256
    stop_early: bool = False
    final_trials: int = 512
    alignment_every: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "evaluate_every", "test_trials"):
            checks.integer(name, getattr(self, name), 1)
        checks.seed("seed", self.seed)
        for name in ("final_trials", "alignment_every"):
            checks.integer(name, getattr(self, name), 0)
        if self.steps % self.evaluate_every:
            checks.fail("steps", self.steps, f"any multiple of evaluate_every, {self.evaluate_every}")
        checks.instance("stop_early", self.stop_early, bool)

    @property
    def test_batches(self) -> int:
        """Batches per point."""
        return math.ceil(self.test_trials / self.batch)

    @property
    def final_batches(self) -> int:
        """Batches at the end."""
        return math.ceil(self.final_trials / self.batch)

    def aligned(self, last: int) -> set[int]:
        """Steps after which gradients are compared, of a run that ends after `last`."""
        every = self.alignment_every
        return {*range(0, last + 1, every), last} if every else set()


@dataclass(frozen=True)
class Step:
    """A training step was done. Figures are those of its batch, before the update.

    `loss` and `accuracy` may still be on the device; `float()` brings them.
    """

    step: int
    train_s: float
    loss: SupportsFloat
    accuracy: SupportsFloat


@dataclass(frozen=True)
class Criterion:
    """The stopping criterion is met for the first time; errors are those of the task's measure."""

    step: int
    train_s: float
    validation_error: float
    test_error: float


@dataclass(frozen=True)
class Point:
    """The learner after `step` steps.

    Attributes:
        train_s: seconds of the steps alone, from step 1: no data, no evaluation, no compilation.
        train_loss, train_accuracy: means over the steps since the point before, before each update.
        test_loss, test_accuracy, rate_hz: means over fresh trials that no other point uses; of a frozen task,
            over the batch that it is trained on; of a task with splits, over those for validation. Accuracies
            are NaN where the loss is "squared_error".
        criterion: not None where the stopping criterion is met here for the first time. A part of the point
            and no event of its own, so that whoever stops between two events has both or none.
        nmse: mean squared error over the variance of the target, of the same trials as test_loss; None on a
            task that is not judged by it.
    """

    step: int
    train_s: float
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    rate_hz: float
    criterion: Criterion | None
    nmse: float | None = None


@dataclass(frozen=True)
class Final:
    """The trained network on `trials` fresh trials that no point uses; the same for every rule of a seed.

    Of a frozen task: on the batch that it is trained on, and with its `nmse`.
    """

    step: int
    trials: int
    test_loss: float
    test_accuracy: float
    rate_hz: float
    nmse: float | None = None


@dataclass(frozen=True)
class Kept:
    """One of the networks that a run kept, on the trials of its `Final`.

    Attributes:
        network: `BEST` or `AT_CRITERION`. The best one is that of the first point whose own trials show the
            smallest error of the task's measure; `final` is of trials that chose nothing.
        final: with the step of this network.
        after: the last step of the run.
    """

    network: str
    final: Final
    after: int


@dataclass(frozen=True)
class Aligned:
    """The gradient of the learner after `step` steps beside BPTT's at the same weights.

    Both on the same `trials` trials, which nothing else uses; of a frozen task, on the batch that it has.
    """

    step: int
    trials: int
    alignment: Alignment


Event = Step | Point


class NonFiniteLoss(ArithmeticError):
    """A loss, or what the optimizer keeps, is NaN or infinite; training can't go on."""


def initial_parameters(network: Network, seed: int, readout_std: float | None = None) -> Parameters:
    """The weights that a run with this seed starts from; the same for every backend and rule."""
    return Parameters.draw(network, _sequence(seed, _WEIGHTS), readout_std)


def shown_trials(task: Task, size: int, seed: int) -> Batch:
    """Trials to look at: none that a run with this seed is trained on, or those that a frozen task has."""
    return task.batch(size, _sequence(seed, _FROZEN) if task.frozen else seed)


class Training:
    """A learner on its way through a plan.

    Between two events, `state` holds all that is needed to go on later, in another process, and `events`
    goes on from there. Figures of a step are converted from device to host at points only.

    Args:
        learner: as built; it is trained.
        task: draws the trials.
        plan: what to do.
        title: names rule and backend in errors, e.g. "bptt on numpy".
        reference: a learner with these weights whose gradients those of `learner` are compared with: of BPTT,
            for the same network and objective. Needed where the plan compares.

    Raises:
        InvalidArgument: (a ValueError) where steps of the network and of the trials do not last as long, or
            `reference` is missing.
    """

    def __init__(
        self,
        learner: Learner,
        task: Task,
        plan: Plan,
        title: str,
        reference: Callable[[Parameters], Learner] | None = None,
    ) -> None:
        task.check_fits(learner.network)
        if plan.alignment_every and reference is None:
            checks.fail("reference", reference, "what makes a learner, where plan.alignment_every is not 0")
        self._reference = reference
        self._learner = learner
        self._task = task
        self._plan = plan
        self._title = title
        self._step = 0
        self._train_s = 0.0
        self._criterion_step: int | None = None
        self._pending: list[tuple[SupportsFloat, SupportsFloat]] = []  # loss, accuracy since the last point
        self._frozen: tuple[Batch, Any] | None = None  # the one batch of a frozen task, drawn and loaded
        # the learner's state at the step of each network that is kept, and the error of the best one
        self._kept: dict[str, tuple[int, dict[str, np.ndarray]]] = {}
        self._least = math.inf

    @property
    def step(self) -> int:
        """Steps done."""
        return self._step

    @property
    def train_s(self) -> float:
        """Seconds of these steps."""
        return self._train_s

    @property
    def last_point(self) -> int:
        """Step of the last point that was yielded or passed; 0 before the first."""
        return self._step - len(self._pending)

    @property
    def criterion_step(self) -> int | None:
        """Where the stopping criterion was met first; None up to then."""
        return self._criterion_step

    def warm_up(self) -> None:
        """Let the backend compile all that the loop will call, at its shapes; the learner is as before."""
        _, loaded = self._trials(_TRAINING, 1)
        state = self._learner.state()
        for _ in range(_MAX_WARM_UPS):
            before = self._learner.compilations()
            self._learner.step(loaded)
            float(self._learner.evaluate(loaded).loss)
            self._learner.restore(state)
            self._learner.synchronize()
            if self._learner.compilations() == before:
                return

    def events(
        self,
        passed: Mapping[int, float] | None = None,
        figures: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> Iterator[Event]:
        """Train up to the end of the plan; can be left at any event and called again.

        Args:
            passed: step -> train_s of points that are known already. They are passed without evaluation, and
                train_s goes on from the known value.
            figures: step -> figures of these points by name, to know the best one of all by.

        Raises:
            NonFiniteLoss: at the point after the step at which the loss stopped being finite, as it does on
                all backends where the network has diverged (interface.py); or where Adam's moments did, which
                then change a weight no more, and which no learner takes up again.
        """
        passed, figures = passed or {}, figures or {}
        while True:
            if self._pending and self._step % self._plan.evaluate_every == 0:
                if self._step in passed:
                    self._to_host()
                    self._keep(figures.get(self._step, {}), self._learner.state())
                    self._train_s, self._pending = passed[self._step], []
                else:
                    yield self._evaluate()
            if self._finished():
                return
            yield self._train()

    def final(self) -> Final:
        """Judge the network as it is on the plan's final trials, of which there are any.

        Raises:
            NonFiniteLoss: the loss is not finite.
        """
        count = self._count(self._plan.final_batches)
        return Final(self._step, count * self._plan.batch, **self._figures(_FINAL, count, "final test"))

    def kept(self) -> list[Kept]:
        """Judge the networks that were kept on the trials of `final`; a frozen task has none.

        The learner is as before, whatever ends this.

        Raises:
            NonFiniteLoss: a loss is not finite.
        """
        if self._task.frozen:
            return []
        count, present = self._count(self._plan.final_batches), self._learner.state()
        found = []
        try:
            for network, (step, state) in self._kept.items():
                self._learner.restore(state)
                figures = self._figures(_FINAL, count, "final test")
                final = Final(step, count * self._plan.batch, **figures)
                found.append(Kept(network, final, self._step))
        finally:
            self._learner.restore(present)
        return found

    def alignment(self) -> Aligned | None:
        """The rule's gradient at the present weights beside BPTT's; None where the plan compares none.

        Nothing else changes, and no time of it counts as training.
        """
        if self._reference is None or not self._plan.alignment_every:
            return None
        batch, loaded = self._trials(_ALIGNMENT, self._step)
        try:
            parameters = self._learner.parameters()
        except checks.InvalidArgument:  # the weights are not finite any more, though the loss may be
            return Aligned(self._step, len(batch.spikes), Alignment.unknown())
        reference = self._reference(parameters)
        gradients, _ = self._learner.gradients(loaded)
        expected, _ = reference.gradients(reference.load(batch))
        return Aligned(self._step, len(batch.spikes), Alignment.of(gradients, expected))

    def state(self) -> dict[str, np.ndarray]:
        """All that `restore` needs, the learner's state included.

        Raises:
            NonFiniteLoss: the loss of a step since the last point is not finite.
        """
        learner = {f"learner.{name}": array for name, array in self._learner.state().items()}
        for network, (step, state) in self._kept.items():
            learner |= {f"{network}.{name}": array for name, array in state.items()}
            learner[f"step of {network}"] = np.array(step)
        return learner | {
            "least": np.array(self._least),
            "step": np.array(self._step),
            "train_s": np.array(self._train_s),
            "criterion_step": np.array(self._criterion_step or 0),  # 0 is never a point
            "pending": self._to_host(),
        }

    def restore(self, state: Mapping[str, np.ndarray], criterion_step: int | None = None) -> None:
        """Take up a state that `state` returned, of a training with the same arguments.

        Args:
            state: what `state` returned.
            criterion_step: where the stopping criterion is known to be met, if it is later than the state.
        """
        learner = _of(state, "learner")
        # checkpoints of earlier versions know of no networks beside the present one
        least = float(state.get("least", math.inf))
        kept = {
            network: (int(state[f"step of {network}"]), _of(state, network))
            for network in (BEST, AT_CRITERION)
            if f"step of {network}" in state
        }
        step, train_s = int(state["step"]), float(state["train_s"])
        pending: list[tuple[SupportsFloat, SupportsFloat]] = [(row[0], row[1]) for row in state["pending"]]
        met = int(state["criterion_step"]) or criterion_step
        self._learner.restore(learner)
        self._step, self._train_s, self._pending, self._criterion_step = step, train_s, pending, met
        self._kept, self._least = kept, least

    def _finished(self) -> bool:
        if self._plan.stop_early and self._criterion_step is not None and self._step >= self._criterion_step:
            return True
        return self._step >= self._plan.steps

    def _train(self) -> Step:
        step = self._step + 1
        _, loaded = self._trials(_TRAINING, step)
        self._learner.synchronize()  # loading may still be under way, and is not timed
        start = perf_counter()
        metrics = self._learner.step(loaded)
        self._learner.synchronize()
        self._train_s += perf_counter() - start
        self._step = step
        self._pending.append((metrics.loss, metrics.accuracy))
        return Step(step, self._train_s, metrics.loss, metrics.accuracy)

    def _evaluate(self) -> Point:
        train_loss, train_accuracy = self._to_host().mean(axis=0)
        state = self._learner.state()
        for name, array in state.items():
            if name.startswith("adam_") and not np.isfinite(array).all():
                self._fail(f"{name} after step {self._step}")
        figures = self._figures(_TEST, self._count(self._plan.test_batches), "test")
        criterion = self._criterion() if self._criterion_step is None else None
        if criterion is not None:
            self._criterion_step = self._step
        self._keep(figures, state)
        self._pending = []
        return Point(
            step=self._step,
            train_s=self._train_s,
            train_loss=float(train_loss),
            train_accuracy=float(train_accuracy),
            criterion=criterion,
            **figures,
        )

    def _keep(self, figures: Mapping[str, Any], state: dict[str, np.ndarray]) -> None:
        """Keep the learner's state at a point, if it is the best one up to now, or met the criterion."""
        if self._task.frozen:
            return
        value = figures.get(self._task.measure.column)
        if value is not None and self._task.measure.error(value) < self._least:
            self._least = self._task.measure.error(value)
            self._kept[BEST] = (self._step, state)
        if self._criterion_step == self._step:
            self._kept[AT_CRITERION] = (self._step, state)

    def _figures(self, stream: int, count: int, which: str) -> dict[str, float]:
        """Means over `count` batches that are used nowhere else: of a point or at the end."""
        tests, values = zip(*(self._look(stream, number) for number in range(count)), strict=True)
        test_loss = _mean(test.loss for test in tests)
        if not math.isfinite(test_loss):
            self._fail(f"the {which} loss of step {self._step}")
        return {
            "test_loss": test_loss,
            "test_accuracy": _mean(test.accuracy for test in tests),
            "rate_hz": _mean(test.rate_hz for test in tests),
            self._task.measure.column: _mean(values),
        }

    def _count(self, fresh_batches: int) -> int:
        """Batches to look at: there is one where the task is frozen."""
        return 1 if self._task.frozen else fresh_batches

    def _criterion(self) -> Criterion | None:
        measure = self._task.measure
        validation_error = measure.error(self._look(_VALIDATION, 0)[1])
        if not validation_error < measure.criterion_error:
            return None
        count = self._count(CRITERION_BATCHES)
        test_error = measure.error(_mean(self._look(_CONFIRMATION, number)[1] for number in range(count)))
        if not test_error < measure.criterion_error:
            return None
        return Criterion(self._step, self._train_s, validation_error, test_error)

    def _look(self, stream: int, number: int) -> tuple[Metrics, float]:
        """Metrics, and the task's measure, of a batch that is used nowhere else, or of the frozen one."""
        batch, loaded = self._trials(stream, self._step, number)
        metrics = self._learner.evaluate(loaded)
        return metrics, self._task.measure.of(metrics, batch)

    def _trials(self, *key: int) -> tuple[Batch, Any]:
        """A batch with a seed of its own, or the one that a frozen task has; and the same, loaded."""
        if not self._task.frozen:
            return self._draw(*key)
        if self._frozen is None:
            self._frozen = self._draw(_FROZEN)
        return self._frozen

    def _draw(self, *key: int) -> tuple[Batch, Any]:
        size, sequence = self._plan.batch, _sequence(self._plan.seed, *key)
        batch = self._task.trials(size, sequence, _SPLITS.get(key[0], "train"))
        return batch, self._learner.load(batch)

    def _to_host(self) -> np.ndarray:
        """(steps, 2) loss and accuracy of the steps since the last point, all losses finite."""
        figures = np.array([(float(loss), float(accuracy)) for loss, accuracy in self._pending])
        figures = figures.reshape(-1, 2)
        finite = np.isfinite(figures[:, 0])
        if not finite.all():
            self._fail(f"the training loss of step {self.last_point + 1 + int(finite.argmin())}")
        return figures

    def _fail(self, what: str) -> None:
        raise NonFiniteLoss(f"{what} is not finite: {self._title}; a smaller learning rate may help")


def _of(state: Mapping[str, np.ndarray], network: str) -> dict[str, np.ndarray]:
    """The state of a learner in that of a training."""
    prefix = f"{network}."
    return {name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)}


def _mean(values: Iterable[SupportsFloat]) -> float:
    return float(np.mean([float(value) for value in values]))


def _sequence(seed: int, *key: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(entropy=seed, spawn_key=key)
