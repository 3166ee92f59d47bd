"""The Triton kernels behind torch operators, `torch.ops.eprop_bench_triton`: on the device, without a wait.

Arguments that all of them take:
    batch: x_words (batch, n_steps, words) int32 bits, classes (batch,) int64, curves (batch, window, n_out);
        of the last two one is empty.
    weights: w_in, w_rec, w_out, feedback, and beta (n_rec,) in units of the potential.
    constants: alpha, rho, kappa, theta, dampening, dt in ms, rate cost, target rate per ms.
    counts: refractory steps, window, n_in.
    chosen: `triton.choices.Choices`, packed.
"""

import torch
from torch import Tensor

from implementations.torch.triton import launches
from implementations.triton.sizes import carry_block, trial_group

_FOUR = tuple[Tensor, Tensor, Tensor, Tensor]


@torch.library.custom_op("eprop_bench_triton::adjoint", mutates_args=())
def adjoint(
    batch: list[Tensor], weights: list[Tensor], constants: list[float], counts: list[int],
    chosen: list[int], recurrent: bool, reset: bool,
) -> _FOUR:  # fmt: skip
    """dW_in, dW_rec, dW_out, figures: e-prop; BPTT where `recurrent`, through resets too where `reset`."""
    call = launches.Call.of(batch, weights, constants, counts, chosen)
    prepared = launches.prepare(call, recurrent, reset)
    out = launches.buffers(call, call.n_batch, call.n_steps, gradient=True)
    launches.forward(call, prepared, out, slice(None), range(call.n_steps))
    c, figures = launches.figures(call, prepared, out.counts, out.losses, out.y_sum)
    back = launches.through_time if recurrent else launches.per_neuron
    back(call, prepared, out, c)
    d_in, d_rec = launches.collect(call, launches.step_products(call, out.pre_words, out.psi), None, c)
    return d_in, d_rec, launches.out_gradient(call, out), figures


@torch.library.custom_op("eprop_bench_triton::online", mutates_args=())
def carried(
    batch: list[Tensor], weights: list[Tensor], constants: list[float], counts: list[int], chosen: list[int]
) -> _FOUR:
    """The same by e-prop with traces carried forward."""
    call = launches.Call.of(batch, weights, constants, counts, chosen)
    cut = call.cut
    prepared = launches.prepare(call)
    n_words = cut.in_words + cut.rec_words
    n_blocks, n_chunk = cut.rec // carry_block(cut, call.choices), call.choices.chunk
    size = trial_group(cut, n_words, call.weights[0].element_size(), call.n_batch)
    spikes = call.empty(call.n_batch, cut.rec, dtype=torch.int32)
    losses = call.empty(call.n_batch, dtype=torch.float64).zero_()
    y_sum = call.empty(call.n_batch, call.n_out, dtype=torch.float64).zero_()
    sums = call.empty(2, 32 * n_words, cut.rec).zero_()
    d_out = call.empty(call.n_rec, call.n_out).zero_()
    for begin in range(0, call.n_batch, size):
        trials = slice(begin, min(begin + size, call.n_batch))
        n = trials.stop - begin
        state = call.empty(n, 6, cut.rec).zero_()
        traces = call.empty(n, 4, 32 * n_words, cut.rec).zero_()
        eps_v = call.empty(n, n_blocks, 32 * n_words).zero_()
        chunk = launches.buffers(call, n, min(n_chunk, call.n_steps), gradient=True)
        chunk = chunk._replace(losses=losses[trials], y_sum=y_sum[trials], counts=spikes[trials])
        for start in range(0, call.n_steps, n_chunk):
            steps = range(start, min(start + n_chunk, call.n_steps))
            launches.forward(call, prepared, chunk, trials, steps, state)
            launches.carry(call, prepared, chunk, eps_v, traces, steps)
        sums += traces[:, 2:].sum(dim=0)
        d_out += launches.out_gradient(call, chunk)
    c, figures = launches.figures(call, prepared, spikes, losses, y_sum)
    d_in, d_rec = launches.collect(call, sums[1:], sums[0], c)
    return d_in, d_rec, d_out, figures


@torch.library.custom_op("eprop_bench_triton::evaluate", mutates_args=())
def evaluate(
    batch: list[Tensor], weights: list[Tensor], constants: list[float], counts: list[int], chosen: list[int]
) -> Tensor:
    """The figures: a forward pass that stores nothing."""
    call = launches.Call.of(batch, weights, constants, counts, chosen)
    prepared = launches.prepare(call)
    out = launches.buffers(call, call.n_batch, call.n_steps, gradient=False)
    launches.forward(call, prepared, out, slice(None), range(call.n_steps))
    return launches.figures(call, prepared, out.counts, out.losses, out.y_sum)[1]


@torch.library.custom_op("eprop_bench_triton::simulate", mutates_args=())
def simulate(
    batch: list[Tensor], weights: list[Tensor], constants: list[float], counts: list[int], chosen: list[int]
) -> tuple[Tensor, Tensor]:
    """Spikes (batch, n_steps, n_rec) int8 and readout (batch, n_steps, n_out)."""
    call = launches.Call.of(batch, weights, constants, counts, chosen)
    out = launches.buffers(call, call.n_batch, call.n_steps, gradient=False, activity=True)
    launches.forward(call, launches.prepare(call), out, slice(None), range(call.n_steps))
    return out.spikes, out.readout
