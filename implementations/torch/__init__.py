"""PyTorch: event-driven C++ operators on the CPU, Triton kernels on a card, torch operations without them."""
