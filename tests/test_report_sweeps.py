"""The report on sweeps: what lacks, what was retried, where runs come from; published and tuned settings."""

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from record_files import SETTINGS, curve, measurement, write

from benchmarks.__main__ import main
from benchmarks.define import hyperparameters
from benchmarks.judge import sweeps
from benchmarks.show.commands import EXPORT, MEASURE, PARITY, REPORT
from benchmarks.show.material import Material
from benchmarks.show.sections import composed, learning, provenance
from benchmarks.show.sections import hyperparameters as settings_section
from benchmarks.store import records

CLUSTER = {"scheduler": "joined", "protocol": "tls", "workers": 6, "dask": "2026.8.0", "timing": "shared"}
COMMAND = (
    "python -m benchmarks sweep --backend numba --rule bptt,eprop_symmetric --learning-rate 0.01,0.02"
    " --seeds 4 --steps 20"
)
RATES = (0.005, 0.01, 0.02)
SEEDS = range(10, 14)
ALWAYS = [MEASURE, PARITY, REPORT, EXPORT]
"""Commands at the end of every report, of a folder without measurements."""


def swept(
    folder: Path,
    *,
    leave_out: tuple[float, int] | None = None,
    attempts: Any = ("w0",),
    command: str | None = COMMAND,
) -> None:
    """Rates of both rules on a cluster; 0.01 is the best for BPTT, the published one for the other."""
    for rule, ends in (("bptt", (0.7, 0.9, 0.8)), ("eprop_symmetric", (0.9, 0.8, 0.7))):
        for rate, end in zip(RATES, ends, strict=True):
            for seed in SEEDS:
                if rule == "bptt" and (rate, seed) == leave_out:
                    continue
                lost = rule == "bptt" and (rate, seed) == (0.02, 13)
                run = curve(
                    *("numba", rule, seed, () if lost else (0.5, end)),
                    final=None if lost else end + 0.01 * (seed - 10),
                    diverged=lost,
                    threads=1,
                    timing="shared",
                    settings={**SETTINGS, "optimizer": {"learning_rate": rate}},
                )
                run[1] |= {"sweep": {**CLUSTER, "worker": "w0"}, "command": command}
                if attempts is not None:
                    twice = (rule, rate, seed) == ("bptt", 0.01, 12)
                    run[1]["sweep"]["attempts"] = ["w1", *attempts] if twice else list(attempts)
                write(folder / f"curves/{rule}-{rate}-{seed}.jsonl", run)


def knobs(folder: Path) -> tuple[records.Records, Any]:
    found = records.read(folder)
    assert not found.unreadable
    return found, next(
        part for part in composed(settings_section.knobs, Material(found, folder)) if part.ident == "knobs"
    )


def rows(section: Any, heading: str) -> list[dict[str, str]]:
    table = next(t for t in section.tables if heading in [column.heading for column in t.columns])
    names = [column.heading for column in table.columns]
    return [dict(zip(names, (cell.text for cell in row), strict=True)) for row in table.rows]


def test_a_sweep_says_where_it_comes_from(tmp_path: Path):
    swept(tmp_path)
    _, section = knobs(tmp_path)
    (origin,) = rows(section, "trained by")
    assert origin["trained by"] == "a running cluster over tls, 6 workers, runs share machines"
    assert (origin["runs"], origin["seeds"], origin["backend"]) == ("24", "10–13", "numba, 1 thread")
    assert (origin["retried"], origin["diverged"], origin["unfinished"]) == ("1", "1", "0")
    assert "Dask 2026.8.0" in origin["versions"]
    assert origin["commit"] == "0123456789"
    notes = " ".join(section.notes)
    assert "Trained again after a worker went away: BPTT, learning rate 0.01, seed 12." in notes
    assert "Diverged" in notes
    assert "BPTT, learning rate 0.02: 1 seed." in notes
    assert not section.missing  # a run that diverged is there
    assert not section.commands


