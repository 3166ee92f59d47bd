"""Writes small record files, with the numbers that a test chooses."""

import json
from pathlib import Path
from typing import Any

SETTINGS = {
    "task": {"n_cues": 7},
    "network": {"n_in": 40, "n_regular": 50, "n_adaptive": 50, "n_out": 2},
    "objective": {"loss": "cross_entropy", "window": 150},
    "optimizer": {"learning_rate": 0.005},
    "evaluate_every": 10,
    "test_trials": 256,
}


def environment(machine: str = "aaaa1111") -> dict[str, Any]:
    return {
        "machine": machine,
        "processor": "Some processor",
        "cores": 2,
        "memory_bytes": 8 * 2**30,
        "accelerators": [],
        "system": "Linux x86_64",
        "python": "3.11.9",
        "versions": {"numpy": "2.4.0"},
        "commit": "0123456789abcdef",
        "dirty": False,
    }


def write(path: Path, records: list[dict[str, Any]], tail: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records) + tail)
    return path


def curve(
    backend: str = "numba",
    rule: str = "bptt",
    seed: int = 0,
    accuracies: tuple[float, ...] = (0.5, 0.8, 0.9),
    *,
    seconds_per_point: float = 2.0,
    criterion: int | None = None,
    end: bool = True,
    final: float | None = None,
    timing: str | None = None,
    diverged: bool = False,
    machine: str = "aaaa1111",
    **run: Any,
) -> list[dict[str, Any]]:
    """A training run with a point every 10 steps, `seconds_per_point` apart; `timing` is that of a sweep."""
    session = {"started": "2026-01-01T00:00:00", "step": 0, "environment": environment(machine)}
    records: list[dict[str, Any]] = [
        {
            **{"kind": "run", "schema": 1, "system": "benchmark", "task": "evidence_accumulation"},
            **{"backend": backend, "rule": rule, "mode": "adjoint", "dtype": "float32", "device": "cpu"},
            **{"threads": None, "seed": seed, "batch": 64, "settings": SETTINGS, **run},
        },
        {"kind": "session", **session, **({} if timing is None else {"sweep": {"timing": timing}})},
    ]
    for number, accuracy in enumerate(accuracies, 1):
        step, train_s = 10 * number, seconds_per_point * number
        records.append(
            {
                **{"kind": "point", "step": step, "train_s": train_s, "train_loss": 0.5},
                **{"train_accuracy": accuracy, "test_loss": 0.5, "test_accuracy": accuracy, "rate_hz": 10.0},
            }
        )
        if step == criterion:
            errors = {"validation_error": 0.05, "test_error": 0.06}
            records.append({"kind": "criterion", "step": step, "train_s": train_s, **errors})
    if final is not None:
        figures = {"test_loss": 0.5, "test_accuracy": final, "rate_hz": 10.0}
        records.append({"kind": "final", "step": 10 * len(accuracies), "trials": 512, **figures})
    if end:
        reason = "diverged" if diverged else "steps"
        records.append({"kind": "end", "step": 10 * len(accuracies), "reason": reason})
    return records


def measurement(
    backend: str = "numba",
    rule: str = "bptt",
    step_s: tuple[float, ...] = (0.1, 0.2, 0.3),
    *,
    run: str = "run-1",
    machine: str = "aaaa1111",
    **fields: Any,
) -> dict[str, Any]:
    """A timed process; `fields` replace what they name."""
    return {
        **{"kind": "measurement", "schema": 1, "run": run, "round": 0, "started": "2026-01-01T00:00:00Z"},
        **{"system": "benchmark", "backend": backend, "rule": rule, "mode": "adjoint", "dtype": "float32"},
        **{"device": "cpu", "threads": None, "batch": 128, "n_steps": 2250, "n_rec": 100},
        **{"status": "ok", "reason": None, "step_s": list(step_s), "first_step_s": 5.0, "build_s": 0.1},
        **{"load_s": 0.2, "import_s": 1.5, "environment": environment(machine), **fields},
    }


def memory(backend: str, mode: str, n_steps: int, mebibytes: float, **fields: Any) -> dict[str, Any]:
    """A process that measured memory, as `measure` writes it: one sample, and no first step."""
    none = {"first_step_s": None, "build_s": None, "load_s": None, "import_s": None}
    figures = {"peak_bytes": int(mebibytes * 2**20), "batch_bytes": 2**20, "n_steps": n_steps, "batch": 32}
    case = {"rule": "eprop_symmetric", "step_s": (9.0,), "mode": mode}
    return measurement(backend, **{**case, **none, **figures, **fields})


def parity(backend: str, rule: str = "bptt", mode: str = "adjoint", **fields: Any) -> dict[str, Any]:
    """A case that was held against the published numbers, and agrees unless `fields` say otherwise."""
    return {
        **{"kind": "parity", "schema": 1, "run": "parity-1", "started": "2026-01-01T00:00:00Z"},
        **{"backend": backend, "rule": rule, "mode": mode, "dtype": "float64", "device": "cpu"},
        **{"status": "ok", "reason": None, "spikes": 0, "loss": 1e-16, "w_in": 2e-16, "w_rec": 3e-16},
        **{"w_out": 4e-16, "environment": environment(), **fields},
    }


