"""Kernels for the CPU: event-driven forward and backward passes, one trial at a time per thread."""
