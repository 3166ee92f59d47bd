"""The BrainPy notebook's training run, recorded as every other run is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.define.names import NOTEBOOK
from benchmarks.define.problem import TASK_NAME
from benchmarks.define.runs import SCHEMA, file_name
from implementations.notebook.settings import BATCHES_PER_EPOCH, N_BATCH, SETTINGS
from implementations.training import Plan

if TYPE_CHECKING:
    from implementations.notebook.training import NotebookTraining

BACKEND, MODE, DTYPE = "brainpy", "adjoint", "float32"
"""How a record names what the notebook runs on."""


@dataclass(frozen=True)
class NotebookRun:
    """One run of the notebook.

    Args:
        rule: "bptt" (eprop=False, as published) or "eprop_symmetric" (eprop=True).
        steps: a multiple of 10, the steps of an epoch.
        seed: of weights and trials, an integer >= 0.
        device: "cpu" or "cuda".

    Raises:
        InvalidArgument: (a ValueError) for a number out of range.
    """

    rule: str
    steps: int
    seed: int
    device: str

    def __post_init__(self) -> None:
        _ = self.plan

    @property
    def plan(self) -> Plan:
        """Steps, batch and points."""
        return Plan(self.steps, N_BATCH, self.seed, evaluate_every=BATCHES_PER_EPOCH, final_trials=0)

    @property
    def header(self) -> dict[str, Any]:
        """The `run` record: all but how long the run is."""
        return {
            "kind": "run",
            "schema": SCHEMA,
            "system": NOTEBOOK,
            "task": TASK_NAME,
            "backend": BACKEND,
            "rule": self.rule,
            "mode": MODE,
            "dtype": DTYPE,
            "device": self.device,
            "threads": None,
            "seed": self.seed,
            "batch": N_BATCH,
            "settings": {**SETTINGS, "evaluate_every": BATCHES_PER_EPOCH},
        }

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.rule} of the BrainPy notebook, seed {self.seed}"

    @property
    def name(self) -> str:
        """Of the file."""
        return f"{NOTEBOOK}-{file_name(self.header)}"

    def training(self) -> "NotebookTraining":
        """The training, at step 0."""
        from implementations.notebook.learner import NotebookLearner  # imports BrainPy
        from implementations.notebook.training import NotebookTraining  # the same

        learner = NotebookLearner(self.rule, self.seed, self.device)
        return NotebookTraining(learner, self.plan, self.title)
