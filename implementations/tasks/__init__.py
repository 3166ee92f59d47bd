"""Tasks: seeded batches of trials, and by what measure a network is judged on them. A task is a file here."""

from implementations.tasks.evidence_accumulation import EvidenceAccumulation
from implementations.tasks.measure import ACCURACY, MEASURES, NMSE, Measure
from implementations.tasks.pattern_generation import PatternGeneration
from implementations.tasks.task import Task

__all__ = [
    "ACCURACY",
    "MEASURES",
    "NMSE",
    "EvidenceAccumulation",
    "Measure",
    "PatternGeneration",
    "Task",
]