RUNGS = ("readout_only", "eprop_symmetric", "snap1", "hops1", "hops2", "hops4", "bptt")


def aligned(step: int, cosine: float | None, norm_ratio: float) -> dict[str, Any]:
    """A gradient beside BPTT's: the same of each weight matrix, and of W_out what it always is."""
    figures = {"cosine": cosine, "norm_ratio": norm_ratio}
    parts = {f"{name}_{of}": value for name, value in figures.items() for of in ("w_in", "w_rec")}
    ends = {"cosine_w_out": 1.0, "norm_ratio_w_out": 1.0}
    return {"kind": "alignment", "step": step, "trials": 64, **figures, **parts, **ends}


def climb(
    folder: Path,
    rules: tuple[str, ...] = RUNGS,
    task: str = "evidence_accumulation",
    seeds: int = 3,
    **run: Any,
) -> None:
    """The ladder on a task: rung number k has a cosine of 1 - 0.1 (6 - k), and 0.05 less after training."""
    for rule in rules:
        height = RUNGS.index(rule)
        for seed in range(seeds):
            final = 0.6 + 0.03 * height + 0.02 * seed
            met = None if height < 2 else 30 if height < 5 else 20
            records = curve(
                "numba", rule, seed, (0.5, 0.7, 0.8), final=final, criterion=met, task=task, **run
            )
            if task == "pattern_generation":
                for record in records:
                    if record["kind"] in ("point", "final"):
                        missed = 1.0 - final if "trials" in record else 0.5
                        record |= {"test_accuracy": None, "nmse": missed}
            cosine = None if height == 0 else 1.0 - 0.1 * (6 - height)
            last = None if cosine is None else cosine - 0.05 * (height < 6)
            both = [aligned(0, cosine, 0.2 * height), aligned(30, last, 0.1 * height)]
            write(folder / f"curves/{task}-climb-{rule}-{seed}.jsonl", [*records[:2], *both, *records[2:]])


def by_hops(run: str = "hops-1", **fields: Any) -> list[dict[str, Any]]:
    """The table of gradients by hops: a cosine of a tenth of their place, half of that with the reset cut."""
    places = ("0", "1", "2", "4", "8", "all")
    return [
        {
            **aligned(steps, 0.1 * places.index(hops) / (1 + (reset == "cut")), 1.0 + steps),
            **{"kind": "hops", "schema": 1, "run": run, "started": f"at {run}", "backend": "numba"},
            **{"dtype": "float64", "device": "cpu", "task": "evidence_accumulation", "batch": 16},
            **{"n_steps": 2250, "n_rec": 100, "seed": 0, "trial_seed": 7, "train_steps": steps},
            **{"hops": hops, "reset": reset, "environment": environment(), **fields},
        }
        for steps in (0, 200)
        for reset in ("kept", "cut")
        for hops in places
    ]


def notebook_curve(steps: int = 40) -> list[dict[str, Any]]:
    """A training run of the notebook, which has no test trials but a log."""
    run, session, *_ = curve("brainpy", system="notebook")
    points = [
        {
            **{"kind": "point", "step": step, "train_s": 0.5 * step, "train_loss": 0.6, "test_loss": None},
            **{"train_accuracy": 0.5 + step / 100.0, "test_accuracy": None, "rate_hz": None},
            **{"log_s": 6.0, "loss_reg": 0.01},
        }
        for step in range(10, steps + 1, 10)
    ]
    return [run, session, *points, {"kind": "end", "step": steps, "reason": "steps"}]