def test_published_and_tuned_are_beside_each_other(tmp_path: Path):
    swept(tmp_path)
    _, section = knobs(tmp_path)
    best = {row["rule"]: row for row in rows(section, "tuned setting")}
    assert best["BPTT"]["tuned setting"] == "learning rate 0.01"
    assert (best["BPTT"]["published"], best["BPTT"]["tuned"]) == ("72.0", "92.0")  # seeds 11 and 13
    assert best["symmetric e-prop"]["tuned setting"] == "as published"
    assert {row["seeds shown"] for row in best.values()} == {"2"}
    assert [picture.stem for picture in section.pictures] == ["knobs", "tuned"]
    for name in ("published: 72.0", "tuned: 92.0"):
        assert re.search(rf"BPTT, {name}.*mean of 2 seeds", section.pictures[1].tips)


def test_what_a_sweep_lacks_is_named_with_the_command_that_adds_it(tmp_path: Path):
    swept(tmp_path, leave_out=(0.01, 11))
    found, section = knobs(tmp_path)
    assert "1 of 24 runs of a sweep are missing" in section.missing
    assert [[cell.text for cell in row] for row in section.tables[-1].rows] == [
        ["BPTT", "learning rate 0.01", "11"]
    ]
    assert section.missing.endswith("This adds them; what is recorded is skipped:")
    assert section.commands == [COMMAND]
    assert reproduced(found)[0] == [*section.commands, *ALWAYS]


def test_what_a_sweep_lacks_is_named_where_its_command_is_not_recorded(tmp_path: Path):
    swept(tmp_path, leave_out=(0.01, 11), command=None)
    found, section = knobs(tmp_path)
    assert section.missing.endswith("The command of that sweep is not recorded.")
    assert not section.commands
    assert reproduced(found) == (ALWAYS, ["The commands of 23 training runs are not recorded."])


def test_a_rule_that_a_sweep_has_not_at_all_lacks_the_published_setting_too(tmp_path: Path):
    swept(tmp_path)
    write(tmp_path / "curves/other.jsonl", curve("numba", "eprop_random", 0, (0.5, 0.7), final=0.7))
    _, section = knobs(tmp_path)
    assert "12 of 36 runs of a sweep are missing" in section.missing
    assert "with --rule eprop_random the others" in section.missing
    settings = ["as published", "learning rate 0.01", "learning rate 0.02"]
    lacks = [[cell.text for cell in row] for row in section.tables[-1].rows]
    assert "random e-prop" not in section.pictures[0].tips  # as it has one setting
    assert lacks == [["random e-prop", setting, "10–13"] for setting in settings]


def test_what_other_commands_trained_is_no_part_of_a_sweep(tmp_path: Path):
    """Published settings of more seeds, one alone on the machine, and another value of one rule."""
    swept(tmp_path)
    for rule in ("bptt", "eprop_symmetric"):
        for seed in range(14, 24):
            run = curve("numba", rule, seed, (0.5, 0.8), final=0.8, threads=1, timing="shared")
            run[1] |= {"command": "python -m benchmarks figure --all-tasks --backend numba"}
            write(tmp_path / f"curves/tasks-{rule}-{seed}.jsonl", run)
        # trained again, alone
        run = curve("numba", rule, 10, (0.5, 0.8), final=0.8, threads=1)
        run[1] |= {"command": "python -m benchmarks figure --backend numba --threads 1"}
        (tmp_path / f"curves/{rule}-0.005-10.jsonl").unlink()
        write(tmp_path / f"curves/alone-{rule}.jsonl", run)
    for seed in range(12, 15):
        settings = {**SETTINGS, "optimizer": {"learning_rate": 0.03}}
        run = curve(
            "numba", "bptt", seed, (0.5, 0.6), final=0.6, threads=1, timing="shared", settings=settings
        )
        run[1] |= {"command": "python -m benchmarks sweep --rule bptt --learning-rate 0.03 --first-seed 12"}
        write(tmp_path / f"curves/one-{seed}.jsonl", run)
    _, section = knobs(tmp_path)
    assert not section.missing
    assert not section.commands


def reproduced(found: records.Records) -> tuple[list[str], list[str]]:
    """Commands and notes of the part on how to repeat it all."""
    parts = composed(provenance.reproduce, Material(found, Path()))
    (section,) = [part for part in parts if part.ident == "reproduce"]
    return section.commands, section.notes


