"""Launches of the Triton kernels within a JAX program: what each needs, what it returns, how it is cut up."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from implementations.divergence import Bounds
from implementations.interface import Setting
from implementations.jax.arrays import Weights
from implementations.jax.triton import signatures
from implementations.jax.triton.triton_call import triton_call
from implementations.triton import products as product_kernels
from implementations.triton import weights as weight_kernels
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


class Trials(NamedTuple):
    """Trials as the kernels read them.

    Attributes:
        x_words: (batch, n_steps, words) int32; bit i of word w is input 32 w + i.
        classes: (batch,) int64 targets; one number, unread, where the loss is squared error.
        curves: (batch, window, n_out) targets over the window; one number where it is cross-entropy.
    """

    x_words: jax.Array
    classes: jax.Array
    curves: jax.Array


class Prepared(NamedTuple):
    """Weights as the kernels read them, see `triton.weights.prepare`; beta and beta/theta (REC,)."""

    rows: jax.Array
    w_out: jax.Array
    feedback: jax.Array
    back: jax.Array
    flags: jax.Array
    beta: jax.Array
    beta_threshold: jax.Array


class Ran(NamedTuple):
    """What `triton.dynamics.forward` leaves; one number where it was not asked for."""

    losses: jax.Array  # (batch,) float64
    y_sum: jax.Array  # (batch, n_out) float64
    counts: jax.Array  # (batch, REC) int32
    psi: jax.Array  # (batch, n_steps, n_pad)
    pre_words: jax.Array  # (batch, n_steps, words) int32
    zbar: jax.Array  # (batch, window, n_pad)
    ell: jax.Array  # (batch, window, n_out)
    spikes: jax.Array  # (batch, n_steps, n_rec) int8
    readout: jax.Array  # (batch, n_steps, n_out)


class Traces(NamedTuple):
    """What the online form carries from chunk to chunk of steps."""

    state: jax.Array  # (batch, 6, REC)
    losses: jax.Array  # (batch,) float64
    y_sum: jax.Array  # (batch, n_out) float64
    zbar: jax.Array  # (batch, window, n_pad)
    ell: jax.Array  # (batch, window, n_out)
    eps_v: jax.Array  # (batch, blocks, 32 words)
    traces: jax.Array  # (batch, 4, 32 words, REC)
    counts: jax.Array  # (batch, REC) int32


@dataclass(frozen=True)
class Launches:
    """Of a batch of `n_batch` trials of `n_steps`, all or some of which a launch may be about."""

    static: Setting
    choices: Choices
    n_batch: int
    n_steps: int

    @property
    def cut(self) -> Sizes:
        """How the kernels cut up the network."""
        network = self.static.network
        return sizes(network.n_in, network.n_rec, network.n_out, self.choices)

    @property
    def n_words(self) -> int:
        """Of the spikes of a step, inputs and neurons."""
        return self.cut.in_words + self.cut.rec_words

    def prepare(self, weights: Weights, feedback: jax.Array) -> Prepared:
        """`back` only for rules with a recurrent gradient."""
        network, rule, cut = self.static.network, self.static.rule, self.cut
        n_out, n_rows = network.n_out, 32 * self.n_words
        back = rule.recurrent_gradient
        rows, out_rows, w_back, flags = _launch(
            weight_kernels.prepare, (n_rows + n_out,),
            [*weights, feedback],
            [
                self._real(n_rows, cut.rec), self._real(2, n_out, cut.rec),
                self._real(*((cut.rec, cut.rec) if back else (1,))), self._real(n_rows + n_out),
            ],
            n_in=network.n_in, n_rec=network.n_rec, n_out=n_out, BOUND=self._bounds.weight,
            THETA=float(network.threshold), BACK=back, RESET=rule.reset_gradient,
            ON_CHIP=cut.on_chip, REC=cut.rec, **self._words,
        )  # fmt: skip
        beta = np.zeros(cut.rec, self.static.dtype)
        beta[: network.n_rec] = network.beta
        scaled = (beta / network.threshold).astype(self.static.dtype)
        return Prepared(rows, out_rows[0], out_rows[1], w_back, flags, jnp.asarray(beta), jnp.asarray(scaled))

    def forward(
        self, prepared: Prepared, trials: Trials, *, gradient: bool = False, activity: bool = False
    ) -> Ran:
        """All steps of all trials."""
        network, cut = self.static.network, self.cut
        n_batch, n_steps, window = self.n_batch, self.n_steps, self.static.objective.window

        def kept(*shape: int) -> tuple[int, ...]:
            return shape if gradient else (1,)

        def shown(*shape: int) -> tuple[int, ...]:
            return shape if activity else (1,)

        outputs = [
            _shape(np.float64, n_batch),
            _shape(np.float64, n_batch, network.n_out),
            _shape(np.int32, n_batch, cut.rec),
            self._real(*kept(n_batch, n_steps, cut.n_pad)),
            _shape(np.int32, *kept(n_batch, n_steps, self.n_words)),
            self._real(*kept(n_batch, window, cut.n_pad)),
            self._real(*kept(n_batch, window, network.n_out)),
            _shape(np.int8, *shown(n_batch, n_steps, network.n_rec)),
            self._real(*shown(n_batch, n_steps, network.n_out)),
        ]
        return Ran(*_launch(
            signatures.forward, (n_batch,), self._read(prepared, trials), outputs,
            GRADIENT=gradient, ACTIVITY=activity, **self._forward_constants, num_warps=cut.warps,
        ))  # fmt: skip

    def figures(
        self, prepared: Prepared, counts: jax.Array, losses: jax.Array, y_sum: jax.Array, classes: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        """c (REC,) and the figures (5,) float64 of the batch."""
        network, objective, cut = self.static.network, self.static.objective, self.cut
        return _launch(
            signatures.evaluate, (1,),
            [counts, losses, y_sum, classes, prepared.flags],
            [self._real(cut.rec), _shape(np.float64, 5)],
            N_BATCH=self.n_batch, N_STEPS=self.n_steps, WINDOW=objective.window,
            N_REC=network.n_rec, N_OUT=network.n_out, N_FLAGS=prepared.flags.size,
            BOUND=self._bounds.task_loss, DT_MS=float(network.dt_ms), RATE_COST=float(objective.rate_cost),
            RATE_TARGET=float(objective.rate_target_per_ms), CLASSES=self._classes,
            TRIALS=max(4096 // cut.rec, 4), REC=cut.rec,
        )  # fmt: skip

    def back(self, prepared: Prepared, ran: Ran, c: jax.Array) -> jax.Array:
        """lam_v (batch, n_steps, n_pad) in place of psi: BPTT where the rule has it, else e-prop."""
        cut, choices, shape = self.cut, self.choices, self._shape_constants
        if not self.static.rule.recurrent_gradient:
            (lam_v,) = _launch(
                signatures.adjoint, (self.n_batch, cdiv(cut.n_pad, choices.adjoint_block)),
                [ran.ell, prepared.feedback, c, prepared.beta, ran.psi], [], in_place=1,
                **shape, **self._decays, STEPS=choices.adjoint_steps, BLOCK=choices.adjoint_block,
                REC=cut.rec, num_warps=1,
            )  # fmt: skip
            return lam_v
        read = [ran.ell, prepared.feedback, c, prepared.beta, prepared.back]
        if cut.on_chip:
            (lam_v,) = _launch(
                signatures.through_time, (self.n_batch,), [*read, ran.psi], [], in_place=1,
                **shape, **self._decays, STEPS=choices.bptt_steps, REC=cut.rec,
                num_warps=bptt_warps(cut, choices, self.static.dtype.name),
            )  # fmt: skip
            return lam_v
        trials, block = choices.step_trials, choices.step_block

        def step(k: jax.Array, carried: tuple[jax.Array, ...]) -> tuple[jax.Array, ...]:
            t = (self.n_steps - 1 - k).astype(np.int32).reshape(1)
            return tuple(_launch(
                signatures.step, (cdiv(self.n_batch, trials), cdiv(cut.n_pad, block)),
                [t, *read, *carried], [], in_place=3,
                N_BATCH=self.n_batch, **shape, **self._decays, PRECISION=self._precision,
                TRIALS=trials, BLOCK=block, INNER=choices.step_inner, REC=cut.rec,
                num_warps=choices.step_warps, num_stages=choices.step_stages,
            ))  # fmt: skip

        zeros = jnp.zeros((self.n_batch, cut.rec), self.static.dtype)
        return jax.lax.fori_loop(0, self.n_steps, step, (ran.psi, zeros, zeros))[0]

    def carry(self, prepared: Prepared, trials: Trials, n: int) -> Traces:
        """The online form over all steps of `n` trials, by chunks: `triton.online`."""
        network, cut, choices = self.static.network, self.cut, self.choices
        n_words, window = self.n_words, self.static.objective.window
        chunk = min(choices.chunk, self.n_steps)
        grid = carry_grid(n, network.n_in, network.n_rec, cut, choices)
        real = partial(jnp.zeros, dtype=self.static.dtype)
        zeros = Traces(
            real((n, 6, cut.rec)),
            jnp.zeros(n, np.float64),
            jnp.zeros((n, network.n_out), np.float64),
            real((n, window, cut.n_pad)),
            real((n, window, network.n_out)),
            real((n, grid[2], 32 * n_words)),
            real((n, 4, 32 * n_words, cut.rec)),
            jnp.zeros((n, cut.rec), np.int32),
        )
        left = [  # counts, psi, bits
            _shape(np.int32, n, cut.rec),
            self._real(n, chunk, cut.n_pad),
            _shape(np.int32, n, chunk, n_words),
        ]

        def steps(k: jax.Array, carried: Traces) -> Traces:
            start = (chunk * k).astype(np.int32).reshape(1)
            *changed, counts, psi, words = _launch(
                signatures.resume, (n,),
                [start, *self._read(prepared, trials), *carried[:5]],
                left, in_place=5, CHUNK=chunk, **self._forward_constants, num_warps=cut.warps,
            )  # fmt: skip
            eps_v, traces = _launch(
                signatures.carry, grid,
                [
                    start, psi, words, changed[4], prepared.feedback, prepared.beta,
                    carried.eps_v, carried.traces,
                ],
                [], in_place=2, N_IN=network.n_in, CHUNK=chunk, **self._shape_constants, **self._decays,
                IN_WORDS=cut.in_words, WORDS=n_words, PRE=choices.carry_pre,
                BLOCK=carry_block(cut, choices), REC=cut.rec, num_warps=choices.carry_warps,
            )  # fmt: skip
            state, losses, y_sum, zbar, ell = changed
            return Traces(state, losses, y_sum, zbar, ell, eps_v, traces, counts)

        return jax.lax.fori_loop(0, cdiv(self.n_steps, chunk), steps, zeros)

    def products(self, pre_words: jax.Array, lam_v: jax.Array) -> jax.Array:
        """(n_parts, 32 words, REC) sums over a part of all steps each."""
        cut, n_words, n_rows = self.cut, self.n_words, self.n_batch * self.n_steps
        rows = product_cut(cut, n_rows, self.static.dtype.name, self.choices)
        (parts,) = _launch(
            product_kernels.products, rows.grid,
            [pre_words, lam_v], [self._real(rows.n_parts, 32 * n_words, cut.rec)],
            n_rows=n_rows, part_rows=rows.part_rows, n_pad=cut.n_pad,
            WORDS=n_words, PRE=rows.pre, BLOCK=rows.block, STEPS=rows.steps, REC=cut.rec,
            SPLIT=self.static.dtype == np.float32,
            num_warps=rows.warps, num_stages=self.choices.product_stages,
        )  # fmt: skip
        return parts

    def collect(self, parts: jax.Array, rates: jax.Array | None, c: jax.Array) -> tuple[jax.Array, jax.Array]:
        """dW_in and dW_rec of parts (n_parts, 32 words, REC); rates (32 words, REC) sum of e."""
        network, cut = self.static.network, self.cut
        n_in, n_rec = network.n_in, network.n_rec
        return _launch(
            weight_kernels.collect, (n_in + n_rec,),
            [parts, parts if rates is None else rates, c],
            [self._real(n_in, n_rec), self._real(n_rec, n_rec)],
            n_parts=len(parts), n_in=n_in, n_rec=n_rec,
            RATES=rates is not None, PARTS=min(16, power_of_two(len(parts))), REC=cut.rec, **self._words,
            num_warps=cut.warps,
        )  # fmt: skip

    def out_gradient(self, zbar: jax.Array, ell: jax.Array) -> jax.Array:
        """dW_out = sum_t zbar[t]^T ell[t] (n_rec, n_out): one product, which is XLA's to do."""
        n_rec, n_out = self.static.network.n_rec, self.static.network.n_out
        return zbar.reshape(-1, self.cut.n_pad)[:, :n_rec].T @ ell.reshape(-1, n_out)

    def _real(self, *shape: int) -> jax.ShapeDtypeStruct:
        return _shape(self.static.dtype, *shape)

    @staticmethod
    def _read(prepared: Prepared, trials: Trials) -> list[jax.Array]:
        return [trials.x_words, prepared.rows, prepared.w_out, prepared.beta_threshold, *trials[1:]]

    @property
    def _bounds(self) -> Bounds:
        """Of weights and loss, beyond which the network has diverged."""
        return Bounds.of(self.static.dtype)

    @property
    def _classes(self) -> bool:
        return self.static.objective.loss == "cross_entropy"

    @property
    def _precision(self) -> str:
        """Of products on tensor cores: no less than the dtype's."""
        return "tf32x3" if self.static.dtype == np.float32 else "ieee"

    @property
    def _words(self) -> dict[str, int]:
        return {"IN_WORDS": self.cut.in_words, "REC_WORDS": self.cut.rec_words}

    @property
    def _decays(self) -> dict[str, float]:
        network = self.static.network
        return {"ALPHA": float(network.alpha), "RHO": float(network.rho), "KAPPA": float(network.kappa)}

    @property
    def _shape_constants(self) -> dict[str, int]:
        window, n_out = self.static.objective.window, self.static.network.n_out
        return {"N_STEPS": self.n_steps, "WINDOW": window, "N_PAD": self.cut.n_pad, "N_OUT": n_out}

    @property
    def _forward_constants(self) -> dict[str, Any]:
        network = self.static.network
        return {
            "N_BATCH": self.n_batch,
            "N_REC": network.n_rec,
            **self._shape_constants,
            **self._decays,
            "HEIGHT": float(network.dampening / network.threshold),
            # n_ref - 1 silent steps, but no more than there are
            "SILENT_STEPS": min(max(network.refractory_steps - 1, 0), self.n_steps),
            "CLASSES": self._classes,
            **self._words,
            "REC": self.cut.rec,
            "OUT": self.cut.out,
            "TOGETHER": self.cut.together,
        }


def _shape(dtype: Any, *shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


def _launch(
    kernel: Any,
    grid: Any,  # (x,), (x, y) or (x, y, z)
    inputs: Sequence[jax.Array],
    outputs: Sequence[jax.ShapeDtypeStruct],
    *,
    in_place: int = 0,
    **options: Any,
) -> Any:
    """A program of `kernel` for each cell of `grid`; `options`: constants, and for the compiler.

    The last `in_place` inputs are changed, and come out in front of `outputs`.
    """
    first = len(inputs) - in_place
    changed = [_shape(array.dtype, *array.shape) for array in inputs[first:]]
    return triton_call(
        *inputs,
        kernel=kernel,
        grid=grid,
        out_shape=[*changed, *outputs],
        input_output_aliases={first + k: k for k in range(in_place)},
        **options,
    )
