"""Whether a backend computes what it should: bounds of deviations, and who keeps to them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

PUBLISHED_TOLERANCE = 1e-12
"""The largest relative deviation from the published numbers that rounding in float64 explains; the tests hold
every case to it."""

TOLERANCES = {"float64": 1e-12, "float32": 1e-4}
"""Of random networks, the largest absolute difference from NumPy in float64 over the largest absolute value,
per dtype. In float64 sums in another order, and multiply-adds that round once, explain some 1e-14; in float32
1e-5, on the short trials that are used there, where a spike that comes out the other way would show as a
difference of another order."""

_OF_REALS = ("loss", "w_in", "w_rec", "w_out")

_CASE = ["machine", "backend", "rule", "mode", "dtype", "device"]


def newest(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Of rows of `records.parity` or `records.conformance` the newest of each case."""
    case = [*_CASE, *{"size"}.intersection(rows.columns)]
    return rows.sort_values("started", kind="stable").drop_duplicates(case, keep="last")


def computes_published(record: Mapping[Any, Any]) -> bool:
    """Whether a record of `parity` says that its case computes the published numbers; NaN does not."""
    return _within(record, PUBLISHED_TOLERANCE)


def computes_as_numpy(record: Mapping[Any, Any]) -> bool:
    """Whether a record of conformance says that its case computes what NumPy does; NaN does not."""
    return _within(record, TOLERANCES[record["dtype"]])


def _within(record: Mapping[Any, Any], bound: float) -> bool:
    deviations = [record.get(name) for name in _OF_REALS]
    return (
        record["status"] == "ok"
        and record["spikes"] == 0
        and all(value is not None and value <= bound for value in deviations)
    )


def deviates(record: Mapping[Any, Any]) -> bool:
    """Whether a record is of a case that fails, or is further from the published numbers than rounding."""
    return record["status"] != "unavailable" and not computes_published(record)
