"""Recurrent spiking networks and their learning rules on several backends, behind one interface."""

from implementations.checks import InvalidArgument
from implementations.interface import Learner
from implementations.network import Network, Parameters
from implementations.objective import Objective
from implementations.optimizer import Adam
from implementations.registry import BACKENDS, learner, unavailable
from implementations.rules import RULES
from implementations.tasks import EvidenceAccumulation, PatternGeneration, Task
from implementations.types import Activity, Batch, Gradients, Metrics

__all__ = [
    "BACKENDS",
    "RULES",
    "Activity",
    "Adam",
    "Batch",
    "EvidenceAccumulation",
    "Gradients",
    "InvalidArgument",
    "Learner",
    "Metrics",
    "Network",
    "Objective",
    "Parameters",
    "PatternGeneration",
    "Task",
    "learner",
    "unavailable",
]
