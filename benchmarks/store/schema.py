"""The schema of results: the columns of the tables that reading gives, and the fields of records on disk.

Units stand in names: _s seconds, _bytes, _hz. `status` says "ok", "unavailable" (n/a: it can't run there) or
"failed"; `reason` says why it is not "ok".
"""

import math
from typing import Any

from benchmarks.define.metrics import columns
from benchmarks.define.plugins import PluginError

CASE = ["system", "backend", "rule", "mode", "dtype", "device", "threads"]
"""What a training run and a measurement have in common: what ran, and how.

`threads` is a text, "all" for all that the process may use: a null would be lost in every grouping.
"""

RUN_COLUMNS = [
    *("file", *CASE, "task", "batch", "seed", "settings", "experiment", "machine", "commit"),
    *("started", "last_step", "train_s", "timing", "end", "sessions"),
    *("scheduler", "protocol", "workers", "dask", "lost", "command"),
]
"""One row per training run. `experiment` names equal task, network, objective, optimizer and batch size;
`machine` is a digest, several joined by "+" if resumed elsewhere; `end` is None if interrupted. `timing` is
"shared" or "alone" if a sweep trained any of it, else None. Seconds of shared workers compare with nothing:
here, in points and in criteria `train_s` of such a run is NaN; its file has them. `sessions` counts how often
it was begun or resumed. Of the cluster of a sweep: `scheduler` is "local" or "joined", `workers` how many it
had, `lost` how many of them went away with this run; null where no sweep trained it or it isn't known.
`command` is that of its last session, null where none was recorded."""

POINT_FIGURES = columns("point")
LOGGED = columns("logged")
POINT_COLUMNS = ["file", "step", "train_s", *POINT_FIGURES, *LOGGED]
"""One row per point of a training run; what only some tasks have or some systems log is NaN elsewhere."""
FINAL_FIGURES = columns("final")
FINAL_COLUMNS = ["file", "step", "trials", *FINAL_FIGURES]
"""One row per training run whose network was judged at its end, on fresh trials of a stream of their own."""
KEPT = ("best", "criterion")
"""Networks that a run keeps beside its last one: that of its best point, and where it met the criterion."""
KEPT_COLUMNS = ["file", "network", "after", "step", "trials", *FINAL_FIGURES]
"""One row per network that a training run kept, judged on the trials of its final figures; `after` is the
last step of the run, `step` that of the network."""
ALIGNMENT_FIGURES = columns("alignment")
ALIGNMENT_COLUMNS = ["file", "step", "trials", *ALIGNMENT_FIGURES]
"""One row per step of a training run after which its gradient was compared with BPTT's."""
CRITERION_COLUMNS = ["file", "step", "train_s", "validation_error", "test_error"]

COSTS = columns("cost")
TRACKED = columns("tracked")
"""What ASV alone records of a case: one figure, without samples."""

FLOORS = columns("floor")
"""Of a step on a card, as benchmarks/define/roofline.py counts it; `floor_s` is the highest of the three."""

CLOCKS = ["sm_before_mhz", "sm_mhz", "memory_mhz", "temperature_c", "power_w"]
"""Of the card: its clock before the samples, and all after them."""

MEASUREMENT_COLUMNS = [
    *("measurement", "file", "run", "round", "started", "machine", "commit", *CASE),
    *("batch", "n_steps", "n_rec", "engine", "input_sets", "status", "reason"),
    *(*COSTS, *TRACKED, *FLOORS, "floor_by", "no_floor", *CLOCKS, "throttle", "command"),
]
"""One row per measured process, or per case and benchmark of ASV; `measurement` numbers them.

A row of ASV has a run of its own commit and environment; what its benchmark does not say is "unknown", or
null for a number.
"""

LIBRARY_COLUMNS = [*MEASUREMENT_COLUMNS, "asked_batch", "library"]
"""One row per process measured in a run with libraries among its systems. `library` is null for the suite's
own, else package, version, Python and all versions of its environment; `asked_batch` what was asked for
where a step of so many trials took too long."""

TIMED = columns("time")
SAMPLES = columns("time", "sample")
SAMPLE_COLUMNS = ["measurement", *SAMPLES]
"""One row per raw sample: seconds of a training step, of a forward pass alone or, where they were sampled, of
an import; or the test error or nMSE of a seed. The others are NaN. Of the first two, medians are nowhere
recorded."""

