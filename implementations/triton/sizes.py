"""Which kernels a size gets, and how it is cut up: the one place that says so."""

from dataclasses import dataclass

MAX_NEURONS = 1024  # of which a step of the forward pass has 4 per thread, and one row per word in registers
ON_CHIP = 128  # neurons whose recurrent weights fit into the registers of one program


@dataclass(frozen=True)
class Sizes:
    """How a network is cut up.

    Attributes:
        in_words, rec_words: 32-bit words of the spikes of a step; rec_words is a power of two.
        rec: neurons of a block, 32 rec_words.
        n_pad: columns of arrays over time: n_rec, rounded up so that rows are aligned.
        out: outputs of a block, a power of two.
        warps: of a program that has all neurons of a trial, 4 of them per thread.
    """

    in_words: int
    rec_words: int
    rec: int
    n_pad: int
    out: int
    warps: int


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


def sizes(n_in: int, n_rec: int, n_out: int) -> Sizes:
    """How the kernels cut up a network that they do not refuse.

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
        warps=max(1, rec // 128),
    )
