"""Numba: event-driven kernels, parallel over trials. Two engines, each a folder; engines.py says which.

cpu: one trial at a time per thread: what the published numbers are of.
card: one block of threads per trial, one thread per neuron, on a CUDA device. Its name is not "cuda": the
    package numba-cuda takes every module with "numba.cuda" in its name for one of Numba's own.
"""
