"""The calls of this backend into JAX: their settings, and how many programs they compiled."""

from implementations.xla import Calls

CALLS = Calls()
