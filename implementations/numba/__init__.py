"""Numba: event-driven kernels, parallel over samples."""
