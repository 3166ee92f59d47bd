"""Kernels for a CUDA device: one block of threads per trial, one thread per neuron."""
