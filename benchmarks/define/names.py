"""Names in records that code has to tell apart."""

SYSTEM = "benchmark"
"""The system whose backends are compared: the network of README.md."""

NOTEBOOK = "notebook"
"""The BrainPy notebook, beside whose published log its training runs are shown."""
