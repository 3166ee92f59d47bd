"""Recurrent spiking networks and their learning rules on several backends, behind one interface."""

from typing import TYPE_CHECKING, Any

from implementations import rules
from implementations.checks import InvalidArgument
from implementations.interface import Learner
from implementations.network import Network, Parameters
from implementations.objective import Objective
from implementations.optimizer import Adam
from implementations.registry import BACKENDS, learner, unavailable
from implementations.rules import Rule
from implementations.saving import load, save
from implementations.tasks import Task
from implementations.tasks.copy_recall import CopyRecall
from implementations.tasks.delayed_match import DelayedMatch
from implementations.tasks.evidence_accumulation import EvidenceAccumulation
from implementations.tasks.pattern_generation import PatternGeneration
from implementations.tasks.recorded import Recorded
from implementations.tasks.sequential_digits import SequentialDigits
from implementations.tasks.store_recall import StoreRecall
from implementations.tasks.temporal_xor import TemporalXor
from implementations.types import Activity, Batch, Gradients, Metrics

__all__ = [
    "BACKENDS",
    "RULES",
    "Activity",
    "Adam",
    "Batch",
    "CopyRecall",
    "DelayedMatch",
    "EvidenceAccumulation",
    "Gradients",
    "InvalidArgument",
    "Learner",
    "Metrics",
    "Network",
    "Objective",
    "Parameters",
    "PatternGeneration",
    "Recorded",
    "Rule",
    "SequentialDigits",
    "StoreRecall",
    "Task",
    "TemporalXor",
    "learner",
    "load",
    "save",
    "unavailable",
]

if TYPE_CHECKING:
    RULES: tuple[str, ...]


def __getattr__(name: str) -> Any:
    """`RULES`: names of the rules, those that `rules.register` added included."""
    if name == "RULES":
        return rules.RULES
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
