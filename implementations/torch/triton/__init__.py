"""The kernels of implementations/triton behind torch operators: a whole pass of a batch in one launch."""
