"""The JAX backend: pure functions over pytrees, compiled by XLA; scans written out in both directions."""
