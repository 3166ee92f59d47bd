"""Data-parallel training: step time of one network over 1, 2, .. devices of this machine.

A device is a core: JAX makes one out of each, PyTorch has a process for each (gloo). With n devices the whole
job may use n cores and no more, so that two devices are held against one that is as large as each of them.

python -m benchmarks.run.devices BACKEND RULE MODE DEVICES BATCH RENDEZVOUS RANK
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import implementations as impl
from benchmarks.run.environment import environment
from benchmarks.run.measure import seconds
from benchmarks.store.append import RunFile
from implementations.registry import available_cores

_ROOT = Path(__file__).resolve().parents[2]
_SEED = 0
_WARM_UPS, _SAMPLES = 3, 12
_TIMEOUT_S = 900.0

ONE_PROCESS_PER_DEVICE = ("torch",)
"""Backends whose engine joins processes; the others have all devices in one."""


class Case(NamedTuple):
    """What is timed."""

    backend: str
    rule: str
    mode: str
    devices: int
    batch: int


def scaling(cases: Sequence[Case], rounds: int, results: Path) -> Iterator[dict[str, Any]]:
    """Time all cases, in turns; each record is on disk, in data_parallel/RUN.jsonl, before it is yielded.

    Raises:
        RuntimeError: a process failed; the text is what it printed.
    """
    file = RunFile(results / "data_parallel")
    for number in range(rounds):
        for case in cases:
            samples = _in_fresh_processes(case)
            yield file.append(
                {
                    "kind": "data_parallel",
                    **case._asdict(),
                    "round": number,
                    "step_s": samples,
                    "environment": environment(),
                }
            )


def medians(found: Sequence[dict[str, Any]]) -> dict[Case, float]:
    """Median step time of each case over all its rounds, in seconds."""
    samples: dict[Case, list[float]] = {}
    for record in found:
        case = Case(*(record[name] for name in Case._fields))
        samples.setdefault(case, []).extend(record["step_s"])
    return {case: statistics.median(times) for case, times in samples.items()}


def _in_fresh_processes(case: Case) -> list[float]:
    count = case.devices if case.backend in ONE_PROCESS_PER_DEVICE else 1
    with tempfile.TemporaryDirectory() as folder:
        rendezvous = f"file://{folder}/rendezvous"
        command = [sys.executable, "-m", "benchmarks.run.devices", *map(str, case), rendezvous]
        started = [
            subprocess.Popen(
                [*command, str(rank)],
                cwd=_ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(count)
        ]
        try:
            ended = [process.communicate(timeout=_TIMEOUT_S) for process in started]
        finally:
            for process in started:
                process.kill()  # of those that ended nothing is left to kill
    for process, (_, errors) in zip(started, ended, strict=True):
        if process.returncode != 0:
            raise RuntimeError(f"{case} failed with exit status {process.returncode}:\n{errors}")
    return json.loads(ended[0][0].splitlines()[-1])


def _join(case: Case, rendezvous: str, rank: int) -> None:
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


def _samples(case: Case) -> list[float]:
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
    return samples[_WARM_UPS:]


def unavailable(case: Case) -> str | None:
    """Why a case can't run here; None where it can."""
    if case.devices > available_cores():
        return f"{case.devices} devices need as many cores, and this process may use {available_cores()}"
    if not hasattr(os, "sched_setaffinity"):
        return "a process can't be kept to some of the cores here, as it can on Linux"
    return impl.unavailable(case.backend, "cpu", case.rule, case.mode)


def main() -> None:
    """One process of a case: prints the samples."""
    backend, rule, mode, devices, batch, rendezvous, rank = sys.argv[1:]
    case = Case(backend, rule, mode, int(devices), int(batch))
    _join(case, rendezvous, int(rank))
    print(json.dumps(_samples(case)), flush=True)


if __name__ == "__main__":
    main()