DEVIATIONS = ["spikes", "loss", "w_in", "w_rec", "w_out"]
PARITY_COLUMNS = [
    *("file", "run", "started", "machine", "commit", "backend", "rule", "mode", "dtype", "device"),
    *("status", "reason", *DEVIATIONS),
]
"""One row per case held against the oracle: `spikes` is how many differ, the others are the largest absolute
difference over the largest absolute value expected."""

LIBRARY_PARITY_COLUMNS = [
    *("file", "run", "started", "machine", "commit", "system", "backend", "rule", "mode", "dtype", "device"),
    *("loss_of", "trials", "against", "bound", "status", "reason", *DEVIATIONS, "cosine", "training"),
    "library",
]
"""One row per gradient of a library: of the "whole" loss or the "task" alone (`loss_of`), on so many trials
of those that were published, held `against` the "published" numbers or, where these have none, "NumPy".
`bound` is the largest deviation with which it is drawn; `cosine` is that of W_in and W_rec
to what is expected; `training` is how far the losses of a short training are from NumPy's, relatively, null
where it was not trained."""

CONFORMANCE_COLUMNS = [
    *("file", "run", "started", "machine", "commit", "backend", "rule", "mode", "dtype", "device", "size"),
    *("seed", "engine", "status", "reason", *DEVIATIONS),
]
"""One row per fresh random problem that a device solved, held against NumPy in float64; as for parity. `size`
is the kind of network, "odd" where none is recorded."""

LADDER_COLUMNS = [
    *("file", "run", "started", "machine", "commit", "backend", "dtype", "device", "task", "batch"),
    *("n_steps", "n_rec", "seed", "trial_seed", "train_steps", "hops", "reset"),
    *(*ALIGNMENT_FIGURES, "command"),
]
"""One row per gradient over `hops` recurrent connections, "all" for as many as there are steps, with that of
the reset "kept" or "cut": held against BPTT's after `train_steps` steps of BPTT."""

POWER_FIGURES = ["planted", "slowdown", "found", "unknown", "reversed", "pairs"]
POWER_COLUMNS = [
    *("file", "run", "started", "machine", "commit", "gate", "backend", "busy", "draws"),
    *(*POWER_FIGURES, "command"),
]
"""One row per slowdown that was planted in a backend, with `busy` processes beside it, and gate that was to
find it: shares of `draws` comparisons that found it, could not tell, or found the reverse."""

ENVIRONMENT_COLUMNS = [
    *("machine", "processor", "cores", "memory_bytes", "accelerators", "system", "python", "versions"),
    *("commit", "dirty", "cards", "source"),
]

COUNTS = frozenset(
    (
        "measurement",
        "round",
        "step",
        "after",
        "last_step",
        "sessions",
        "workers",
        "lost",
        "seed",
        "batch",
        "n_steps",
        "n_rec",
        "input_sets",
        "trials",
        "trial_seed",
        "train_steps",
        "asked_batch",
        "cores",
        "memory_bytes",
        "busy",
        "draws",
    )
)
"""Columns of whole numbers, in whichever table."""

NUMBERS = frozenset(
    (
        "train_s",
        *POINT_FIGURES,
        *LOGGED,
        *ALIGNMENT_FIGURES,
        *FLOORS,
        *CLOCKS,
        "validation_error",
        "test_error",
        *COSTS,
        *TRACKED,
        *SAMPLES,
        *DEVIATIONS,
        "bound",
        "training",
        *POWER_FIGURES,
    )
)
"""Columns of numbers; the others are texts, but for the objects `settings` and `versions`, the list
`accelerators`, `library`, and `dirty`, which is a truth value."""

STATUSES = ("ok", "unavailable", "failed")

