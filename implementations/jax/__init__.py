"""JAX: pure functions over pytrees, compiled by XLA, with scans written out; Triton kernels on a card."""
