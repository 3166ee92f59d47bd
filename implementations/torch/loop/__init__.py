"""Torch operations, one time step of a whole batch after the other, on any device."""
