"""C++ operators (csrc/), event-driven, one trial at a time per thread, on the CPU."""
