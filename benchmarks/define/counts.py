"""What is counted of a training step rather than timed: which cases, of which size, how, in which columns.

Counts of a program are the same whatever else the machine does. Those under valgrind are also nearly the same
on any machine that has AVX2, as it shows programs a processor of its own: what asks the processor which
kernels to take gets the same answer. What is compiled before, for valgrind to run, is told by `SWITCHES`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import implementations as impl
from benchmarks.define.cases import Case
from benchmarks.define.problem import PROBLEMS, TASK_NAME
from implementations import rules

BATCH = 16
"""Trials per step: as many as a vector of floats with AVX-512 has lanes, twice those with AVX2."""

TASK = impl.EvidenceAccumulation(n_cues=1, cue_ms=50, interval_ms=50, delay_ms=50, recall_ms=50)
"""100 steps, in the last 50 of which the answer counts: a loop over time that outweighs what surrounds it.
valgrind emulates products of AVX2 number by number, and takes some five seconds for a step of XLA's."""

LONGER: dict[str, impl.EvidenceAccumulation] = dict.fromkeys(
    ("numba", "torch"), impl.EvidenceAccumulation(n_cues=1, delay_ms=50, recall_ms=50)
)
"""Backend -> the same of 200 steps, where the loop is so fast that of 100 more than half is around it."""

COUNTED = 3
"""Steps that count after those that compile, each by itself: the least instructions and the median
of the allocations are taken, without what happens now and then."""

SWITCHES = {
    # No AVX-512, which valgrind does not know; the same code whatever machine compiles it
    "EPROP_BENCH_TORCH_MARCH": "x86-64-v3",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+cmov,+cx16,+f16c,+fma,+fxsr,+lzcnt,+mmx,+movbe,+popcnt,"
    "+sse,+sse2,+sse3,+sse4.1,+sse4.2,+ssse3,+xsave",
    "OPENBLAS_CORETYPE": "Haswell",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_multi_thread_eigen=false",
    # One thread
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMBA_NUM_THREADS": "1",
    # The same order in sets and dictionaries, the same places in memory
    "PYTHONHASHSEED": "0",
    "MALLOC_ARENA_MAX": "1",
    "JAX_PLATFORMS": "cpu",
}
"""Variables of the environment of all processes that count."""


@dataclass(frozen=True)
class Column:
    """A figure of a training step.

    Attributes:
        name: as in the file of expected counts.
        title: for people.
        exact: whether it has to be as expected to the last digit, or within the margin of its row.
    """

    name: str
    title: str
    exact: bool


COLUMNS = (
    Column("instructions", "instructions", exact=False),
    Column("allocations", "allocations", exact=False),
    Column("compilations", "compilations", exact=True),
    Column("flops", "XLA: flops", exact=True),
    Column("bytes_accessed", "XLA: bytes", exact=True),
    Column("temp_bytes", "XLA: temporary bytes", exact=True),
    Column("fusions", "XLA: fusions", exact=True),
)
"""Instructions and allocations: per step, as executed. Compilations are those after the first two steps. The
rest is what XLA says of all programs of a learner, built, loaded and stepped, the body of a loop once; None
where a backend has none."""

MARGIN = 0.01
"""By which share of expected instructions and allocations a row may be off, unless it has its own margin."""


def cases(backends: Sequence[str] = impl.BACKENDS) -> list[Case]:
    """Every backend, rule of a cost of its own and mode, at the size to count at, on one thread."""
    problem = PROBLEMS[TASK_NAME]
    return [
        Case(
            backend, rule, mode, problem=problem.with_task(LONGER.get(backend, TASK)), batch=BATCH, threads=1
        )
        for backend in backends
        for rule in rules.tracked()
        for mode in rules.get(rule).modes
    ]
