"""The commands of `python -m benchmarks`: one module each, with a click command named `command`."""
