"""The kernels of implementations/triton within programs of XLA: a whole pass of a batch in one launch."""
