"""Loops over time by `lax.scan`, with chunks of trials at the same time; on any device."""
