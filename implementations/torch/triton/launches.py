"""Launches of the Triton kernels on tensors: what each needs, what it leaves, how it is cut up."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from implementations.divergence import Bounds
from implementations.torch.exact import exact
from implementations.triton import bptt as bptt_kernels
from implementations.triton import dynamics, loss, online, products, weights
from implementations.triton import per_neuron as per_neuron_kernels
from implementations.triton.choices import Choices
from implementations.triton.sizes import (
    Sizes,
    bptt_warps,
    carry_block,
    carry_grid,
    cdiv,
    power_of_two,
    product_cut,
    sizes,
)


def _launch(kernel: Any, grid: tuple[int, ...], *arguments: Any, **options: Any) -> None:
    """A program of `kernel` for each cell of `grid`; `options`: constants, and for the compiler."""
    kernel[grid](*arguments, **options)


class Call(NamedTuple):
    """What the launches of one call share."""

    x_words: Tensor
    classes: Tensor
    curves: Tensor
    weights: list[Tensor]
    constants: list[float]
    silent_steps: int
    window: int
    n_in: int
    choices: Choices
    cut: Sizes

    @classmethod
    def of(
        cls,
        batch: list[Tensor],
        weights: list[Tensor],
        constants: list[float],
        counts: list[int],
        chosen: list[int],
    ) -> "Call":
        """From the arguments of an operator, see operators.py."""
        refractory_steps, window, n_in = counts
        n_rec, n_out = weights[2].shape
        # n_ref - 1 silent steps, but no more than there are
        silent_steps = min(max(refractory_steps - 1, 0), batch[0].shape[1])
        x_words, classes, curves = batch
        choices = Choices(*chosen)
        cut = sizes(n_in, n_rec, n_out, choices)
        return cls(x_words, classes, curves, weights, constants, silent_steps, window, n_in, choices, cut)

    @property
    def n_batch(self) -> int:
        """Trials."""
        return self.x_words.shape[0]

    @property
    def n_steps(self) -> int:
        """Steps of a trial."""
        return self.x_words.shape[1]

    @property
    def n_rec(self) -> int:
        """Recurrent neurons."""
        return self.weights[2].shape[0]

    @property
    def n_out(self) -> int:
        """Readout neurons."""
        return self.weights[2].shape[1]

    @property
    def has_classes(self) -> bool:
        """Whether the loss is cross-entropy."""
        return self.classes.numel() > 0

    @property
    def decays(self) -> dict[str, float]:
        """Constants of most kernels."""
        return dict(zip(("ALPHA", "RHO", "KAPPA"), self.constants[:3], strict=True))

    @property
    def bounds(self) -> Bounds:
        """Of weights and loss, beyond which the network has diverged."""
        return Bounds.of(np.dtype(_name(self.weights[0])))

    @property
    def words(self) -> dict[str, int]:
        """Words of bits: of inputs, and of neurons."""
        return {"IN_WORDS": self.cut.in_words, "REC_WORDS": self.cut.rec_words}

    def empty(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """In the dtype of the weights, where no other is given."""
        return torch.empty(shape, dtype=dtype or self.weights[0].dtype, device=self.x_words.device)


class Prepared(NamedTuple):
    """Weights as the kernels read them; beta and beta/theta (REC,)."""

    rows: Tensor
    w_out: Tensor
    feedback: Tensor
    back: Tensor
    flags: Tensor
    beta: Tensor
    beta_threshold: Tensor


def prepare(call: Call, back: bool = False, reset: bool = False) -> Prepared:
    """With what BPTT sends back through where `back`: with the reset where `reset`."""
    cut, n_out = call.cut, call.n_out
    n_rows = 32 * (cut.in_words + cut.rec_words)
    rows = call.empty(n_rows, cut.rec)
    out_rows = call.empty(2, n_out, cut.rec)
    w_back = call.empty(cut.rec if back else 0, cut.rec)
    flags = call.empty(n_rows + n_out)
    w_in, w_rec, w_out, feedback, beta = call.weights
    _launch(
        weights.prepare, (n_rows + n_out,),
        w_in, w_rec, w_out, feedback, rows, out_rows, w_back, flags, call.n_in, call.n_rec, n_out,
        BOUND=call.bounds.weight, THETA=call.constants[3], BACK=back, RESET=reset,
        ON_CHIP=cut.on_chip, REC=cut.rec, **call.words,
    )  # fmt: skip
    beta = torch.nn.functional.pad(beta, (0, cut.rec - call.n_rec))
    return Prepared(rows, out_rows[0], out_rows[1], w_back, flags, beta, beta / call.constants[3])


class Ran(NamedTuple):
    """What the forward pass leaves; empty where not asked for."""

    losses: Tensor
    y_sum: Tensor
    counts: Tensor
    psi: Tensor
    pre_words: Tensor
    zbar: Tensor
    ell: Tensor
    spikes: Tensor
    readout: Tensor


def buffers(call: Call, n_batch: int, n_steps: int, gradient: bool, activity: bool = False) -> Ran:
    """For a forward pass of so many trials and steps, that keeps what a gradient needs, or what it shows."""
    cut = call.cut
    kept, shown = n_batch if gradient else 0, n_batch if activity else 0
    return Ran(
        call.empty(n_batch, dtype=torch.float64),
        call.empty(n_batch, call.n_out, dtype=torch.float64),
        call.empty(n_batch, cut.rec, dtype=torch.int32),
        call.empty(kept, n_steps, cut.n_pad),
        call.empty(kept, n_steps, cut.in_words + cut.rec_words, dtype=torch.int32),
        call.empty(kept, call.window, cut.n_pad),
        call.empty(kept, call.window, call.n_out),
        call.empty(shown, n_steps, call.n_rec, dtype=torch.int8),
        call.empty(shown, n_steps, call.n_out),
    )


def forward(
    call: Call, prepared: Prepared, out: Ran, trials: slice, steps: range, state: Tensor | None = None
) -> None:
    """Some steps of some trials into `out`, which has their shape; `state` carries on from steps before."""
    cut = call.cut
    x_words, curves = call.x_words[trials], call.curves[trials]
    _launch(
        dynamics.forward, (x_words.shape[0],),
        x_words, prepared.rows, prepared.w_out, prepared.beta_threshold, call.classes[trials], curves,
        out.counts if state is None else state, out.losses, out.y_sum, out.counts, out.psi, out.pre_words,
        out.zbar, out.ell, out.spikes, out.readout,
        call.n_batch, call.n_steps, steps.start, steps.stop, call.window, call.n_rec, cut.n_pad, call.n_out,
        **call.decays, HEIGHT=call.constants[4] / call.constants[3], SILENT_STEPS=call.silent_steps,
        CLASSES=call.has_classes, GRADIENT=out.psi.numel() > 0, ACTIVITY=out.spikes.numel() > 0,
        RESUME=state is not None, **call.words, REC=cut.rec, OUT=cut.out, TOGETHER=cut.together,
        num_warps=cut.warps,
    )  # fmt: skip


def figures(
    call: Call, prepared: Prepared, counts: Tensor, losses: Tensor, y_sum: Tensor
) -> tuple[Tensor, Tensor]:
    """c (REC,) and the figures (5,) of a batch."""
    cut = call.cut
    c, figures = call.empty(cut.rec), call.empty(5, dtype=torch.float64)
    _launch(
        loss.evaluate, (1,),
        counts, losses, y_sum, call.classes, prepared.flags, c, figures,
        call.n_batch, call.n_steps, call.window, call.n_rec, call.n_out, prepared.flags.numel(),
        BOUND=call.bounds.task_loss, DT_MS=call.constants[5], RATE_COST=call.constants[6],
        RATE_TARGET=call.constants[7], CLASSES=call.has_classes,
        TRIALS=max(4096 // cut.rec, 4), REC=cut.rec, num_warps=4,
    )  # fmt: skip
    return c, figures


def collect(call: Call, parts: Tensor, rates: Tensor | None, c: Tensor) -> tuple[Tensor, Tensor]:
    """dW_in and dW_rec, of parts (n_parts, 32 words, REC)."""
    cut, n_in, n_rec = call.cut, call.n_in, call.n_rec
    d_in, d_rec = call.empty(n_in, n_rec), call.empty(n_rec, n_rec)
    _launch(
        weights.collect, (n_in + n_rec,),
        parts, parts if rates is None else rates, c, d_in, d_rec, len(parts), n_in, n_rec,
        RATES=rates is not None, PARTS=min(16, power_of_two(len(parts))), REC=cut.rec, **call.words,
        num_warps=cut.warps,
    )  # fmt: skip
    return d_in, d_rec


def out_gradient(call: Call, out: Ran) -> Tensor:
    """dW_out = sum_t zbar[t]^T ell[t] (n_rec, n_out)."""
    zbar = out.zbar.view(-1, call.cut.n_pad)[:, : call.n_rec]
    with exact(zbar):
        return zbar.T @ out.ell.view(-1, call.n_out)


def _name(tensor: Tensor) -> str:
    """Of its dtype."""
    return str(tensor.dtype).removeprefix("torch.")


def _precision(tensor: Tensor) -> str:
    """Of products on tensor cores: no less than the dtype's."""
    return "tf32x3" if tensor.dtype == torch.float32 else "ieee"


