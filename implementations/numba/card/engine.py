"""The engine: how the kernels are launched, and the buffers that they share."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import cuda

from implementations.divergence import Bounds
from implementations.interface import Setting
from implementations.numba.card import backward, sums
from implementations.numba.card.choices import IN_FORCE
from implementations.numba.card.dynamics import (
    forward,
    from_bits,
    shared_bytes,
    stage_steps,
    words,
)
from implementations.numba.card.online import carry
from implementations.numba.card.weights import THREADS, DeviceWeights, flat, over
from implementations.types import Activity, Batch, Gradients, Metrics


@dataclass(frozen=True, eq=False)
class Loaded:
    """A batch on the device: inputs as bit masks (batch, time, words), targets as on the CPU."""

    x_bits: Any
    classes: Any
    curves: Any
    setting: Setting

    @property
    def shape(self) -> tuple[int, int]:
        """Number of trials, number of steps."""
        return self.x_bits.shape[0], self.x_bits.shape[1]


class _Scalar:
    """A number on the device, brought when asked for."""

    def __init__(self, numbers: Any, index: int) -> None:
        self._numbers, self._index = numbers, index

    def __float__(self) -> float:
        return float(self._numbers.copy_to_host()[self._index])


class CardEngine:
    """Launches the kernels for one learner, whose buffers on the device it keeps."""

    loaded = Loaded

    def __init__(self, setting: Setting, weights: DeviceWeights) -> None:
        self._setting, self._weights, self._choices = setting, weights, IN_FORCE.now()
        network, dtype = setting.network, setting.dtype
        self._beta = cuda.to_device(network.beta.astype(dtype))
        self._scaled_beta = cuda.to_device((network.beta / network.threshold).astype(dtype))
        self._buffers: dict[str, Any] = {}

    def load(self, batch: Batch) -> Loaded:
        """Bit masks of the inputs, and the targets, on the device."""
        batch.refuse_mask("Numba's kernels for cards", "the CPU, or another backend there, takes one")
        classes, curves = batch.targets_within(self._setting.objective, self._setting.dtype)
        bits = batch.spike_words()
        return Loaded(cuda.to_device(bits), cuda.to_device(classes), cuda.to_device(curves), self._setting)

    def on_host(self, gradients: Mapping[str, Any]) -> Gradients:
        """Of what `gradients` left on the device."""
        network = self._setting.network
        w = gradients["w"].copy_to_host().reshape(-1, network.n_rec)
        w_in, w_rec = w[: network.n_in], w[network.n_in :]
        w_out = gradients["w_out"].copy_to_host().reshape(network.n_rec, network.n_out)
        return Gradients(w_in, w_rec, w_out)

    def evaluate(self, loaded: Loaded) -> Metrics:
        """The forward pass alone."""
        run = self._start(loaded, 0, self._setting.objective.window)
        self._forward(loaded, run, 0, loaded.shape[1])
        return self._finish(loaded, run)

    def simulate(self, loaded: Loaded) -> Activity:
        """Spikes and readout of all steps."""
        n_steps = loaded.shape[1]
        run = self._start(loaded, n_steps, n_steps, psi=False)
        nothing = cuda.to_device(np.zeros(0, np.int64))
        no_curves = cuda.to_device(np.zeros((0, 1, 1), self._setting.dtype))
        self._forward(Loaded(loaded.x_bits, nothing, no_curves, loaded.setting), run, 0, n_steps)
        z = from_bits(run["z_bits"].copy_to_host()[:, 1:], self._setting.network.n_rec)
        return Activity(z, run["y"].copy_to_host())

    def synchronize(self) -> None:
        """Waits for all launches."""
        cuda.synchronize()

    def gradients(self, loaded: Loaded) -> tuple[dict[str, Any], Metrics]:
        """Flat gradients of "w" = [W_in; W_rec] and "w_out", on the device."""
        setting, network = self._setting, self._setting.network
        n_steps, window = loaded.shape[1], setting.objective.window
        n_blocks = min(loaded.shape[0], self._choices.blocks)
        online = setting.mode == "online"
        block = min(self._choices.carry_steps, n_steps) if online else n_steps
        run = self._start(loaded, block, window)
        n_pre, n_rec = network.n_in + network.n_rec, network.n_rec
        part = self._buffer("part", (n_blocks, n_pre, n_rec), zero=True)
        out = self._buffer("out", (loaded.shape[0], n_rec, network.n_out), zero=True)
        rate = self._buffer("rate", (n_blocks, n_pre, n_rec), zero=True) if online else None
        feedback = self._weights.arrays[setting.rule.feedback_weights]
        scalar = setting.dtype.type
        share = 1.0 / (loaded.shape[0] * window)
        gain, one = scalar((1.0 - network.kappa) * share), scalar(1)
        decays = (scalar(network.alpha), scalar(network.rho), scalar(network.kappa))
        if online:
            shape = (loaded.shape[0], n_pre)
            eps_v = self._buffer("eps_v", (*shape, 1), zero=True)
            names = ("eps_a", "e_bar", "eps_a_new", "e_bar_new")
            traces = [self._buffer(name, (*shape, n_rec), zero=True) for name in names]
        else:
            eps_v, traces = None, []
        first = n_steps - window
        for start in range(0, n_steps, block):
            stop = min(start + block, n_steps)
            self._forward(loaded, run, start, stop)
            kept_from = max(first, start)
            if stop > kept_from:
                sums.readout_gradient.launch(
                    loaded.shape[0], n_rec, 0, run["zbar_rows"], run["ell"], scalar(share),
                    kept_from - first, stop - kept_from, out,
                )  # fmt: skip
            if online:
                carry.launch(
                    n_blocks, n_rec, 0, start, stop, first, loaded.x_bits, run["z_bits"], run["psi"],
                    run["ell"], feedback, *decays, one, gain, self._beta, eps_v, *traces, part, rate,
                )  # fmt: skip
        metrics = self._finish(loaded, run)
        if not online:
            n_stage = stage_steps(network, setting.dtype, self._choices.stage_steps)
            backward.backward.launch(
                n_blocks, n_rec, backward.shared_bytes(network, setting.dtype, n_stage), n_stage,
                int(setting.rule.recurrent_gradient), first, loaded.x_bits, run["z_bits"], run["psi"],
                run["ell"], self._weights.backward, feedback, run["c"], *decays, gain, self._beta, part,
            )  # fmt: skip
        gradient = self._sum(part, run["c"], rate)
        sums.clear_diagonal.launch(*over(n_rec), 0, gradient, network.n_in, n_rec)
        return {"w": gradient, "w_out": self._sum(out, run["c"])}, metrics

    def _start(self, loaded: Loaded, n_kept: int, window: int, psi: bool = True) -> dict[str, Any]:
        """Buffers of a forward pass that keeps spikes and psi of `n_kept` steps, its states at 0."""
        network, n_batch = self._setting.network, loaded.shape[0]
        n_rec, n_out = network.n_rec, network.n_out
        n_rows = min(window, n_kept) if n_kept else window
        return {
            "state": self._buffer("state", (3, n_batch, n_rec), zero=True),
            "wake": self._buffer("wake", (n_batch, n_rec), np.int32, zero=True),
            "z_bits": self._buffer("z_bits", (n_batch, 1 + n_kept, words(n_rec)), np.uint32, zero=True),
            "psi": self._buffer("psi", (n_batch, n_kept if psi else 0, n_rec)),
            "zbar_rows": self._buffer("zbar_rows", (n_batch, n_rows, n_rec)),
            "y": self._buffer("y", (n_batch, window, n_out)),
            "ell": self._buffer("ell", (n_batch, window, n_out)),
            "losses": self._buffer("losses", (n_batch, window), np.float64),
            "counts": self._buffer("counts", (n_batch, n_rec), np.int32, zero=True),
            "rates": self._buffer("rates", (n_rec,), np.float64),
            "c": self._buffer("c", (n_rec,)),
        }

    def _forward(self, loaded: Loaded, run: dict[str, Any], start: int, stop: int) -> None:
        network, scalar = self._setting.network, self._setting.dtype.type
        first = loaded.shape[1] - run["y"].shape[1]
        forward.launch(
            loaded.shape[0], network.n_rec, shared_bytes(network), start, stop, first, loaded.x_bits,
            self._weights.forward, self._weights.arrays["w_out"], loaded.classes, loaded.curves,
            scalar(network.alpha), scalar(network.rho), scalar(network.kappa), scalar(1),
            scalar(network.dampening / network.threshold), min(network.refractory_steps, 2**30),
            self._scaled_beta, run["state"], run["wake"], run["z_bits"], run["psi"], run["zbar_rows"],
            run["y"], run["ell"], run["losses"], run["counts"],
        )  # fmt: skip

    def _finish(self, loaded: Loaded, run: dict[str, Any]) -> Metrics:
        """Rates, c_j and metrics, from what the forward pass left."""
        objective, network = self._setting.objective, self._setting.network
        n_batch, n_steps = loaded.shape
        counts = self._sum(run["counts"], run["c"], dtype=np.float64)
        duration = n_batch * n_steps * network.dt_ms
        sums.rate_errors.launch(
            *over(network.n_rec), 0, counts, duration, objective.rate_target_per_ms,
            2.0 * objective.rate_cost / duration, run["rates"], run["c"],
        )  # fmt: skip
        numbers = cuda.device_array(5, np.float64)  # of this batch alone: read when somebody asks
        n_threads = min(n_batch, THREADS)
        sums.metrics.launch(
            1, n_threads, 16 * n_threads, run["losses"], run["y"], loaded.classes, run["rates"],
            objective.rate_target_per_ms, objective.rate_cost, self._weights.diverged,
            Bounds.of(self._setting.dtype).task_loss, 1.0 / n_batch, numbers,
        )  # fmt: skip
        return Metrics(*(_Scalar(numbers, index) for index in range(5)))

    def _sum(self, parts: Any, scale: Any, more: Any = None, dtype: Any = None) -> Any:
        """Flat sum over axis 0 of `parts`, + scale times that of `more`, as `sums.sum_rows` has it.

        An array of the device is reshaped at most, not sliced: what is empty refuses that on a card.
        """
        dtype = np.dtype(dtype or self._setting.dtype)
        rows = parts.reshape(parts.shape[0], parts.size // parts.shape[0]) if parts.ndim > 2 else parts
        n_columns = rows.shape[1]
        total = self._buffer(f"sum {parts.shape[1:]} {dtype}", (n_columns,), dtype)
        more = self._empty_rows(rows.dtype) if more is None else more.reshape(more.shape[0], n_columns)
        width, lanes = min(32, n_columns), min(8, rows.shape[0])
        sums.sum_rows.launch(
            -(-n_columns // width), (width, lanes), width * lanes * dtype.itemsize, rows, scale, more, total
        )
        return total

    def _empty_rows(self, dtype: Any) -> Any:
        return self._buffer(f"no rows {dtype}", (0, 1), dtype)

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: Any = None, zero: bool = False) -> Any:
        """A device array, kept from batch to batch while its shape stays the same."""
        dtype = np.dtype(dtype or self._setting.dtype)
        found = self._buffers.get(name)
        if found is None or found.shape != shape:
            self._buffers.pop(name, None)
            found = cuda.to_device(np.zeros(shape, dtype)) if 0 in shape else cuda.device_array(shape, dtype)
            self._buffers[name] = found
        if zero and 0 not in shape:
            numbers = flat(found)
            sums.clear.launch(*over(numbers.shape[0]), 0, numbers)
        return found