# What a field may hold; "?" marks those that may be null or missing.
_RUN = {
    **dict.fromkeys(("system", "task", "backend", "rule", "mode", "dtype", "device"), "text"),
    **{"threads": "count?", "seed": "count", "batch": "count", "settings": "object"},
}
_SESSION = {
    "started": "text",
    "step": "count",
    "environment": "object",
    "sweep": "object?",
    "command": "text?",
}
_POINT = {"step": "count", "train_s": "number", **dict.fromkeys((*POINT_FIGURES, *LOGGED), "number?")}
_CRITERION = {"step": "count", "train_s": "number", "validation_error": "number?", "test_error": "number?"}
_FINAL = {"step": "count", "trials": "count", **dict.fromkeys(FINAL_FIGURES, "number?")}
_KEPT = {"network": "text", "after": "count", **_FINAL}
_ALIGNMENT = {"step": "count", "trials": "count", **dict.fromkeys(ALIGNMENT_FIGURES, "number?")}
_END = {"step": "count", "reason": "text"}
_MEASUREMENT = {
    **dict.fromkeys(("run", "started", "system", "backend", "rule", "mode", "dtype", "device"), "text"),
    **{"round": "count", "threads": "count?", "batch": "count", "n_steps": "count", "n_rec": "count"},
    **{"status": "text", "reason": "text?", "step_s": "samples?", "environment": "object"},
    **{"engine": "text?", "input_sets": "count?", "event_s": "samples?", "roofline": "object?"},
    **{"clocks": "object?", "command": "text?"},
}
for _name in COSTS:
    if _name in _MEASUREMENT or MEASUREMENT_COLUMNS.count(_name) > 1:
        raise PluginError(f"a plug-in has a metric named {_name!r}, which is a column already: rename it")
    _MEASUREMENT[_name] = "number?"
_PARITY = {
    **dict.fromkeys(("run", "started", "backend", "rule", "mode", "dtype", "device", "status"), "text"),
    **{"reason": "text?", "environment": "object"},
    **dict.fromkeys(DEVIATIONS, "number?"),
}
_LIBRARY = {**_MEASUREMENT, "asked_batch": "count?", "library": "object?"}
_LIBRARY_PARITY = {
    **_PARITY,
    **dict.fromkeys(("system", "loss_of", "against"), "text"),
    **{
        "trials": "count",
        "bound": "number",
        "cosine": "number?",
        "training": "number?",
        "library": "object?",
    },
}
_CONFORMANCE = {
    **dict.fromkeys(("run", "started", "backend", "rule", "mode", "dtype", "device", "status"), "text"),
    **{"seed": "count", "size": "text?", "reason": "text?", "engine": "text?", "environment": "object"},
}
_HOPS = {
    **dict.fromkeys(("run", "started", "backend", "dtype", "device", "task", "hops", "reset"), "text"),
    **dict.fromkeys(("batch", "n_steps", "n_rec", "seed", "trial_seed", "train_steps"), "count"),
    **{"environment": "object", "command": "text?"},
    **dict.fromkeys(ALIGNMENT_FIGURES, "number?"),
}
CURVE_KINDS = {
    **{"run": _RUN, "session": _SESSION, "point": _POINT, "criterion": _CRITERION, "final": _FINAL},
    **{"kept": _KEPT, "alignment": _ALIGNMENT, "end": _END},
}
TIMING_KINDS = {"measurement": _MEASUREMENT}
LIBRARY_KINDS = {"measurement": _LIBRARY, "parity": _LIBRARY_PARITY}
PARITY_KINDS = {"parity": _PARITY}
CONFORMANCE_KINDS = {"conformance": _CONFORMANCE}
HOPS_KINDS = {"hops": _HOPS}
_POWER = {
    **dict.fromkeys(("run", "started", "gate", "backend"), "text"),
    **dict.fromkeys(("busy", "draws"), "count"),
    **dict.fromkeys(POWER_FIGURES, "number"),
    **{"environment": "object", "command": "text?"},
}
POWER_KINDS = {"power": _POWER}

# Kinds that say which version of this format they are written in.
VERSIONED = ("run", "measurement", "parity", "conformance", "hops", "power")


def holds(value: Any, kind: str) -> bool:
    """Whether a value is of a kind of field, without its "?"."""
    if kind == "text":
        return isinstance(value, str)
    if kind == "count":
        return count(value) is not None
    if kind == "number":
        # A diverged run writes NaN or Infinity, which are floats too.
        return isinstance(value, float) or holds(value, "count")
    if kind == "samples":
        return isinstance(value, list) and all(is_duration(sample) for sample in value)
    return isinstance(value, dict)


def is_duration(value: Any) -> bool:
    """Whether a value can be the seconds that something took."""
    return holds(value, "number") and math.isfinite(value) and value > 0.0


def number(value: Any) -> float | None:
    """A number of any kind; None for anything else, and for one that no float holds."""
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def count(value: Any) -> int | None:
    """A whole number that a table can hold; None for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None
