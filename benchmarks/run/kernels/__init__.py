"""The kernels for a card, compiled for one that is not there: what each takes, and which are refused."""
