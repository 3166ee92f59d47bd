"""PyTorch, with three engines, each a folder; engines.py says which one computes.

cpp: event-driven C++ operators, on the CPU: what the published numbers are of.
triton: the kernels of implementations/triton, on a card.
loop: torch operations, a step of a whole batch at a time, on any device: where the others can't be used.
"""
