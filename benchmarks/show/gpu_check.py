"""What `gpu-check` says: gpu-check/summary.json, summary.md for people, and lines on the terminal."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.define.gpu_plan import STEP
from benchmarks.judge.gpu_check import Found, Tally, is_wrong, table, tallies, verdicts
from benchmarks.show.card import card
from benchmarks.show.columns import columns
from benchmarks.store.failures import Failures
from benchmarks.store.files import write_text

_WIDTH = 160
_MOST_ERRORS = 20
_COLUMNS = (
    *("part", "backend", "rule", "mode", "batch", "n_rec", "engine"),
    *("step_ms", "event_ms", "load_ms", "unload_ms", "device_peak_mib"),
    *("floor_ms", "floor_by", "over_floor", "fallback_ms"),
)
_OF_WRONG = (
    *("backend", "rule", "mode", "dtype", "size", "seed", "status", "reason"),
    *("spikes", "w_in", "w_rec", "w_out"),
)


def write(folder: Path, found: Found, facts: Mapping[str, Any]) -> None:
    """Write both files. `facts`: seed, seconds used, reasons, the environment.

    Raises:
        CannotWrite: older files stay what they were.
    """
    content = {
        **facts,
        "verdicts": [asdict(verdict) for verdict in verdicts(found)],
        "measured": table(found.measured),
        "left_out": found.left_out,
        "wrong": [dict(record) for record in found.compared if is_wrong(record)],
    }
    write_text(folder / "summary.json", json.dumps(content, indent=1, default=str) + "\n")
    write_text(folder / "summary.md", _markdown(content))


def outcome(record: Mapping[str, Any]) -> str:
    """Of a measured process, in one line: the median of its steps, or why there is none."""
    if record["status"] != "ok":
        return f"{record['status']}: {_first_line(record['reason'])}"
    middle = sorted(record["step_s"])[len(record["step_s"]) // 2]
    return f"{1e3 * middle:.3g} ms ({record.get('engine')})"


def so_far(found: Found) -> str:
    """A few lines: how much of each part is done, and milliseconds of steps of the published size."""
    lines = [f"{tally.part}: {_counts(tally)}" for tally in tallies(found)]
    steps = [row for row in table(found.measured) if row["part"] == STEP]
    cases = list(dict.fromkeys((row["rule"], row["mode"]) for row in steps))
    cells = {(row["backend"], row["rule"], row["mode"]): row["step_ms"] for row in steps}
    rows = [["ms per step", *map(" ".join, cases)]]
    for backend in dict.fromkeys(row["backend"] for row in steps):
        values = (cells.get((backend, *case)) for case in cases)
        rows.append([backend, *("-" if value is None else f"{value:.3g}" for value in values)])
    return "\n".join([*lines, *(columns(rows) if steps else [])]) + "\n"


def last_lines(found: Found, failures: Failures) -> str:
    """What passed and what failed, with the first line of each error: short, as it is read from its end."""
    rows = [["part", "passed", "failed", "can't run here"]]
    rows += [[t.part, *map(str, (t.passed, t.failed, t.unavailable))] for t in tallies(found)]
    lines = columns(rows)
    if found.left_out:
        lines.append(f"no time left for {len(found.left_out)}, the first of them {found.left_out[0]}")
    same: dict[str, list[str]] = {}
    for case, reason in failures.found.items():
        same.setdefault(reason[:_WIDTH], []).append(case)
    for reason, cases in list(same.items())[:_MOST_ERRORS]:
        more = f" and {len(cases) - 1} more" if len(cases) > 1 else ""
        lines += [f"failed: {cases[0]}{more}", f"    {reason}"]
    if len(same) > _MOST_ERRORS:
        lines.append(f"and {len(same) - _MOST_ERRORS} other errors")
    wrong = [record for record in found.compared if is_wrong(record) and record["status"] == "ok"]
    lines += [f"deviates: {_case(record)}"[:_WIDTH] for record in wrong[:_MOST_ERRORS]]
    if same:
        lines.append(f"full text of {len(failures.found)} failures: {failures.path}")
    return "\n".join(lines)


def _counts(tally: Tally) -> str:
    words = ((tally.passed, "passed"), (tally.failed, "FAILED"), (tally.unavailable, "can't run here"))
    return ", ".join(f"{count} {word}" for count, word in words if count)


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:_WIDTH]


def _markdown(content: Mapping[str, Any]) -> str:
    words = {True: "pass", False: "FAIL", None: "n/a"}
    lines = ["# gpu-check", "", f"Seed {content.get('seed')}, {content.get('used_s', 0.0):.0f} s.", ""]
    for told in content.get("cards") or []:
        lines += [f"Card: {card(told)}.", ""]
    lines += ["| | target | found | |", "|---|---|---|---|"]
    lines += [
        f"| {v['what']} | {v['target']} | {v['found']} | {words[v['passed']]} |" for v in content["verdicts"]
    ]
    lines += ["", "| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    lines += ["| " + " | ".join(_text(row[name]) for name in _COLUMNS) + " |" for row in content["measured"]]
    failed = [row for row in content["measured"] if row["status"] != "ok"]
    for title, texts in (
        ("Failed", [f"{r['backend']} {r['rule']} {r['mode']}: {_first_line(r['reason'])}" for r in failed]),
        ("Wrong", [_case(record) for record in content["wrong"]]),
        ("No time left for", content["left_out"]),
        ("Can't run here", [f"{name}: {text}" for name, text in content.get("reasons", {}).items()]),
    ):
        if texts:
            lines += ["", f"## {title}", "", *(f"- {text}" for text in texts)]
    return "\n".join(lines) + "\n"


def _case(record: Mapping[str, Any]) -> str:
    told = {name: record[name] for name in _OF_WRONG if record.get(name) is not None}
    return ", ".join(f"{name} {_first_line(str(value))}" for name, value in told.items())


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