def step_products(call: Call, pre_words: Tensor, lam_v: Tensor) -> Tensor:
    """(n_parts, 32 words, REC)."""
    cut, n_words = call.cut, call.cut.in_words + call.cut.rec_words
    n_rows = call.n_batch * call.n_steps
    rows = product_cut(cut, n_rows, _name(lam_v), call.choices)
    parts = call.empty(rows.n_parts, 32 * n_words, cut.rec)
    _launch(
        products.products, rows.grid,
        pre_words, lam_v, parts, n_rows, rows.part_rows, cut.n_pad,
        WORDS=n_words, PRE=rows.pre, BLOCK=rows.block, STEPS=rows.steps, REC=cut.rec,
        SPLIT=lam_v.dtype == torch.float32, num_warps=rows.warps, num_stages=call.choices.product_stages,
    )  # fmt: skip
    return parts


def through_time(call: Call, prepared: Prepared, out: Ran, c: Tensor) -> None:
    """lam_v in place of psi."""
    cut, choices = call.cut, call.choices
    shared = (out.ell, prepared.feedback, c, prepared.beta, prepared.back)
    if cut.on_chip:
        _launch(
            bptt_kernels.through_time, (call.n_batch,),
            out.psi, *shared, call.n_steps, call.window, cut.n_pad, call.n_out,
            **call.decays, STEPS=choices.bptt_steps, REC=cut.rec,
            num_warps=bptt_warps(cut, choices, _name(out.psi)),
        )  # fmt: skip
        return
    source, lam_a = call.empty(2, call.n_batch, cut.rec).zero_()
    trials, block = choices.step_trials, choices.step_block
    grid = (cdiv(call.n_batch, trials), cdiv(cut.n_pad, block))
    for t in reversed(range(call.n_steps)):
        _launch(
            bptt_kernels.step, grid,
            out.psi, *shared, source, lam_a, t,
            call.n_batch, call.n_steps, call.window, cut.n_pad, call.n_out,
            **call.decays, PRECISION=_precision(out.psi), TRIALS=trials, BLOCK=block,
            INNER=choices.step_inner, REC=cut.rec,
            num_warps=choices.step_warps, num_stages=choices.step_stages,
        )  # fmt: skip


