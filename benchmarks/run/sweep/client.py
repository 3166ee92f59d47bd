"""A sweep: runs out to the workers, files back as they finish."""

from __future__ import annotations

import json
import pickle
import uuid
from asyncio import CancelledError as AsyncCancelledError
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from benchmarks.define.runs import Run
from benchmarks.run.interruption import Interrupted, Request
from benchmarks.run.sweep.cluster import ALONE, Cluster, ClusterError
from benchmarks.run.sweep.code import fingerprint
from benchmarks.run.sweep.files import Existing, existing, keep
from benchmarks.run.sweep.worker import Work, topic, train
from benchmarks.store import command_line
from benchmarks.store.curve_file import DIVERGED, UnusableFile
from benchmarks.store.files import CannotWrite

if TYPE_CHECKING:
    from distributed import Client, Future

_POLL_S = 0.1
_LOOK_AT_WORKERS_S = 2.0


@dataclass
class Summary:
    """How the runs of a sweep ended, by name."""

    skipped: int = 0
    recorded: list[str] = field(default_factory=list)
    diverged: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def look(runs: Sequence[Run], results: Path, summary: Summary) -> dict[str, tuple[Run, Existing]]:
    """Name -> what is left to do, in order; what is recorded or unusable goes into `summary`."""
    left = {}
    for run in runs:
        try:
            found = existing(run, results)
        except (UnusableFile, CannotWrite) as error:
            summary.failed[run.name] = str(error)
            continue
        if found.done is None:
            left[run.name] = (run, found)
            continue
        summary.skipped += 1
        if found.done == DIVERGED:
            summary.diverged.append(run.name)
    return left


def sweep(
    left: dict[str, tuple[Run, Existing]],
    results: Path,
    cluster: Cluster,
    request: Request,
    patience_s: float,
    say: Callable[[str], None],
    summary: Summary,
) -> None:
    """Train on the workers, and write each file as it comes back.

    Dask runs what was on a worker that dies on another one; a run comes back once, and is written then.

    Args:
        left: what `look` found.
        results: directory that holds curves/.
        cluster: checked.
        request: of `interruption.held`.
        patience_s: how long there may be no worker at all.
        say: prints a line.
        summary: filled.

    Raises:
        ClusterError: the scheduler or, for longer than `patience_s`, all workers went away.
        Interrupted: Ctrl-C or SIGTERM came.

    Either way, all that came back is recorded.
    """
    from distributed import as_completed

    client, provenance, number = cluster.client, cluster.provenance(), uuid.uuid4().hex
    try:
        futures = [
            client.submit(
                train,
                fingerprint(),
                pickle.dumps(
                    Work(run, found.lines, found.checkpoint, provenance, number, command_line.current())
                ),
                # The same key for whoever asks for this run: two sweeps on one cluster train it once.
                key=f"train-{name}",
                resources={ALONE: 1} if cluster.alone else None,
            )
            for name, (run, found) in left.items()
        ]
        coming = as_completed(futures, loop=client.loop)  # there may be no default client
        del futures  # a run that is written is forgotten by the scheduler, too
        looked = seen = monotonic()
        while coming.count():
            if request.signal_number is not None:
                raise Interrupted(
                    request.signal_number,
                    f"interrupted: {len(summary.recorded)} of {len(left)} runs came back and are recorded; "
                    "the same command goes on with the others",
                )
            if client.status != "running":
                raise ClusterError("lost the connection to the scheduler")
            for future in coming.next_batch(block=False) if coming.has_ready() else ():
                _take(client, future, left, results, say, summary)
            if monotonic() - looked > _LOOK_AT_WORKERS_S:
                looked = monotonic()
                seen = looked if cluster.workers() else seen
                if looked - seen > patience_s:
                    raise ClusterError(f"there has been no worker for {patience_s:g} s")
            sleep(_POLL_S)
    except ClusterError as error:
        raise ClusterError(
            f"{error}: {len(summary.recorded)} of {len(left)} runs came back and are recorded; the same "
            "command goes on with the others"
        ) from error


def _take(
    client: Client,
    future: Future,
    left: dict[str, tuple[Run, Existing]],
    results: Path,
    say: Callable[[str], None],
    summary: Summary,
) -> None:
    name = str(future.key).removeprefix("train-")
    run, found = left[name]
    try:
        lines = future.result()
        lines = _with_attempts(lines, attempts(client, name))
    except (CancelledError, AsyncCancelledError, OSError, TimeoutError) as error:
        raise ClusterError("lost the connection to the scheduler") from error
    except Exception as error:  # whatever a training or a worker came to; the other runs go on
        summary.failed[name] = f"{run.title}: {error}"
        say(f"failed: {run.title}: {error}")
        return
    try:
        end = keep(run, results, found.lines, lines)
    except (UnusableFile, CannotWrite) as error:
        summary.failed[name] = str(error)
        say(f"failed: {error}")
        return
    summary.recorded.append(name)
    if end == DIVERGED:
        summary.diverged.append(name)
    say(
        f"[{len(summary.recorded) + len(summary.failed)}/{len(left)}] {run.title}: "
        + ("diverged" if end == DIVERGED else "recorded")
        + f", {name}.jsonl"
    )


def attempts(client: Client, name: str) -> list[str]:
    """The workers that began a run, in their order: all but the last one went away before it was through."""
    events: Any = client.get_events(topic(name))
    begun = [event for _, event in events]
    # a cluster that runs on has the events of earlier sweeps, too
    return [str(event["name"]) for event in begun if event["sweep"] == begun[-1]["sweep"]]


def _with_attempts(lines: bytes, begun: list[str]) -> bytes:
    """The file of a run whose last session says who began it, which no worker can know."""
    split = lines.splitlines(keepends=True)
    for number in range(len(split) - 1, -1, -1):
        found = json.loads(split[number])
        if found["kind"] == "session":
            found["sweep"]["attempts"] = begun
            split[number] = json.dumps(found).encode() + b"\n"
            break
    return b"".join(split)
