"""Training runs: curves/NAME.jsonl."""

import hashlib
import json
from pathlib import Path
from typing import Any

from benchmarks.store.curve_file import DIVERGED
from benchmarks.store.readers import json_lines
from benchmarks.store.readers.rows import Rows, files, printable, threads
from benchmarks.store.schema import CASE, CURVE_KINDS, count


def read(results_dir: Path, rows: Rows) -> None:
    """Read all of them."""
    for path in files(results_dir / "curves", "curves", ".jsonl", rows):
        _read(path, printable(f"curves/{path.name}"), rows)


def _read(path: Path, file: str, rows: Rows) -> None:
    run: dict[str, Any] | None = None
    machines: list[str] = []
    commits: list[str] = []
    sweeps: list[dict[str, Any]] = []  # of each session; empty where no sweep trained it
    started = ""
    command: str | None = None
    end: str | None = None
    points: dict[int, dict[str, Any]] = {}
    criteria: list[dict[str, Any]] = []
    final: dict[str, Any] | None = None
    kept: list[dict[str, Any]] = []
    alignments: dict[int, dict[str, Any]] = {}
    already = len(rows.unreadable)
    for record in json_lines.read(path, file, CURVE_KINDS, rows):
        kind = record["kind"]
        if kind == "run":
            if run is not None:
                rows.leave_out(file, "holds a second run; the lines from there on are left out")
                break
            run = record
        elif run is None:
            break
        elif kind == "session":
            machine, commit = rows.environment(record["environment"], "training")
            machines += [machine] if machine not in machines else []
            commits += [commit] if commit not in commits else []
            sweeps.append(record.get("sweep") or {})
            started = max(started, record["started"])
            command = record.get("command") or command
            end = None  # a run that goes on after its end, to do more steps
        elif kind == "point":
            points[record["step"]] = record
        elif kind == "criterion":
            criteria.append(record)
        elif kind == "final":
            final = record
        elif kind == "kept":
            kept.append(record)
        elif kind == "alignment":
            alignments[record["step"]] = record
        else:
            end = record["reason"]
    if run is None:
        if len(rows.unreadable) == already:
            rows.leave_out(file, "does not start with a run record; left out")
        elif rows.unreadable[-1].what != "empty":
            rows.leave_out(file, "has no readable run record; left out")
        return
    if not points and end != DIVERGED:
        rows.leave_out(file, "holds no point yet")
        return
    last = points[max(points)] if points else {"step": 0, "train_s": None}
    timings = [sweep.get("timing") for sweep in sweeps]
    timing = next((name for name in ("shared", "alone") if name in timings), None)
    if timing == "shared":
        last = _untimed(last)
        points = {step: _untimed(point) for step, point in points.items()}
        criteria = [_untimed(criterion) for criterion in criteria]
    row = {
        **{name: run.get(name) for name in (*CASE, "task", "batch", "seed", "settings")},
        "threads": threads(run),
        "file": file,
        "experiment": _digest({name: run[name] for name in ("system", "task", "batch", "dtype", "settings")}),
        "machine": "+".join(machines) or "unknown",
        "commit": ", ".join(commits) or "unknown",
        "started": started,
        "last_step": last["step"],
        "train_s": last["train_s"],
        "timing": timing,
        "end": end,
        "sessions": len(sweeps),
        **_cluster(sweeps),
        "command": command,
    }
    rows.runs.append(row)
    rows.points += [{**points[step], "file": file} for step in sorted(points)]
    if final is not None and final["step"] == last["step"]:  # not one of a run that went on after it
        rows.finals.append({**final, "file": file})
        rows.kept += [{**one, "file": file} for one in kept if one["after"] == last["step"]]
    rows.alignments += [{**alignments[step], "file": file} for step in sorted(alignments)]
    # "For the first time": a run has one criterion; the earliest counts if a file has more.
    rows.criteria += [{**c, "file": file} for c in sorted(criteria, key=lambda c: c["step"])[:1]]


def _cluster(sweeps: list[dict[str, Any]]) -> dict[str, Any]:
    """What the sessions say of the cluster that trained: of the last sweep; `lost` over all of them."""
    last = next((sweep for sweep in reversed(sweeps) if sweep), {})
    texts = {name: last.get(name) for name in ("scheduler", "protocol", "dask")}
    started = [sweep.get("attempts") for sweep in sweeps if sweep]
    known = [names for names in started if isinstance(names, list) and names]
    return {
        **{name: value if isinstance(value, str) else None for name, value in texts.items()},
        "workers": count(last.get("workers")),
        # records from before `attempts` don't say
        "lost": sum(len(names) - 1 for names in known) if known and len(known) == len(started) else None,
    }


def _untimed(record: dict[str, Any]) -> dict[str, Any]:
    return {**record, "train_s": None}


def _digest(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]
