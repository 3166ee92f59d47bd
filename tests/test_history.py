"""Slow creep over commits, found in signals whose truth is known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from asv_files import asv_results, benchmark
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.judge.history import exit_status, judge
from benchmarks.store.asv_files import HISTORY

CASES = [f"case {number}" for number in range(8)]


def history(
    levels: dict[str, list[float]],
    commits: int = 20,
    noise: float = 0.02,
    machine: bool = False,
    unit: str = "seconds",
) -> pd.DataFrame:
    """Times of commits, each case at the levels that are named, others at one.

    `machine`: as fast as it is that day.
    """
    rng = np.random.default_rng(1)
    day = np.exp(0.3 * rng.standard_normal(commits)) if machine else np.ones(commits)
    rows = []
    for case in CASES:
        for number in range(commits):
            level = levels.get(case, [1.0])
            value = (
                level[number * len(level) // commits] * day[number] * (1.0 + noise * rng.standard_normal())
            )
            commit = f"{number:08x}".ljust(40, "0")
            rows.append(("m", "e", "step.Step.time_step", case, unit, commit, 1000 * number, 0.1 * value))
    return pd.DataFrame(rows, columns=HISTORY)


def worse(found: pd.DataFrame) -> dict[str, float]:
    return dict(found[found["verdict"] == "worse"].set_index("case")["ratio"])


@pytest.mark.parametrize("machine", [False, True], ids=["a steady machine", "another one each week"])
def test_five_small_steps_are_found_as_a_large_one(machine: bool):
    creep = [1.05**step for step in range(6)]
    found = judge(history({"case 3": creep}, machine=machine), 1.1)
    assert worse(found) == {"case 3": pytest.approx(1.28, abs=0.06)}
    assert exit_status(found) == 1
    assert found.iloc[0]["since"]


@pytest.mark.parametrize("machine", [False, True])
def test_noise_alone_is_no_creep(machine: bool):
    found = judge(history({}, machine=machine), 1.1)
    assert len(found) == len(CASES)
    assert not worse(found)
    assert exit_status(found) == 0


def test_what_became_better_or_well_again_is_no_creep():
    assert not worse(judge(history({"case 0": [1.3, 1.0], "case 1": [1.0, 1.3, 1.0]}), 1.1))


def test_a_single_bad_run_is_no_level():
    table = history({})
    table.loc[(table["case"] == "case 2") & (table["date"] == table["date"].max()), "value"] = 0.3
    assert not worse(judge(table, 1.1))


def test_memory_is_not_freed_of_the_speed_of_a_machine():
    table = history({name: [1.0, 1.5] for name in CASES}, unit="bytes").assign(
        value=lambda rows: rows["value"] * 1e8
    )
    assert set(worse(judge(table, 1.1))) == set(CASES)


def test_another_machine_and_environment_is_another_history():
    old = history({"case 0": [1.0, 2.0]})
    new = history({}).assign(machine="n", date=lambda rows: rows["date"] + 10**6)
    assert not worse(judge(pd.concat([old, new]), 1.1))


def test_few_commits_are_no_history():
    found = judge(history({}, commits=4), 1.1)
    assert found.empty
    assert exit_status(found) == 3
    assert exit_status(judge(pd.DataFrame(columns=HISTORY), 1.1)) == 3


def test_the_command_reads_what_asv_has_stored(tmp_path: Path):
    def store(times: list[float]) -> None:
        for number, time_s in enumerate(times):
            figures = {
                "step_time.StepTime.time_step": [(time_s, None)] + [(0.1, None)] * 3,
                "forward_time.ForwardTime.time_evaluate": [(0.05, None)] * 4,
            }
            asv_results(tmp_path, f"{number:08x}".ljust(40, "0"), figures=figures, date=1000 * number)

    store([0.1, 0.1, 0.1, 0.105, 0.105, 0.11, 0.11, 0.12, 0.12, 0.13, 0.13, 0.13])
    units = {
        name: {**benchmark(name), "unit": "seconds"}
        for name in ("step_time.StepTime.time_step", "forward_time.ForwardTime.time_evaluate")
    }
    (tmp_path / "asv" / "benchmarks.json").write_text(pd.Series({**units, "version": 2}).to_json())
    result = CliRunner().invoke(main, ["history", "--results", str(tmp_path)])
    assert result.exit_code == 1, result.output
    assert "History: 1 of 8 cases have become worse" in result.output
    assert "100.00 ms" in result.output
    assert "130.00 ms" in result.output
    result = CliRunner().invoke(main, ["history", "--results", str(tmp_path), "--factor", "1.5"])
    assert result.exit_code == 0, result.output
    result = CliRunner().invoke(main, ["history", "--results", str(tmp_path / "none")])
    assert result.exit_code == 3
