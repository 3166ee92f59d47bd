"""What reading results gives: tidy tables, a row per run, point, measurement, sample, comparison or machine.

Units stand in the columns' names: _s seconds, _bytes, _hz. `status` says "ok", "unavailable" (n/a: it can't
run there) or "failed"; `reason` says why it is not "ok".
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd

CASE = ["system", "backend", "rule", "mode", "dtype", "device", "threads"]
"""What a training run and a measurement have in common: what ran, and how.

`threads` is a text, "all" for all that the process may use: a null would be lost in every grouping.
"""

RUN_COLUMNS = [
    *("file", *CASE, "task", "batch", "seed", "settings", "experiment", "machine", "commit"),
    *("started", "last_step", "train_s", "timing", "end", "sessions"),
    *("scheduler", "protocol", "workers", "dask", "lost"),
]
"""One row per training run. `experiment` names equal task, network, objective, optimizer and batch size;
`machine` is a digest, several joined by "+" if resumed elsewhere; `end` is None if interrupted. `timing` is
"shared" or "alone" if a sweep trained any of it, else None. Seconds of shared workers compare with nothing:
here, in points and in criteria `train_s` of such a run is NaN; its file has them. `sessions` counts how often
it was begun or resumed. Of the cluster of a sweep: `scheduler` is "local" or "joined", `workers` how many it
had, `lost` how many of them went away with this run; null where no sweep trained it or it isn't known."""

POINT_FIGURES = ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "rate_hz", "nmse"]
LOGGED = ["log_s", "loss_reg"]
POINT_COLUMNS = ["file", "step", "train_s", *POINT_FIGURES, *LOGGED]
"""One row per point of a training run; what only some tasks have or some systems log is NaN elsewhere."""
FINAL_FIGURES = ["test_loss", "test_accuracy", "rate_hz", "nmse"]
FINAL_COLUMNS = ["file", "step", "trials", *FINAL_FIGURES]
"""One row per training run whose network was judged at its end, on fresh trials of a stream of their own."""
CRITERION_COLUMNS = ["file", "step", "train_s", "validation_error", "test_error"]

COSTS = [
    *("first_step_s", "build_s", "load_s", "unload_s", "import_s"),
    *("peak_bytes", "first_step_peak_bytes", "batch_bytes", "device_peak_bytes"),
]
TRACKED = ["compile_s", "bytes_per_step", "test_error", "nmse"]
"""What ASV alone records of a case: one figure, without samples."""

ROOFLINE = [
    *("operations", "moved_bytes", "floor_s", "memory_floor_s", "arithmetic_floor_s", "latency_floor_s"),
]
"""Of a step on a card, as benchmarks/define/work.py counts it; `floor_s` is the highest of the three."""

CLOCKS = ["sm_before_mhz", "sm_mhz", "memory_mhz", "temperature_c", "power_w"]
"""Of the card: its clock before the samples, and all after them."""

MEASUREMENT_COLUMNS = [
    *("measurement", "file", "run", "round", "started", "machine", "commit", *CASE),
    *("batch", "n_steps", "n_rec", "engine", "input_sets", "status", "reason"),
    *(*COSTS, *TRACKED, *ROOFLINE, "floor_by", "no_floor", *CLOCKS, "throttle"),
]
"""One row per measured process, or per case and benchmark of ASV; `measurement` numbers them.

A row of ASV has a run of its own commit and environment; what its benchmark does not say is "unknown", or
null for a number.
"""

TIMED = ["step_s", "forward_s"]
SAMPLES = [*TIMED, "event_s", "import_s", "test_error", "nmse"]
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

CONFORMANCE_COLUMNS = [
    *("file", "run", "started", "machine", "commit", "backend", "rule", "mode", "dtype", "device", "seed"),
    *("engine", "status", "reason", *DEVIATIONS),
]
"""One row per fresh random problem that a device solved, held against NumPy in float64; as for parity."""

ENVIRONMENT_COLUMNS = [
    *("machine", "processor", "cores", "memory_bytes", "accelerators", "system", "python", "versions"),
    *("commit", "dirty", "cards", "source"),
]

COUNTS = frozenset(
    (
        "measurement",
        "round",
        "step",
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
        "cores",
        "memory_bytes",
    )
)
"""Columns of whole numbers, in whichever table."""

NUMBERS = frozenset(
    (
        "train_s",
        *POINT_FIGURES,
        *LOGGED,
        *ROOFLINE,
        *CLOCKS,
        "validation_error",
        "test_error",
        *COSTS,
        *TRACKED,
        *SAMPLES,
        *DEVIATIONS,
    )
)
"""Columns of numbers; the others are texts, but for the objects `settings` and `versions`, the list
`accelerators`, and `dirty`, which is a truth value."""

STATUSES = ("ok", "unavailable", "failed")


@dataclass(frozen=True)
class Problem:
    """Something that could not be read: the file's path under results/, and what is wrong with it."""

    file: str
    what: str


@dataclass(frozen=True)
class Records:
    """All records of one results folder; empty tables have their columns nevertheless.

    `fallbacks` has the columns of `measurements`, of backends that were told to use their own loop: apart, so
    that no comparison mixes the two. Rows of `samples` belong to either.
    """

    runs: pd.DataFrame
    points: pd.DataFrame
    criteria: pd.DataFrame
    finals: pd.DataFrame
    measurements: pd.DataFrame
    samples: pd.DataFrame
    parity: pd.DataFrame
    conformance: pd.DataFrame
    fallbacks: pd.DataFrame
    environments: pd.DataFrame
    problems: list[Problem]

    @property
    def empty(self) -> bool:
        """Whether there is nothing to report."""
        tables = (self.points, self.measurements, self.parity, self.conformance)
        return all(table.empty for table in tables)


def frame(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """The rows with these columns; a null count stays null, a null number becomes NaN."""
    found = pd.DataFrame([{name: row.get(name) for name in columns} for row in rows], columns=columns)
    for name in columns:
        if name in COUNTS:
            found[name] = found[name].astype("Int64")
        elif name in NUMBERS:
            found[name] = found[name].astype(float)
    return found
