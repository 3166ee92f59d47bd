"""What the records say, in sentences computed from them."""

from collections.abc import Mapping

import pandas as pd

from benchmarks.define.metrics import METRICS, significant

Titles = Mapping[str, str]


def speed(rows: pd.DataFrame, titles: Titles) -> list[str]:
    """Sentences on the time of a step, from rows of `summary.costs` of one run and workload, with `label`.

    Per rule the fastest and slowest backend; then what the rules cost against each other on one backend.
    """
    if rows.empty:
        return []
    step = METRICS["step_s"]
    sentences = []
    for rule, part in rows.groupby("rule", sort=False):
        # Modes give the same gradients, so a backend stands for the faster of its modes.
        best = part.loc[part.groupby("label", observed=True)["median_s"].idxmin()].sort_values("median_s")
        fastest, slowest = best.iloc[0], best.iloc[-1]
        text = f"{titles.get(str(rule), str(rule))}: {_who(fastest, rows)} "
        if len(best) == 1:
            text += f"takes {step.quantity(fastest['median_s'])} per training step."
        else:
            ratio = slowest["median_s"] / fastest["median_s"]
            text += (
                f"is the fastest of {len(best)}, with {step.quantity(fastest['median_s'])} per training step;"
                f" {_who(slowest, rows)} takes {significant(ratio, 2)} times as long."
            )
        sentences.append(text)
    return sentences + _between_rules(rows, titles)


def _between_rules(rows: pd.DataFrame, titles: Titles) -> list[str]:
    label = rows.sort_values("median_s")["label"].iloc[0]
    best = rows[rows["label"] == label].groupby("rule")["median_s"].min().sort_values()
    if len(best) < 2:
        return []
    cheap, dear = str(best.index[0]), str(best.index[-1])
    ratio = best.iloc[-1] / best.iloc[0]
    return [
        f"Between rules, on {label}: a step of {titles.get(dear, dear)} takes {significant(ratio, 2)} times"
        f" as long as one of {titles.get(cheap, cheap)}."
    ]


def baseline(rows: pd.DataFrame, titles: Titles) -> list[str]:
    """How the cases compare with the notebook's step in the same run, from rows with `speedup`."""
    found = rows[rows["speedup"].notna()]
    if found.empty:
        return []
    found = found.sort_values("speedup")
    first, last = found.iloc[-1], found.iloc[0]
    form = METRICS["speedup"]
    text = (
        "Against the BrainPy notebook's step of such a rule, timed in the same run: "
        f"{form.format(first['speedup'])} as fast on {_who(first, rows)} with"
        f" {titles.get(first['rule'], first['rule'])}"
    )
    if len(found) > 1:
        text += f", {form.format(last['speedup'])} on {_who(last, rows)} with"
        text += f" {titles.get(last['rule'], last['rule'])}"
    return [text + "."]


def memory(grown: pd.DataFrame) -> list[str]:
    """One sentence per mode on how memory grows with the trial, from `summary.growth`."""
    if grown.empty:
        return []
    parts = []
    for mode, part in grown.groupby("mode", sort=False):
        ratio = (part["longest_bytes"] / part["shortest_bytes"]).median()
        parts.append(f"by a factor of {significant(ratio, 2)} in {mode} mode")
    longer = (grown["longest"] / grown["shortest"]).median()
    return [
        f"With trials {significant(float(longer), 2)} times as long, the memory of a step grows "
        f"{' and '.join(parts)} (median over backends and rules)."
    ]


def learning(rows: pd.DataFrame, titles: Titles) -> list[str]:
    """Which rule meets the criterion first and which ends best, from `summary.training` of one experiment.

    Seconds are compared among rows of one machine only; `rows` may hold several machines.
    """
    met = rows[rows["met"] > 0]
    sentences = []
    if not rows.empty and met.empty:
        seeds = int(rows["seeds"].sum())
        sentences.append(f"None of the {seeds} training runs met the stopping criterion.")
    if not met.empty:
        # A rule that few seeds bring to the criterion is not first because one of them was lucky.
        usual = met[met["criterion_share"] >= 0.5]
        steps = _least(_most_seeds(usual if not usual.empty else met), "criterion_step")
        sentences.append(
            f"{_run(steps, titles)} meets the stopping criterion after the fewest training steps: "
            f"{METRICS['step'].format(steps['criterion_step'])} in the median of the "
            f"{steps['met']} of {steps['seeds']} seeds that met it."
        )
        for machine, part in (usual if not usual.empty else met).groupby("machine"):
            part = part[part["criterion_s"].notna()]  # others' seconds compare with nothing
            if len(part) < 2:
                continue
            seconds = _least(part, "criterion_s")
            where = f" on machine {machine}" if met["machine"].nunique() > 1 else ""
            sentences.append(
                f"In seconds of training{where}, {_run(seconds, titles)} is first: "
                f"{METRICS['train_s'].quantity(seconds['criterion_s'])} "
                f"({seconds['met']} of {seconds['seeds']} seeds)."
            )
    return sentences


def accuracy(rows: pd.DataFrame, titles: Titles) -> list[str]:
    """Final accuracy of each rule, best first, where it was trained with the most seeds."""
    rows = rows[rows["final"].notna()]
    if rows.empty:
        return []
    form = METRICS["test_accuracy"]
    best = _most_seeds(rows).sort_values("final", ascending=False)
    parts = [
        f"{titles.get(row['rule'], row['rule'])} {form.format(row['final'])}\u00a0% "
        f"({form.format(row['final_min'])}–{form.format(row['final_max'])})"
        for _, row in best.iterrows()
    ]
    return [f"Final test accuracy, median and range over seeds: {', '.join(parts)}."]


def _most_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """One row per rule. Taking the best of several backends instead would reward having more of them."""
    return rows.loc[rows.groupby("rule", sort=False)["seeds"].idxmax()]


def _least(rows: pd.DataFrame, column: str) -> pd.Series:
    return rows.sort_values(column, kind="stable").iloc[0]


def _run(row: pd.Series, titles: Titles) -> str:
    return f"{titles.get(row['rule'], row['rule'])} on {row['label']}"


def _who(row: pd.Series, rows: pd.DataFrame) -> str:
    """The label, and the mode where several were measured."""
    return f"{row['label']} ({row['mode']})" if rows["mode"].nunique() > 1 else str(row["label"])
