"""What a worker does: it trains one run in a folder of its own, and returns the file.

Workers share no disk with the client. What the client has of a run that was interrupted comes along.
"""

import hashlib
import pickle
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import implementations as impl
from benchmarks.define.runs import Run
from benchmarks.run.progress import Silent
from benchmarks.run.sweep.code import difference, fingerprint
from benchmarks.run.train import record
from implementations.training import NonFiniteLoss


class OtherCode(RuntimeError):
    """A worker that came later runs other code than the client."""


@dataclass(frozen=True)
class Work:
    """A run, what is recorded of it already (file and checkpoint; None if nothing), and its provenance.

    `sweep` names the sweep that asked, in the scheduler's log of who began the run; `command` is its command.
    """

    run: Run
    lines: bytes | None
    checkpoint: bytes | None
    provenance: Mapping[str, Any]
    sweep: str
    command: str | None


def train(expected: Mapping[str, str], pickled: bytes) -> bytes:
    """Train up to the end of the plan; returns the whole file of the run.

    Args:
        expected: the client's `fingerprint`, compared before anything of `pickled` is loaded.
        pickled: a `Work`.

    Raises:
        OtherCode: this worker runs other code.
    """
    from distributed import get_worker

    differs = difference(expected, fingerprint())
    if differs is not None:
        raise OtherCode(f"worker {worker_name()} has {differs}")
    work: Work = pickle.loads(pickled)
    run = work.run
    get_worker().log_event(topic(run.name), {"sweep": work.sweep, "name": worker_name()})
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "curves" / f"{run.name}.jsonl"
        path.parent.mkdir()
        if work.lines is not None:
            path.write_bytes(work.lines)
        if work.checkpoint is not None:
            path.with_suffix(".checkpoint.npz").write_bytes(work.checkpoint)
        with suppress(NonFiniteLoss):  # which is recorded as the run's end, and a result too
            record(run, Path(folder), lambda _title, _steps: Silent(), _provenance(work), work.command)
        return path.read_bytes()


def topic(name: str) -> str:
    """Of the scheduler's events that say which workers began this run."""
    return f"eprop-bench-{name}"


def unavailable(backend: str, device: str, rule: str, mode: str) -> str | None:
    """`implementations.unavailable`, by a name that does not depend on the worker's version of it."""
    return impl.unavailable(backend, device, rule, mode)


def worker_name() -> str:
    """The name that the worker was given; a digest where it has none but its address, which stays private."""
    from distributed import get_worker

    worker = get_worker()
    name = str(worker.name)
    if "://" not in name:
        return name
    return "worker-" + hashlib.sha256(name.encode()).hexdigest()[:8]


def _provenance(work: Work) -> dict[str, Any]:
    return {**work.provenance, "worker": worker_name()}