def per_neuron(call: Call, prepared: Prepared, out: Ran, c: Tensor) -> None:
    """lam_v in place of psi, where neurons send one another nothing back."""
    cut, block = call.cut, call.choices.adjoint_block
    _launch(
        per_neuron_kernels.adjoint, (call.n_batch, cdiv(cut.n_pad, block)),
        out.psi, out.ell, prepared.feedback, c, prepared.beta,
        call.n_steps, call.window, cut.n_pad, call.n_out,
        **call.decays, STEPS=call.choices.adjoint_steps, BLOCK=block, REC=cut.rec, num_warps=1,
    )  # fmt: skip


def carry(call: Call, prepared: Prepared, chunk: Ran, eps_v: Tensor, traces: Tensor, steps: range) -> None:
    """Traces of some trials over `steps`, whose forward pass is in `chunk`; all changed in place.

    Args:
        eps_v: (trials, blocks of neurons, 32 words); traces: (trials, 4, 32 words, REC).
    """
    cut, choices = call.cut, call.choices
    _launch(
        online.carry, carry_grid(len(eps_v), call.n_in, call.n_rec, cut, choices),
        chunk.psi, chunk.pre_words, chunk.ell, prepared.feedback, prepared.beta, eps_v, traces,
        call.n_in, call.n_steps, steps.start, steps.stop, call.window, cut.n_pad, call.n_out,
        **call.decays, IN_WORDS=cut.in_words, WORDS=cut.in_words + cut.rec_words, PRE=choices.carry_pre,
        BLOCK=carry_block(cut, choices), REC=cut.rec, num_warps=choices.carry_warps,
    )  # fmt: skip


_KERNELS: tuple[Any, ...] = (
    weights.prepare, weights.collect, dynamics.forward, loss.evaluate, per_neuron_kernels.adjoint,
    bptt_kernels.through_time, bptt_kernels.step, products.products, online.carry,
)  # fmt: skip


def compiled() -> list[Any]:
    """The kernels that this process compiled, or loaded from Triton's cache; none in its interpreter."""
    caches = [cache for kernel in _KERNELS for cache in getattr(kernel, "device_caches", {}).values()]
    return [one for kernels, *_ in caches for one in kernels.values()]


def compilations() -> int:
    """How many."""
    return len(compiled())
