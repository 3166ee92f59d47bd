"""The NumPy backend: whole batches per time step, BLAS for every product."""
