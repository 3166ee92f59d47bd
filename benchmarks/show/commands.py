"""The commands that add what a part of the report lacks, and those of records, to be copied."""

import shlex

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
PEERS = "make peers"
LIBRARIES = (f"{PARITY} --system all", f"{MEASURE} --system all")
GATE_POWER = "make gate-power"
REPORT = "python -m benchmarks report"
EXPORT = "python -m benchmarks export --format parquet"

_OURS = ["python", "-m", "benchmarks"]


def with_words(command: str, *words: object) -> str:
    """A command and words after it, which are quoted for a shell."""
    return f"{command} {shlex.join(map(str, words))}"


def recorded(text: str) -> str | None:
    """A command line out of a record, quoted for a shell; None where it is none of this package.

    Whoever copies it runs what is named there, and nothing that the text may hold beside.
    """
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    return shlex.join(words) if words[:3] == _OURS else None
