"""What a learner is to solve: a network, the task that drives it, and the objective that fits the task."""

from dataclasses import dataclass

from implementations import EvidenceAccumulation, Network, Objective

TASK_NAME = "evidence_accumulation"
# In records: the network of README.md, and the BrainPy notebook that is compared with it as it is.
SYSTEM = "benchmark"
NOTEBOOK = "notebook"


@dataclass(frozen=True)
class Problem:
    """A task, a network with as many inputs, and an objective whose window is the task's recall."""

    network: Network
    task: EvidenceAccumulation
    objective: Objective
