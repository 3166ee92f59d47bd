"""What a training run is, as data: what it depends on, its name, and the record that begins its file."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

import implementations as impl
from benchmarks.define.names import SYSTEM
from benchmarks.define.problem import Problem
from implementations.training import Aligned, Event, Final, Kept, Plan, Training

SCHEMA = 1
"""The version of all records: those of another one are not read."""


class Trained(Protocol):
    """A training on its way; `implementations.training.Training` says what each member does."""

    @property
    def step(self) -> int:
        """Steps done."""
        ...

    @property
    def last_point(self) -> int:
        """Step of the last point."""
        ...

    @property
    def criterion_step(self) -> int | None:
        """Where the stopping criterion was met first."""
        ...

    def warm_up(self) -> None:
        """Let everything be compiled."""
        ...

    def events(
        self,
        passed: Mapping[int, float] | None = None,
        figures: Mapping[int, Mapping[str, Any]] | None = None,
    ) -> Iterator[Event]:
        """Train up to the end."""
        ...

    def final(self) -> Final | None:
        """Judge the trained network; None where there is nothing to judge it on."""
        ...

    def kept(self) -> list[Kept]:
        """Judge the networks that were kept beside the present one."""
        ...

    def alignment(self) -> Aligned | None:
        """The present gradient beside BPTT's; None where they are not compared."""
        ...

    def state(self) -> dict[str, np.ndarray]:
        """All that `restore` needs."""
        ...

    def restore(self, state: Mapping[str, np.ndarray], criterion_step: int | None = None) -> None:
        """Take up a state."""
        ...


class Recordable(Protocol):
    """A run of any system, as `record` takes it; `Run` says what each member is."""

    @property
    def plan(self) -> Plan:
        """Steps, seed and points."""
        ...

    @property
    def header(self) -> dict[str, Any]:
        """The `run` record."""
        ...

    @property
    def title(self) -> str:
        """For people."""
        ...

    @property
    def name(self) -> str:
        """Of the file."""
        ...

    def training(self) -> Trained:
        """The training, at step 0."""
        ...


@dataclass(frozen=True)
class Run:
    """All that a training run depends on. `threads` is None for all that the process may use."""

    backend: str
    rule: str
    mode: str
    dtype: str
    device: str
    threads: int | None
    problem: Problem
    optimizer: impl.Adam
    plan: Plan

    @property
    def header(self) -> dict[str, Any]:
        """The `run` record: all but how long the run is, so that a longer one goes on in the same file."""
        plan, problem = self.plan, self.problem
        # Only where it is not that of the first task, whose recorded runs have no such field
        weights = {} if problem.readout_std is None else {"weights": {"readout_std": problem.readout_std}}
        return {
            "kind": "run",
            "schema": SCHEMA,
            "system": SYSTEM,
            "task": problem.name,
            "backend": self.backend,
            "rule": self.rule,
            "mode": self.mode,
            "dtype": self.dtype,
            "device": self.device,
            "threads": self.threads,
            "seed": plan.seed,
            "batch": plan.batch,
            "settings": {
                "task": asdict(problem.task),
                "network": asdict(problem.network),
                "objective": asdict(problem.objective),
                "optimizer": self.optimizer.recorded,
                **weights,
                "evaluate_every": plan.evaluate_every,
                "test_trials": plan.batch * (1 if problem.task.frozen else plan.test_batches),
            },
        }

    @property
    def title(self) -> str:
        """Rule, backend and seed, for people."""
        return f"{self.rule} on {self.backend}, seed {self.plan.seed}"

    @property
    def name(self) -> str:
        """Of the file: TASK-BACKEND-RULE-MODE-DTYPE-DEVICE-seedN-DIGEST."""
        return file_name(self.header)

    def training(self) -> Training:
        """The training, at step 0."""
        return Training(self.learner(), self.problem.task, self.plan, self.title, self._bptt)

    def learner(self) -> impl.Learner:
        """A learner with the initial weights of the seed.

        Raises:
            InvalidArgument: (a ValueError) for an argument that is not what it may be.
        """
        return self._learner(self.rule, self.mode, self.problem.initial_parameters(self.plan.seed))

    def _bptt(self, parameters: impl.Parameters) -> impl.Learner:
        """One of BPTT that computes as this run does."""
        return self._learner("bptt", "adjoint", parameters)

    def _learner(self, rule: str, mode: str, parameters: impl.Parameters) -> impl.Learner:
        return impl.learner(
            self.backend,
            rule,
            parameters,
            network=self.problem.network,
            objective=self.problem.objective,
            mode=mode,
            optimizer=self.optimizer,
            dtype=self.dtype,
            device=self.device,
            threads=self.threads,
        )


def file_name(header: Mapping[str, Any]) -> str:
    """TASK-BACKEND-RULE-MODE-DTYPE-DEVICE-seedN-DIGEST, of a `run` record."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()[:8]
    parts = [str(header[name]) for name in ("task", "backend", "rule", "mode", "dtype", "device")]
    return "-".join((*parts, f"seed{header['seed']}", digest))
