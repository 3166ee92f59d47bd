"""The commands that add what a part of the report lacks."""

from implementations.rules import ladder

TRAIN = "python -m benchmarks train"
FIGURE = "python -m benchmarks figure"
LADDER = f"{FIGURE} --ladder"
SWEEP = "python -m benchmarks sweep"
MEASURE = "python -m benchmarks measure"
SCALING = f"{MEASURE} --no-steps --no-lengths --scaling --rule bptt,eprop_symmetric"
LADDER_TIMES = f"{MEASURE} --no-lengths --mode adjoint --rule {','.join(ladder())}"
NOTEBOOK_TRAIN = f"{TRAIN} --system notebook --steps 400"
RASTER = "python -m benchmarks raster --backend numba --rule eprop_symmetric --train-steps 400"
PARITY = "python -m benchmarks parity"
GPU_CHECK = "make gpu-check"
REPORT = "python -m benchmarks report"
EXPORT = "python -m benchmarks export --format parquet"
