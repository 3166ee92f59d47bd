"""What is measured to know how good the gates are: which slowdowns, beside what else, by which gates."""

SLOWDOWNS = (0.0, 0.02, 0.05, 0.10, 0.15, 0.20, 0.30)
"""Shares of a step's work that are added; what it is slower by is measured. At 0, what is found is a false
alarm."""

BUSY = (0, 1, 2)
"""Processes beside it that compute without end: with 0 the machine is quiet."""

BACKENDS = ("numpy", "numba", "torch")
"""In whose hot loop the slowdowns are planted: an interpreter's, a compiler's at run time, and C++."""

PAIRS, DRAWS = 24, 200
"""Pairs of processes that are measured of each; comparisons that are drawn from them."""

FAMILY = 25
"""Timed cases of a comparison, over which a verdict is corrected: about as many as `check` has by default."""

GATES = ("counts", "pairs", "ranks")
"""Counts of instructions; pairs of processes; and the gate before these: ranks of samples in four processes a
side, some minutes apart, with a second measurement."""

BENCHMARK = "step_time.StepTime.time_step"
