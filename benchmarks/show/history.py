"""What has crept up over commits, for the terminal."""

import math

import pandas as pd

from benchmarks.define.metrics import judged
from benchmarks.show.columns import columns

_HEADER = ("benchmark", "case", "commits", "best", "latest", "ratio", "rose after", "verdict")


def lines(verdicts: pd.DataFrame) -> list[str]:
    """A line for each case that is worse, and a header; none where none is."""
    worse = verdicts[verdicts["verdict"] == "worse"]
    rows = [
        (
            row["benchmark"],
            row["case"],
            str(row["commits"]),
            _value(row["best"], row["unit"]),
            _value(row["latest"], row["unit"]),
            f"{row['ratio']:.2f}" if math.isfinite(row["ratio"]) else "",
            row["since"],
            row["verdict"],
        )
        for row in worse.to_dict("records")
    ]
    return columns([_HEADER, *rows]) if rows else []


def headline(verdicts: pd.DataFrame, least: int) -> str:
    """The outcome in a line."""
    if verdicts.empty:
        return f"History: nothing was measured at {least} commits or more on the machine that measured last"
    worse = int((verdicts["verdict"] == "worse").sum())
    if worse:
        return f"History: {worse} of {len(verdicts)} cases have become worse"
    return f"History: none of {len(verdicts)} cases has become worse"


def _value(value: float, unit: str) -> str:
    how = judged(unit)
    return f"{value * how.scale:.{how.decimals}f} {how.unit}" if how else f"{value:g}"