def test_the_command_plans_exactly_these_runs(tmp_path: Path):
    """Taken at its word, by the command line: what is recorded, and what lacks, is all there is to do."""
    swept(tmp_path, leave_out=(0.01, 11))
    _, section = knobs(tmp_path)
    words = section.commands[0].split()[3:]
    done = CliRunner().invoke(main, [*words, "--dry-run", "--results", str(tmp_path / "empty")])
    assert done.exit_code == 0, done.output
    assert "24 of 24 runs to do" in done.output


def test_the_runs_of_a_preset_are_one_sweep(tmp_path: Path):
    for name, values in hyperparameters.preset("difficulty", "evidence_accumulation").items():
        for value in values:
            settings = {**SETTINGS, "task": {"n_cues": 7, name: value}}
            run = curve("numba", "bptt", 10, (0.5,), final=0.5, timing="shared", threads=1, settings=settings)
            write(tmp_path / f"curves/{name}{value}.jsonl", run)
    usual = curve("numba", "bptt", 10, (0.5,), final=0.5, timing="shared", threads=1)
    write(tmp_path / "curves/n_cues7.jsonl", usual)
    (tmp_path / "curves/delay_ms1200.jsonl").unlink()  # the same as the published one
    ((sweep, part),) = sweeps.planned(records.read(tmp_path).runs)
    assert len(part) == 10
    assert sweeps.lacking(sweep, part).empty


@pytest.mark.parametrize("attempts", [None, "w0", [], 3])
def test_records_that_do_not_say_who_began_a_run_are_read(tmp_path: Path, attempts: Any):
    run = curve("numba", "bptt", 10, timing="shared")
    run[1]["sweep"] = {"timing": "shared", "attempts": attempts, "workers": "many", "dask": 3}
    write(tmp_path / "curves/a.jsonl", run)
    found = records.read(tmp_path)
    assert not found.unreadable
    (row,) = found.runs[["scheduler", "workers", "dask", "lost", "sessions"]].to_dict("records")
    assert row["sessions"] == 1
    assert all(
        row[name] is None or row[name] != row[name] or str(row[name]) == "<NA>"
        for name in row
        if name != "sessions"
    )


def test_a_run_on_no_cluster_is_told_from_one_whose_retries_nobody_wrote_down(tmp_path: Path):
    swept(tmp_path, attempts=None)
    for rule in ("bptt", "eprop_symmetric"):
        for seed in range(2):
            write(
                tmp_path / f"curves/own{rule}{seed}.jsonl", curve("numba", rule, seed, (0.5, 0.7), final=0.7)
            )
    _, section = knobs(tmp_path)
    own, cluster = sorted(rows(section, "trained by"), key=lambda row: row["seeds"])
    assert (own["trained by"], own["retried"]) == ("train or figure, one run after another", "–")
    assert cluster["retried"] == "not recorded"


def test_recorded_commands_are_in_the_order_in_which_they_need_each_other(tmp_path: Path):
    """Runs of `figure` on seeds 0 and 1, of a sweep on more, and of `figure --tuned` on fresh ones."""
    swept(tmp_path)
    figure = "python -m benchmarks figure --backend numba --rule bptt,eprop_symmetric --steps 20"
    for rule in ("bptt", "eprop_symmetric"):
        for seed in (0, 1, 100, 101):
            run = curve("numba", rule, seed, (0.5, 0.8), final=0.8)
            run[1] |= {"command": f"{figure} --seeds 2" if seed < 2 else f"{figure} --tuned --seeds 2"}
            write(tmp_path / f"curves/{rule}-{seed}.jsonl", run)
    measure = "python -m benchmarks measure"
    timings = [
        measurement(run="1", started="2026-01-01T00:00:00Z", command=f"{measure} --rounds 1"),
        measurement(run="2", started="2026-01-02T00:00:00Z", command=f"{measure} --scaling"),
        measurement(run="3", started="2026-01-03T00:00:00Z", command=f"{measure} --rounds 3"),
    ]
    write(tmp_path / "timings/t.jsonl", timings)
    found = records.read(tmp_path)
    commands, notes = reproduced(found)
    assert commands == [
        *(f"{figure} --seeds 2", COMMAND, f"{figure} --tuned --seeds 2"),
        *(f"{measure} --rounds 3", f"{measure} --scaling", *ALWAYS[1:]),
    ]
    assert not notes
    # all of them are in parts of their own
    assert [part.ident for part in composed(learning.training, Material(found, tmp_path))] == []
