"""JAX: pure functions over pytrees, compiled by XLA. Two engines, each a folder; engines.py says which.

scan: loops over time by `lax.scan`, on any device: what the published numbers are of.
triton: the kernels of implementations/triton, on a card.
"""
