"""Which kernels a size gets, and how it is cut up: the one place that says so."""

from dataclasses import dataclass

from implementations.triton.choices import Choices

MAX_NEURONS = 1024  # of which a step of the forward pass has 4 per thread, and one row per word in registers
TRACE_BYTES = 2 * 2**30  # its trials are done in groups whose traces take no more than this


@dataclass(frozen=True)
class Sizes:
    """How a network is cut up.

    Attributes:
        in_words, rec_words: 32-bit words of the spikes of a step; rec_words is a power of two.
        rec: neurons of a block, 32 rec_words.
        n_pad: columns of arrays over time: n_rec, rounded up so that rows are aligned.
        out: outputs of a block, a power of two.
        warps: of a program that has all neurons of a trial, by default 4 of them per thread.
        together: whether the rows of weights of all words of spikes are asked for together.
        on_chip: whether BPTT has its weights in registers.
    """

    in_words: int
    rec_words: int
    rec: int
    n_pad: int
    out: int
    warps: int
    together: bool
    on_chip: bool


def cdiv(n: int, size: int) -> int:
    """How many of `size` hold `n`."""
    return -(-n // size)


def power_of_two(n: int) -> int:
    """The smallest that is at least `n`."""
    return 1 << (n - 1).bit_length()


def refused(n_rec: int) -> str | None:
    """Why the kernels do not take a network of `n_rec` neurons; None where they do."""
    if n_rec > MAX_NEURONS:
        return f"n_rec is {n_rec}, and the Triton kernels take at most {MAX_NEURONS}"
    return None


def sizes(n_in: int, n_rec: int, n_out: int, choices: Choices) -> Sizes:
    """How the kernels cut up a network that they do not refuse.

    By default:

    - Up to 128 neurons: a trial is one warp forward in time, and BPTT keeps the weights in registers.
    - Up to 1024: a warp per 128 neurons, which exchange spikes through shared memory and read rows of weights
      from L2, those of all words at once; BPTT is one launch per step, a product of all trials on tensor
      cores with the neurons in its epilogue (`bptt.step`), and the launches are a CUDA graph.
    """
    rec = power_of_two(max(n_rec, 32))
    return Sizes(
        in_words=cdiv(n_in, 32),
        rec_words=rec // 32,
        rec=rec,
        n_pad=16 * cdiv(n_rec, 16),
        out=power_of_two(n_out),
        warps=choices.forward_warps * max(1, rec // 128),
        together=rec // 32 >= choices.words_together,
        on_chip=rec <= choices.on_chip,
    )


def bptt_warps(cut: Sizes, choices: Choices, dtype: str) -> int:
    """Of a program that has all weights in registers: those of float64 take two each."""
    return min(choices.bptt_warps, cut.rec_words) * (1 if dtype == "float32" else 2)


def carry_grid(n_trials: int, n_in: int, n_rec: int, cut: Sizes, choices: Choices) -> tuple[int, int, int]:
    """Programs of `online.carry`: trials; blocks of inputs, then of neurons, that send; of those that get."""
    pre, block = choices.carry_pre, carry_block(cut, choices)
    return n_trials, cdiv(n_in, pre) + cdiv(n_rec, pre), cut.rec // block


def carry_block(cut: Sizes, choices: Choices) -> int:
    """Postsynaptic neurons of a program of it."""
    return min(choices.carry_block, cut.rec)


def trial_group(cut: Sizes, n_words: int, itemsize: int, n_batch: int) -> int:
    """Trials that the online form takes at once: each has 4 traces of 32 `n_words` x `cut.rec` synapses."""
    return max(1, min(TRACE_BYTES // (4 * 32 * n_words * cut.rec * itemsize), n_batch))


@dataclass(frozen=True)
class ProductCut:
    """How `products` is cut up.

    Attributes:
        pre, block: presynaptic and postsynaptic neurons of a program.
        steps: rows, one per trial and step, that it takes at once.
        n_parts, part_rows: parts of the rows, and rows of each.
        grid: programs; warps: of each.
    """

    pre: int
    block: int
    steps: int
    n_parts: int
    part_rows: int
    grid: tuple[int, int, int]
    warps: int


def product_cut(cut: Sizes, n_rows: int, dtype: str, choices: Choices) -> ProductCut:
    """For `n_rows` rows."""
    pre, block = choices.product_pre, min(choices.product_block, cut.rec)
    steps, warps = choices.product_steps, choices.product_warps
    if dtype != "float32":  # sums take twice the registers, and tensor cores a quarter of the rows at once
        pre, steps, warps = min(pre, 64), min(steps, 16), min(warps, 4)
    tiles = cdiv(32 * (cut.in_words + cut.rec_words), pre), cdiv(cut.rec, block)
    # no more parts than there is work for
    n_parts = max(1, min(choices.product_programs // (tiles[0] * tiles[1]), cdiv(n_rows, 4 * steps)))
    part_rows = cdiv(cdiv(n_rows, n_parts), steps) * steps
    n_parts = cdiv(n_rows, part_rows)
    return ProductCut(pre, block, steps, n_parts, part_rows, (*tiles, n_parts), warps)
