"""What `gpu-check` says: gpu-check/summary.json, and summary.md for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.judge.gpu_check import Measured, Verdict, is_wrong, table, verdicts
from benchmarks.store.files import write_text

_COLUMNS = (
    *("part", "backend", "rule", "mode", "batch", "n_rec", "engine"),
    *("step_ms", "event_ms", "load_ms", "unload_ms", "device_peak_mib"),
    *("floor_ms", "floor_by", "over_floor", "fallback_ms"),
)
_OF_WRONG = (
    *("backend", "rule", "mode", "dtype", "seed", "status", "reason"),
    *("spikes", "w_in", "w_rec", "w_out"),
)


def write(
    folder: Path,
    compared: Sequence[Mapping[str, Any]],
    measured: Measured,
    facts: Mapping[str, Any],
) -> list[Verdict]:
    """Write both files; returns the verdicts. `facts`: seed, seconds used, reasons, the environment.

    Raises:
        CannotWrite: older files stay what they were.
    """
    found, rows = verdicts(compared, measured), table(measured)
    left_out = [item.name for item, record in measured if record is None]
    wrong = [dict(record) for record in compared if is_wrong(record)]
    content = {
        **facts,
        "verdicts": [asdict(verdict) for verdict in found],
        "measured": rows,
        "left_out": left_out,
        "wrong": wrong,
    }
    write_text(folder / "summary.json", json.dumps(content, indent=1, default=str) + "\n")
    write_text(folder / "summary.md", _markdown(content, found))
    return found


def _markdown(content: Mapping[str, Any], found: Sequence[Verdict]) -> str:
    words = {True: "pass", False: "FAIL", None: "n/a"}
    lines = ["# gpu-check", "", f"Seed {content.get('seed')}, {content.get('used_s', 0.0):.0f} s.", ""]
    for card in content.get("cards") or []:
        lines += ["Card: " + ", ".join(f"{name} {value}" for name, value in card.items()) + ".", ""]
    lines += ["| | target | found | |", "|---|---|---|---|"]
    lines += [f"| {v.what} | {v.target} | {v.found} | {words[v.passed]} |" for v in found]
    lines += ["", "| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    lines += ["| " + " | ".join(_text(row[name]) for name in _COLUMNS) + " |" for row in content["measured"]]
    failed = [row for row in content["measured"] if row["status"] != "ok"]
    for title, texts in (
        ("Failed", [f"{r['backend']} {r['rule']} {r['mode']}: {r['reason']}" for r in failed]),
        ("Wrong", [_case(record) for record in content["wrong"]]),
        ("No time left for", content["left_out"]),
        ("Can't run here", [f"{name}: {text}" for name, text in content.get("reasons", {}).items()]),
    ):
        if texts:
            lines += ["", f"## {title}", "", *(f"- {text}" for text in texts)]
    return "\n".join(lines) + "\n"


def _case(record: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {record[name]}" for name in _OF_WRONG if record.get(name) is not None)


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
