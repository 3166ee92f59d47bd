"""Sweeps: many training runs (rule x backend x seed x setting) as independent tasks on a Dask cluster."""
