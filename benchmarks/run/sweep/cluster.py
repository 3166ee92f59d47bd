"""The Dask cluster of a sweep: one that starts by itself on this machine, or one that runs already.

Dask is imported where it is used, here and beside: ASV imports all of benchmarks/ in environments without it.
"""

from __future__ import annotations

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from benchmarks.define.reasons import Broken
from benchmarks.run.sweep import worker
from benchmarks.run.sweep.code import difference, fingerprint

if TYPE_CHECKING:
    from distributed import Client

ALONE = "alone"
"""The resource of a worker that has its machine to itself: `dask worker --resources alone=1`."""

_CONNECT_S = 10.0
_POLL_S = 0.2


class ClusterError(Exception):
    """The cluster can't be reached, went away, or has workers that don't fit; the text says which and why."""


@dataclass(frozen=True)
class Cluster:
    """A connection. `kind` is "local" or "joined"; `alone` whether each case has a machine to itself."""

    client: Client
    kind: str
    alone: bool = False

    def workers(self) -> dict[str, Any]:
        """Address -> what the scheduler knows of each worker."""
        try:
            info: Any = self.client.scheduler_info(n_workers=-1)
        except (OSError, TimeoutError, ValueError) as error:
            raise ClusterError(f"the scheduler does not answer: {error}") from error
        return dict(info["workers"])

    @property
    def protocol(self) -> str | None:
        """How client, scheduler and workers talk: "tcp", "tls", or None once the scheduler went away."""
        scheduler = self.client.scheduler
        address = None if scheduler is None else scheduler.address
        return None if address is None else address.partition("://")[0]

    def provenance(self) -> dict[str, Any]:
        """For the records: no addresses, which may name people and machines."""
        return {
            "scheduler": self.kind,
            "protocol": self.protocol,
            "workers": len(self.workers()),
            "timing": ALONE if self.alone else "shared",
            "dask": version("dask"),
        }

    def ask(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Call a function on every worker: address -> what it returned, or the exception."""
        try:
            answers: Any = self.client.run(function, *arguments, on_error="return")
        except (OSError, TimeoutError) as error:
            raise ClusterError(f"the cluster does not answer: {error}") from error
        return dict(answers)

    def unavailable(
        self, backend: str, device: str, rule: str | None = None, mode: str = "adjoint"
    ) -> str | None:
        """Why a backend, or one of its rules, can't run on all of the workers; None where it can."""
        wanted = "bptt" if rule is None else rule
        for address, reason in self.ask(worker.unavailable, backend, device, wanted, mode).items():
            if isinstance(reason, Exception):
                return Broken(f"worker {address} failed to say: {reason}")
            if reason is not None:
                return f"on worker {address}, {reason}"
        return None

    def check(self) -> None:
        """Fail unless all workers run this code, one training at a time.

        Raises:
            ClusterError: some worker doesn't; the text names it.
        """
        here = fingerprint()
        for address, there in self.ask(fingerprint).items():
            if isinstance(there, ModuleNotFoundError):
                raise ClusterError(
                    f"worker {address} can't import {there.name}: start it where this version is installed, "
                    "in a checkout of the same commit"
                )
            if isinstance(there, BaseException):
                raise ClusterError(f"worker {address} failed to say which code it runs: {there!r}")
            differs = difference(here, there)
            if differs is not None:
                raise ClusterError(
                    f"worker {address} has {differs}: client and workers have to run the same code"
                )
        found = self.workers()
        for address, known in found.items():
            if known["nthreads"] != 1:
                raise ClusterError(
                    f"worker {address} has {known['nthreads']} threads, and would train as many networks in "
                    "one process: start workers with --nthreads 1, and more of them with --nworkers"
                )
        if self.alone:
            _check_alone(found)


def _check_alone(found: Mapping[str, Any]) -> None:
    """Fail unless there are workers for timing, each the only one of its machine."""
    alone = {address for address, known in found.items() if known["resources"].get(ALONE)}
    if not alone:
        raise ClusterError(
            f"no worker has the resource {ALONE!r}, and timing shares no machine: start one worker per "
            f"machine with --resources {ALONE}=1"
        )
    hosts = Counter(known["host"] for known in found.values())
    for address in sorted(alone):
        if hosts[found[address]["host"]] > 1 or found[address]["resources"][ALONE] != 1:
            raise ClusterError(
                f"worker {address} has the resource {ALONE!r} but is not alone on its machine: start one "
                f"worker per machine, with --resources {ALONE}=1"
            )


@contextmanager
def local(workers: int, alone: bool = False) -> Iterator[Cluster]:
    """A cluster of processes on this machine, reachable from it alone, that ends with the block."""
    from distributed import Client, LocalCluster

    with _ignoring_interrupts():
        cluster = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",  # any free port, as another Dask may have the usual one
            scheduler_kwargs={"dashboard": False},
            worker_dashboard_address=None,
            memory_limit=0,  # none: Dask would pause a worker for what training takes, and wait forever
            resources={ALONE: 1} if alone else None,
        )
    try:
        with Client(cluster, timeout=_CONNECT_S) as client:
            client.wait_for_workers(workers, timeout=120)
            yield Cluster(client, "local", alone)
    finally:
        cluster.close(timeout=10)


@contextmanager
def joined(address: str, patience_s: float, alone: bool = False) -> Iterator[Cluster]:
    """A running cluster, by the address of its scheduler, with at least one worker.

    Args:
        address: e.g. tcp://10.0.0.1:8786, or tls://... with Dask's configuration of certificates.
        patience_s: how long to wait for the first worker, as queues take their time.
        alone: whether cases are to be timed.

    Raises:
        ClusterError: nobody answers there, or no worker came.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, RuntimeError) as error:
        raise ClusterError(f"no Dask scheduler answers at {address}: {error}") from error
    try:
        cluster = Cluster(client, "joined", alone)
        deadline = monotonic() + patience_s
        while not cluster.workers():
            if monotonic() > deadline:
                raise ClusterError(f"the scheduler at {address} has no worker after {patience_s:g} s")
            sleep(_POLL_S)
        yield cluster
    finally:
        client.close(timeout=2)


@contextmanager
def _ignoring_interrupts() -> Iterator[None]:
    """Processes that start inside leave Ctrl-C, which a terminal sends to all, to this one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
