"""One network on several processes of torch.distributed: each has a part of the trials, and all weights.

The processes exchange what rates and accuracy are made of before what depends on them, as the rate loss is no
mean over trials, and gradients, each once per step; the sums are the same bits on all of them, and so are the
weights. DistributedDataParallel does as much for gradients that autograd finds; here operators give them.
"""

import numpy as np
import torch
import torch.distributed as dist

from implementations import checks
from implementations.interface import Setting
from implementations.torch.cpp.engine import CppEngine, Events
from implementations.torch.weights import Tensors
from implementations.types import Batch, Metrics


def check(setting: Setting) -> None:
    """Fail unless the present processes are those that `setting.devices` asks for.

    Raises:
        InvalidArgument: (a ValueError) they are not.
    """
    there = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    if there != setting.devices:
        checks.fail(
            "devices",
            setting.devices,
            f"{there}, the processes that have called torch.distributed.init_process_group",
        )


class DataParallelEngine:
    """The operators on this process's part of each batch, and sums over all processes."""

    loaded = Events

    def __init__(self, setting: Setting, weights: Tensors) -> None:
        self._setting = setting
        self._own = CppEngine(setting, weights)

    def load(self, batch: Batch) -> Events:
        """This process's part of the batch, which is the same for all of them."""
        batch.check_shared_out(self._setting.devices)
        n_own = len(batch.spikes) // self._setting.devices
        own = slice(n_own * dist.get_rank(), n_own * (dist.get_rank() + 1))
        part = Batch.without_copies(batch.spikes[own], batch.targets[own])
        shares = batch.shares(self._setting.objective, self._setting.dtype)
        return self._own.load_with(part, np.ascontiguousarray(shares[own]))

    def gradients(self, loaded: Events) -> tuple[dict[str, torch.Tensor], Metrics]:
        """Those of the whole batch, on each process."""
        if self._setting.rule.recurrent_gradient:
            sums = self._own.sums(loaded)
            dist.all_reduce(sums)
            # each process divides by its own trials, which are one of `devices` equal parts
            c = self._c(sums, loaded) * self._setting.devices
            parts = self._own.gradients_given(loaded, c)
            _all_reduce(list(parts.values()))
            for part in parts.values():
                part.div_(self._setting.devices)
            return parts, self._metrics(sums, loaded)
        parts, sums = self._own.parts(loaded)
        _all_reduce(list(parts.values()))
        dist.all_reduce(sums)
        c = self._c(sums, loaded).to(parts["w_out"].dtype)
        gradients = {
            name: parts[name][0] / self._setting.devices + c * parts[name][1] for name in ("w_in", "w_rec")
        }
        return {**gradients, "w_out": parts["w_out"] / self._setting.devices}, self._metrics(sums, loaded)

    def evaluate(self, loaded: Events) -> Metrics:
        """Of the whole batch."""
        sums = self._own.sums(loaded)
        dist.all_reduce(sums)
        return self._metrics(sums, loaded)

    def simulate(self, loaded: Events) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the whole batch, on each process."""
        spikes, readout = self._own.simulate(loaded)
        return _gathered(spikes), _gathered(readout)

    def _rates(self, sums: torch.Tensor, loaded: Events) -> tuple[torch.Tensor, float]:
        """(n_rec,) rates in spikes per ms, and the milliseconds of all trials."""
        n_ms = float(sums[-1]) * (loaded.x_offset.shape[1] - 1) * self._setting.network.dt_ms
        return sums[:-3] / n_ms, n_ms

    def _c(self, sums: torch.Tensor, loaded: Events) -> torch.Tensor:
        """(n_rec,) derivative of the rate loss by a spike."""
        rates, n_ms = self._rates(sums, loaded)
        objective = self._setting.objective
        return 2.0 * objective.rate_cost / n_ms * (rates - objective.rate_target_per_ms)

    def _metrics(self, sums: torch.Tensor, loaded: Events) -> Metrics:
        objective = self._setting.objective
        loss, right, n_trials = sums[-3:].tolist()
        rates, _ = self._rates(sums, loaded)
        task_loss = loss / (n_trials * objective.window)
        rate_loss = objective.rate_cost * float((rates - objective.rate_target_per_ms).square().sum())
        accuracy = right / n_trials if objective.loss == "cross_entropy" else float("nan")
        return self._own.judged(
            Metrics(task_loss + rate_loss, task_loss, rate_loss, accuracy, 1000.0 * float(rates.mean()))
        )


def _all_reduce(tensors: list[torch.Tensor]) -> None:
    """Sums over all processes, in place, in one exchange."""
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    dist.all_reduce(flat)
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view_as(tensor))


def _gathered(tensor: torch.Tensor) -> torch.Tensor:
    """The parts of all processes, one after the other."""
    parts = [torch.empty_like(tensor) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)
