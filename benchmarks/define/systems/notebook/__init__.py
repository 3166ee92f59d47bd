"""The BrainPy notebook that this suite started from, as it is: its size, its precision, and all cores."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import implementations as impl
from benchmarks.define.cases import Case
from benchmarks.define.names import NOTEBOOK
from benchmarks.define.problem import PROBLEMS, TASK_NAME
from benchmarks.define.systems.notebook.run import BACKEND, DTYPE, MODE, NotebookRun
from benchmarks.define.systems.system import Measurable, PublishedLog, System, fail_unless_available
from implementations import checks, notebook
from implementations.notebook.settings import BATCHES_PER_EPOCH, N_BATCH, N_DRAWN
from implementations.tasks import Raster

_SEED = 0


class Notebook(System):
    """Its network, trainer and trials; `implementations.notebook` has every difference."""

    name = NOTEBOOK
    title = "BrainPy notebook"
    installed_by = "pip install 'eprop-bench[brainpy]'"
    same = "The task, the numbers of neurons and the length of trials are those of README.md."
    differs = (
        "Neurons, initial weights, readout and learning rate are the notebook's, and half of them adapt more."
    )
    backends = (BACKEND,)
    rules = tuple(notebook.RULES)
    modes = (MODE,)
    one_size = True
    default_rules = (notebook.PUBLISHED_RULE,)
    log = PublishedLog(
        Path(__file__).with_name("published_log.csv"),  # every 10 of 400 steps
        "Log of the BrainPy notebook '(Bellec, et. al, 2020): eprop for Evidence Accumulation Task', "
        "BrainPy 2.4.3, eprop=False, on a CPU that it does not name",
        notebook.PUBLISHED_RULE,
    )
    options = {  # noqa: RUF012 (a ClassVar of `System`)
        "train": ("backends", "rules", "seeds", "seed", "steps", "device", "results"),
        "raster": ("backend", "rule", "seed", "train_steps", "trials", "device", "out"),
    }

    def unavailable(self, case: Case) -> str | None:
        """See `System`."""
        reason = self._other(case, PROBLEMS[TASK_NAME], dtype=DTYPE, threads=None, batch=N_BATCH)
        return notebook.unavailable(case.device) if reason is None else reason

    def module(self, case: Case) -> str:
        """See `System`."""
        return "implementations.notebook.learner"

    def learner(self, case: Case) -> Measurable:
        """See `System`."""
        from implementations.notebook.learner import NotebookLearner  # imports BrainPy

        return NotebookLearner(case.rule, _SEED, case.device)

    def batch(self, case: Case, number: int = 0) -> impl.Batch:
        """See `System`."""
        from implementations.notebook import data  # imports BrainPy

        task: Any = case.problem.task
        data.seed_trials(np.random.SeedSequence(_SEED + number))
        return impl.Batch(*data.draw(case.batch, case.problem.network.n_in, task.delay_ms))

    def run(self, rule: str, steps: int, seed: int, device: str) -> NotebookRun:
        """See `System`."""
        fail_unless_available("notebook", notebook.unavailable(device))
        return NotebookRun(rule, steps or BATCHES_PER_EPOCH, seed, device)

    @property
    def log_line(self) -> Callable[[Any], str]:
        """See `System`."""
        return line

    def check_raster(self, train_steps: int, trials: int) -> None:
        """See `System`."""
        if trials > N_DRAWN:
            raise checks.InvalidArgument(f"trials: the notebook draws {N_DRAWN} trials, not {trials}")
        if train_steps % BATCHES_PER_EPOCH:
            raise checks.InvalidArgument(
                f"train_steps: {train_steps} is no multiple of {BATCHES_PER_EPOCH}, the steps of an epoch"
            )

    def trials(self, training: Any) -> tuple[impl.Batch, impl.Activity, impl.Network, Raster]:
        """See `System`; of a `NotebookTraining`."""
        return *training.draw_trials(), impl.Network(), impl.EvidenceAccumulation().raster


def line(point: Any) -> str:
    """The line that the notebook prints every ten steps, of a `NotebookPoint`."""
    return (
        f"Train {point.step} steps, use {point.log_s:.4f} s, loss {point.train_loss}, "
        f"accuracy {point.train_accuracy}, loss reg {point.loss_reg}"
    )
