"""PyTorch: event-driven C++ operators on the CPU; torch operations on other devices or without a compiler."""