def everything(folder: Path, backends: tuple[str, ...] = ("numpy", "numba")) -> Path:
    """All kinds of records: curves, times, memory, scaling, parity and the notebook, of these backends."""
    cases = [("bptt", "adjoint"), ("eprop_symmetric", "adjoint"), ("eprop_symmetric", "online")]
    timings = [measurement("brainpy", step_s=(0.9, 1.0, 1.1), system="notebook")]
    sweeps, compared = [], []
    for place, backend in enumerate(backends, 1):
        for seed in range(3):
            for rule in ("bptt", "eprop_symmetric"):
                records = curve(
                    *(backend, rule, seed, (0.5, 0.6 + 0.1 * seed, 0.9)),
                    criterion=30 if seed else None,
                    final=0.8 + 0.05 * seed + 0.02 * len(rule) / 15,
                )
                write(folder / f"curves/{backend}-{rule}-{seed}.jsonl", records)
        for rule, mode in cases:
            size = place * len(rule) * len(mode) / 1000.0
            case = {"rule": rule, "mode": mode}
            timings += [measurement(backend, step_s=(size, 1.1 * size, 1.3 * size), **case)]
            timings += [memory(backend, mode, 2250, 4.0 * place, rule=rule, batch=128)]
            timings += [memory(backend, mode, n, n / 500.0 * place, rule=rule) for n in (2250, 4500)]
            for changed in ({"n_rec": 50}, {"n_rec": 200}, {"n_rec": 100}, {"batch": 8}, {"batch": 128}):
                sizes = {"batch": 32, "run": "run-2", "started": "2026-01-02T00:00:00Z", **changed}
                scaled = size * sizes["batch"] * sizes.get("n_rec", 100) / 3200.0
                sweeps.append(measurement(backend, step_s=(scaled,), **case, **sizes))
                sweeps.append(memory(backend, n_steps=2250, mebibytes=100.0 * scaled, **case, **sizes))
            compared.append(parity(backend, rule, mode))
    for changed in ({"task": {"n_cues": 3}}, {"optimizer": {"learning_rate": 0.01}}):
        for seed in range(3):
            for rule in ("bptt", "eprop_symmetric"):
                records = curve(backends[0], rule, seed, final=0.9, settings={**SETTINGS, **changed})
                write(folder / f"curves/sweep-{next(iter(changed))}-{rule}-{seed}.jsonl", records)
    write(folder / "timings/a.jsonl", timings)
    write(folder / "timings/b.jsonl", sweeps)
    write(folder / "parity/p.jsonl", compared)
    write(folder / "curves/notebook.jsonl", notebook_curve())
    for task in ("evidence_accumulation", "pattern_generation"):
        climb(folder, ("hops2",), task, seeds=1, dtype="float64")
    write(folder / "ladder/h.jsonl", by_hops())
    older = {"run": "run-0", "started": "2025-12-31T00:00:00Z"}
    write(folder / "timings/c.jsonl", [measurement(backends[0], "hops2", **older)])
    return folder


HOSTILE = (
    '"><img src=x onerror=alert(1)>',
    "</script><script>alert(1)</script>",
    "a/b\\q $x$ $\\q$ %s {0}",
    "../../x\0y\x1b[31m\ud800\uffff",
    "```\n# x\n| y | ![z](w) [v](javascript:alert(1)) &lt;img&gt;",
    "_" + "w" * 3000,
    "",
)
"""What no name is, in a record that nobody of us wrote."""


def hostile(folder: Path) -> Path:
    """Records of all kinds, in each of whose fields of text stands each of `HOSTILE` once."""
    told = ("processor", "system", "python", "commit")
    timings, compared, random, number = [], [], [], 0
    for text in HOSTILE:
        there = {**environment(text), **dict.fromkeys(told, text), "versions": {"numpy": text, text: text}}
        there |= {"accelerators": [text], "cards": [{"name": text}]}
        for field in ("task", "system", "backend", "rule", "mode", "dtype", "device"):
            several = field in ("task", "rule")  # what is compared
            for rule in ("bptt", "eprop_symmetric", "hops2") if field == "task" else ("bptt",):
                for seed in range(1 + several):
                    records = curve(**{"rule": rule, "seed": seed, "final": 0.8 + seed / 10, field: text})
                    write(folder / f"curves/{number}.jsonl", records)
                    number += 1
            if field != "task":
                timings.append(measurement(**{"run": "newest", "started": "~", field: text}))
            if field not in ("task", "system"):
                compared.append(parity(**{"backend": "numba", field: text}))
        session = {"started": text, "environment": there, "command": text, "sweep": {"timing": text}}
        session["sweep"] |= dict.fromkeys(("scheduler", "protocol", "dask"), text)
        run, first, *rest = curve(seed=5)
        write(
            folder / f"curves/{number}.jsonl",
            [run, {**first, **session}, *rest[:-1], {**rest[-1], "reason": text}],
        )
        number += 1
        again = {"command": text, "environment": there, "engine": text}
        timings.append(measurement(**again, started=text, run="run-1"))
        timings.append(measurement(rule="eprop_symmetric", status="failed", reason=text, step_s=()))
        named = dict.fromkeys(("backend", "dtype", "device", "task", "started", "command"), text)
        rows = by_hops(f"run {text}", **named, hops=text) + by_hops(f"run {text}", **named, reset=text)
        write(folder / f"ladder/{number}.jsonl", rows)
        timings.append(measurement(mode=text, roofline={"bound": text, "no_floor": text}, **again))
        compared.append(parity("numba", reason=text, status="failed", run=text, started=text))
        seeded = {**parity("numba", device="cuda", engine=text), "kind": "conformance", "seed": 1}
        random += [seeded, {**seeded, "status": "failed", "reason": text}]
        write(folder / f"timings/other-{len(timings)}.jsonl", [measurement(run=text)])
    write(folder / "timings/a.jsonl", timings)
    write(folder / "parity/a.jsonl", compared)
    write(folder / "conformance/a.jsonl", random)
    write(folder / f"curves/{HOSTILE[0]}.jsonl", [{"kind": HOSTILE[1]}])
    return folder
