"""The JAX backend: pure functions over pytrees, compiled by XLA, with scans written out in both directions."""
