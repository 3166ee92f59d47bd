"""The engine: how the kernels are called, and what comes of their sums."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

import numba
import numpy as np

from implementations import checks
from implementations.host import HostWeights
from implementations.interface import Setting
from implementations.numba.cpu import dynamics
from implementations.numba.cpu.bptt import through_time
from implementations.numba.cpu.dynamics import Constants, Weights, empty, pad, padded
from implementations.numba.cpu.events import Loaded, Trials, to_events
from implementations.numba.cpu.hops import levels
from implementations.numba.cpu.loss import Kept, evaluate
from implementations.numba.cpu.online import online
from implementations.numba.cpu.per_neuron import RATE, TASK, Learning, Scratch, adjoint
from implementations.numba.cpu.vectors import WORD
from implementations.process import changed, quiet
from implementations.types import Activity, Batch, Gradients, Metrics
from implementations.way_back import WayBack

# Trials are summed up in at most so many chunks, whatever the number of threads: the same bits come out.
# More chunks would balance better on more than 16 cores, and cost more memory and time to add up.
_CHUNKS = 32

_LOCK = threading.RLock()


class _Sums(NamedTuple):
    """Per chunk of trials, written by the kernels."""

    counts: np.ndarray  # (chunks, n_rec) spikes
    losses: np.ndarray  # (chunks,)
    corrects: np.ndarray  # (chunks,)


class CpuEngine:
    """Calls the kernels for one learner, whose scratch memory it keeps."""

    loaded = Loaded

    def __init__(self, setting: Setting, weights: HostWeights) -> None:
        most = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
        if setting.threads is not None and setting.threads > most:
            checks.fail("threads", setting.threads, f"at most {most}, the threads Numba started with")
        self._setting = setting
        self._host = weights
        network, dtype = setting.network, setting.dtype
        self._constants = Constants.of(network, dtype)
        self._back = WayBack.of(setting.rule, network)
        self._back_beta = pad(self._back.beta, dtype)
        info = np.finfo(dtype)
        self._floor = dtype.type(float(info.tiny) / float(info.eps) ** 2)
        self._scratch: Scratch | None = None
        self._kept: Kept | None = None

    def load(self, batch: Batch) -> Loaded:
        """Lists of the inputs that spike, in host memory."""
        objective, dtype = self._setting.objective, self._setting.dtype
        classes, curves = batch.targets_within(objective, dtype)
        shares = batch.shares(objective, dtype)
        with self._threads():
            return Loaded(Trials(*to_events(batch.spikes), classes, curves, shares), self._setting)

    def gradients(self, loaded: Loaded) -> tuple[Gradients, Metrics]:
        """Of all weights, and the metrics as numbers."""
        with self._threads():
            if self._setting.rule.recurrent_gradient:
                return self._through_time(loaded)
            return self._per_neuron(loaded)

    @staticmethod
    def on_host(gradients: Gradients) -> Gradients:
        """They are there."""
        return gradients

    def evaluate(self, loaded: Loaded) -> Metrics:
        """The forward pass alone."""
        with self._threads():
            return self._metrics(loaded, self._evaluate(loaded, self._kept_of(0, 0)))

    def simulate(self, loaded: Loaded) -> Activity:
        """Spikes and readout of all steps."""
        network = self._setting.network
        z = np.zeros((*loaded.shape, network.n_rec), np.bool_)
        y = np.empty((*loaded.shape, network.n_out), self._setting.dtype)
        with self._threads():
            trials = loaded.trials
            dynamics.simulate(trials.x_offset, trials.x_index, self._forward_weights(), self._constants, z, y)
        return Activity(z, y)

    def synchronize(self) -> None:
        """Nothing to wait for: calls return when they are done."""

    def _per_neuron(self, loaded: Loaded) -> tuple[Gradients, Metrics]:
        setting, network = self._setting, self._setting.network
        bounds = _bounds(loaded.shape[0], _CHUNKS)
        n_chunks = len(bounds) - 1
        gradient = empty((n_chunks, network.n_in + network.n_rec, 2, padded(network.n_rec)), setting.dtype)
        gradient_out = np.empty((n_chunks, network.n_rec, network.n_out), setting.dtype)
        sums = self._sums(n_chunks)
        common = (bounds, loaded.trials, self._forward_weights(), self._constants, self._learning(loaded))
        if setting.mode == "online":
            online(*common, gradient, gradient_out, *sums)
        else:
            adjoint(*common, self._scratch_for(loaded.shape[1]), gradient, gradient_out, *sums)
        rates = self._rates_per_ms(loaded, sums)
        weights = gradient[:, :, TASK].sum(axis=0)[:, : network.n_rec]
        weights += gradient[:, :, RATE].sum(axis=0)[:, : network.n_rec] * self._rate_error(loaded, rates)
        return self._split(weights, gradient_out), self._metrics(loaded, sums)

    def _through_time(self, loaded: Loaded) -> tuple[Gradients, Metrics]:
        setting, network = self._setting, self._setting.network
        (n_batch, n_steps), n_pad = loaded.shape, padded(network.n_rec)
        if self._kept is None or self._kept.marks.shape[:2] != (n_batch, n_steps):
            self._kept = None  # first give back the old one
            self._kept = self._kept_of(n_batch, n_steps)
        kept = self._kept
        sums = self._evaluate(loaded, kept)
        rate_error = pad(self._rate_error(loaded, self._rates_per_ms(loaded, sums)), setting.dtype)
        bounds = _bounds(n_batch, _CHUNKS)
        n_chunks = len(bounds) - 1
        gradient = empty((n_chunks, network.n_in + network.n_rec, n_pad), setting.dtype)
        gradient_out = np.empty((n_chunks, network.n_rec, network.n_out), setting.dtype)
        transposed = pad(self._weights["w_rec"].T, setting.dtype)
        through_time(
            bounds, loaded.trials, self._forward_weights(), self._constants, self._learning(loaded),
            levels(setting.rule.hops, n_steps), transposed, *kept, rate_error, self._scratch_for(n_steps),
            gradient, gradient_out,
        )  # fmt: skip
        weights = gradient.sum(axis=0)[:, : network.n_rec]
        return self._split(weights, gradient_out), self._metrics(loaded, sums)

    def _kept_of(self, n_batch: int, n_steps: int) -> Kept:
        """Room for the spikes and errors of so many trials."""
        network, window = self._setting.network, self._setting.objective.window
        n_words = -(-padded(network.n_rec) // WORD)
        return Kept(
            np.empty((n_batch, n_steps, n_words), np.uint64),
            np.empty((n_batch, window, network.n_out), self._setting.dtype),
        )

    def _evaluate(self, loaded: Loaded, kept: Kept) -> _Sums:
        sums = self._sums(loaded.shape[0])
        window = self._setting.objective.window
        evaluate(loaded.trials, self._forward_weights(), self._constants, window, *kept, *sums)
        return sums

    def _split(self, weights: np.ndarray, gradient_out: np.ndarray) -> Gradients:
        """Gradients from (n_in + n_rec, n_rec) and (chunks, n_rec, n_out)."""
        n_in = self._setting.network.n_in
        w_rec = weights[n_in:]
        np.fill_diagonal(w_rec, 0.0)
        return Gradients(weights[:n_in], w_rec, gradient_out.sum(axis=0))

    @property
    def _weights(self) -> Mapping[str, np.ndarray]:
        return self._host.arrays

    def _forward_weights(self) -> Weights:
        return Weights.of(self._setting.network, self._weights, self._setting.dtype)

    def _learning(self, loaded: Loaded) -> Learning:
        setting, back = self._setting, self._back
        rule, window, scalar = setting.rule, setting.objective.window, setting.dtype.type
        gain = back.gain / (loaded.shape[0] * window)
        feedback = pad(gain * self._weights[rule.feedback_weights].T, setting.dtype)
        return Learning(
            feedback[:0] if rule.feedback == "none" else feedback, rule.signal == "target",
            scalar(back.alpha), scalar(back.rho), scalar(back.kappa), scalar(back.theta), self._back_beta,
            window, scalar(gain), self._floor,
        )  # fmt: skip

    def _sums(self, n: int) -> _Sums:
        n_rec = self._setting.network.n_rec
        return _Sums(np.zeros((n, n_rec), np.int64), np.zeros(n), np.zeros(n, np.int64))

    def _rates_per_ms(self, loaded: Loaded, sums: _Sums) -> np.ndarray:
        """(n_rec,) rates f_j in spikes per ms."""
        n_batch, n_steps = loaded.shape
        return sums.counts.sum(axis=0) / (n_batch * n_steps * self._setting.network.dt_ms)

    def _rate_error(self, loaded: Loaded, rates_per_ms: np.ndarray) -> np.ndarray:
        """(n_rec,) c_j, the derivative of the rate cost by one spike."""
        n_batch, n_steps = loaded.shape
        objective = self._setting.objective
        scale = 2.0 * objective.rate_cost / (n_batch * n_steps * self._setting.network.dt_ms)
        return scale * (rates_per_ms - objective.rate_target_per_ms)

    def _metrics(self, loaded: Loaded, sums: _Sums) -> Metrics:
        objective = self._setting.objective
        n_batch = loaded.shape[0]
        rates = self._rates_per_ms(loaded, sums)
        task_loss = float(sums.losses.sum()) / (n_batch * objective.window)
        rate_loss = float(objective.rate_cost * np.square(rates - objective.rate_target_per_ms).sum())
        accuracy = sums.corrects.sum() / n_batch if objective.loss == "cross_entropy" else np.nan
        rate_hz = 1000.0 * float(rates.mean())
        return self._host.judged(
            Metrics(task_loss + rate_loss, task_loss, rate_loss, float(accuracy), rate_hz)
        )

    def _scratch_for(self, n_steps: int) -> Scratch:
        """For whole trials; kept while the length stays the same."""
        n_rec, n_threads = self._setting.network.n_rec, numba.get_num_threads()
        n_kept = 1 if self._setting.rule.feedback == "none" else n_steps
        if self._scratch is None or self._scratch.offset.shape != (n_threads, n_steps + 2):
            self._scratch = Scratch(
                empty((n_threads, n_kept, padded(n_rec)), self._setting.dtype),
                np.empty((n_threads, (n_steps + 1) * n_rec), np.int32),
                np.zeros((n_threads, n_steps + 2), np.int64),
            )
        return self._scratch

    @contextmanager
    def _threads(self) -> Iterator[None]:
        """Numba's thread count is the calling thread's; it is given back as it was."""
        before = numba.get_num_threads()
        with (
            _one_at_a_time(),
            quiet(),
            changed(numba.set_num_threads, before, self._setting.threads or before),
        ):
            yield


def _one_at_a_time() -> AbstractContextManager[object]:
    """For parallel kernels: Numba's layer "workqueue" ends the process where two threads run some at once."""
    try:
        safe = numba.threading_layer() != "workqueue"  # type: ignore[attr-defined]
    except ValueError:  # chosen when the first of them runs
        safe = False
    return nullcontext() if safe else _LOCK


def _bounds(n_batch: int, n_chunks: int) -> np.ndarray:
    """Boundaries of at most `n_chunks` even chunks of trials."""
    n_chunks = min(n_batch, n_chunks)
    return np.arange(n_chunks + 1) * n_batch // n_chunks
