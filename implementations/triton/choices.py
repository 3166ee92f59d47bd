"""What is free to choose about the kernels: how each is cut up and launched, which changes only rounding.

The defaults are the fastest of what was timed on an H200, at 100 neurons and batch 128 (docs/tried.md); those
of larger networks, `step_` and `words_together`, are estimates. `gpu-check --tune` times others beside them.
"""

from dataclasses import astuple, dataclass, fields

from implementations import checks
from implementations.choices import InForce


@dataclass(frozen=True)
class Choices:
    """Whole numbers, each at least 1; `warps` of 32 threads are those of a program.

    Attributes:
        forward_warps: of each 128 neurons of a trial, forward in time.
        words_together: from so many words of spikes on, their rows of weights are asked for together: what
            waits for L2 comes sooner, and what has nothing to wait for takes longer.
        adjoint_steps: of psi, asked for together: what is under way has to cover the latency of memory.
        adjoint_block: neurons of a program of adjoint e-prop.
        on_chip: neurons up to which BPTT keeps its weights in registers, and a launch does all steps;
            beyond, a launch is a step, and weights come from L2. At least 64.
        bptt_warps: of the former in float32, one for 32 neurons at most, and twice as many in float64: at 4,
            128 registers of each thread are weights.
        bptt_steps: of psi, asked for together by it.
        step_trials, step_block, step_inner: trials, neurons and summands of a program of the latter, each at
            least 16; step_warps, step_stages: of the same, and loads under way.
        product_pre, product_block: presynaptic and postsynaptic neurons of a program of the weight gradients.
        product_steps: rows, one per trial and step, that it takes at once in float32.
        product_programs: how many there are at most: one for each of some 132 processors.
        product_warps, product_stages: as above.
        carry_pre, carry_block: presynaptic and postsynaptic neurons whose traces a program of the online form
            has in registers; carry_warps.
        chunk: steps between which these traces are in memory.
        graph: 1 if PyTorch launches a batch's kernels as one CUDA graph, 0 if one by one.

    Raises:
        InvalidArgument: (a ValueError) for what is no such number.
    """

    forward_warps: int = 1
    words_together: int = 8
    adjoint_steps: int = 32
    adjoint_block: int = 64
    on_chip: int = 128
    bptt_warps: int = 4
    bptt_steps: int = 4
    step_trials: int = 16
    step_block: int = 64
    step_inner: int = 32
    step_warps: int = 4
    step_stages: int = 3
    product_pre: int = 256
    product_block: int = 128
    product_steps: int = 32
    product_programs: int = 132
    product_warps: int = 8
    product_stages: int = 3
    carry_pre: int = 8
    carry_block: int = 128
    carry_warps: int = 2
    chunk: int = 256
    graph: int = 1

    def __post_init__(self) -> None:
        for field in fields(self):
            least = {"graph": 0, **_LEAST}.get(field.name, 1)
            checks.integer(field.name, getattr(self, field.name), least)

    def packed(self) -> list[int]:
        """For what takes numbers alone; `Choices(*packed)` is the same again."""
        return list(astuple(self))


_DOTS = ("step_trials", "step_block", "step_inner", "product_block", "product_steps")
_LEAST = {"on_chip": 64, "product_pre": 32, **dict.fromkeys(_DOTS, 16)}
IN_FORCE = InForce(Choices())
