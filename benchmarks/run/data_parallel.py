"""Data-parallel training: step time of one network over 1, 2, .. devices of this machine.

A device is a core: JAX makes one out of each, PyTorch has a process for each (gloo). With n devices the whole
job may use n cores and no more, so that two devices are held against one that is as large as each of them.
"""

import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import implementations as impl
from benchmarks.define import reasons
from benchmarks.run.environment import environment
from benchmarks.run.measure import seconds
from benchmarks.run.process import Process
from benchmarks.store.append import RunFile
from implementations.registry import available_cores

_SEED = 0
_WARM_UPS, _SAMPLES = 3, 12

ONE_PROCESS_PER_DEVICE = ("torch",)
"""Backends whose engine joins processes; the others have all devices in one."""


class SharedStep(NamedTuple):
    """What is timed: a training step whose trials several devices share out."""

    backend: str
    rule: str
    mode: str
    devices: int
    batch: int


def scaling(cases: Sequence[SharedStep], rounds: int, results: Path) -> Iterator[dict[str, Any]]:
    """Time all cases, in turns; each record is on disk, in data_parallel/RUN.jsonl, before it is yielded.

    Raises:
        RuntimeError: a process failed; the text is what it printed.
    """
    file = RunFile(results / "data_parallel")
    for number in range(rounds):
        for case in cases:
            samples = _samples(case)
            yield file.append(
                {
                    "kind": "data_parallel",
                    **case._asdict(),
                    "round": number,
                    "step_s": samples,
                    "environment": environment(),
                }
            )


def medians(found: Sequence[dict[str, Any]]) -> dict[SharedStep, float]:
    """Median step time of each case over all its rounds, in seconds."""
    samples: dict[SharedStep, list[float]] = {}
    for record in found:
        case = SharedStep(*(record[name] for name in SharedStep._fields))
        samples.setdefault(case, []).extend(record["step_s"])
    return {case: statistics.median(times) for case, times in samples.items()}


def _samples(case: SharedStep) -> list[float]:
    """Of one process per device where a backend joins processes, those of the first."""
    count = case.devices if case.backend in ONE_PROCESS_PER_DEVICE else 1
    with tempfile.TemporaryDirectory() as folder:
        rendezvous = f"file://{folder}/rendezvous"
        started = [Process(_time, [_Rank(case, rendezvous, rank)]) for rank in range(count)]
        try:
            ended = [outcome for process in started for outcome in process.outcomes()]
        finally:
            for process in started:
                process.stop()
    for process, outcome in zip(started, ended, strict=True):
        if outcome["status"] != "ok":
            raise RuntimeError(f"{case} failed: {outcome['reason']}\n{process.printed}")
    return ended[0]["step_s"]


class _Rank(NamedTuple):
    """What one process of a case is told."""

    case: SharedStep
    rendezvous: str
    rank: int


def _join(case: SharedStep, rendezvous: str, rank: int) -> None:
    """Become, with the other processes if there are any, the devices of a case."""
    cores = sorted(os.sched_getaffinity(0))[: case.devices]
    # before the frameworks are imported: they make as many threads as there are cores, which would wait for
    # one another on the cores that are left
    if case.backend in ONE_PROCESS_PER_DEVICE:
        os.sched_setaffinity(0, cores[rank : rank + 1])
        import torch.distributed as dist

        dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=case.devices)
    else:
        os.sched_setaffinity(0, cores)
        import jax

        jax.config.update("jax_num_cpu_devices", case.devices)


def _time(rank: _Rank) -> dict[str, Any]:
    """Step times of a case, in one of its processes."""
    case = rank.case
    _join(*rank)
    network = impl.Network()
    learner = impl.learner(
        case.backend,
        case.rule,
        impl.Parameters.draw(network, _SEED),
        network=network,
        mode=case.mode,
        threads=1,
        devices=case.devices,
    )
    loaded = learner.load(impl.EvidenceAccumulation().batch(case.batch, _SEED))
    state = learner.state()

    def step() -> None:
        learner.step(loaded)
        learner.synchronize()

    samples = []
    for _ in range(_WARM_UPS + _SAMPLES):
        learner.restore(state)  # every step is the same step
        learner.synchronize()
        samples.append(seconds(step))
    return {"step_s": samples[_WARM_UPS:]}


def unavailable(case: SharedStep) -> str | None:
    """Why a case can't run here; None where it can."""
    if case.devices > available_cores():
        return f"{case.devices} devices need as many cores, and this process may use {available_cores()}"
    if not hasattr(os, "sched_setaffinity"):
        return "a process can't be kept to some of the cores here, as it can on Linux"
    return reasons.unavailable(case.backend, "cpu", case.rule, case.mode)
