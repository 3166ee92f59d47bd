"""ASV's results as rows of the same tables, and in the report; the files are written by ASV itself."""

import json
from pathlib import Path

import pytest
from asv_files import COMMIT, NA, PARAMETERS, asv_results
from record_files import everything, measurement, write

from benchmarks.judge import commits, costs
from benchmarks.show import page as report
from benchmarks.store import records, schema

OTHER = "fedcba9876543210fedcba9876543210fedcba98"


def test_results_become_measurements_and_samples(tmp_path: Path):
    path = asv_results(tmp_path)
    found = records.read(tmp_path)
    assert not found.unreadable
    rows = found.measurements
    assert set(rows["file"]) == {f"asv/testbox/{path.name}"}
    assert set(rows["machine"]) == {"testbox"}
    assert set(rows["commit"]) == {COMMIT}
    assert rows["run"].unique().tolist() == ["asv 01234567 virtualenv-py3.11"]
    timed = rows[rows["peak_bytes"].isna()]
    assert timed[["backend", "rule", "status"]].to_numpy().tolist() == [
        ["numpy", "bptt", "ok"],
        ["numpy", "eprop_symmetric", "ok"],
        ["numba", "bptt", "unavailable"],
        ["numba", "eprop_symmetric", "failed"],
    ]
    assert timed["reason"].notna().tolist() == [False, False, True, True]
    assert rows[["n_steps", "n_rec", "batch"]].drop_duplicates().to_numpy().tolist() == [[2250, 100, 128]]
    assert sorted(rows["peak_bytes"].dropna()) == [1e6, 2e6, 3e6, 4e6]
    first = found.samples[found.samples["measurement"] == timed["measurement"].iloc[0]]
    assert first["step_s"].tolist() == [0.1, 0.2, 0.3]
    machine = found.environments.iloc[0]
    assert (machine["processor"], machine["cores"], machine["memory_bytes"]) == ("A cpu", 2, 2**20)


@pytest.mark.parametrize("name", ["01234567-virtualenv-py3.11 (1).json", "0-copy.json"])
def test_an_older_copy_of_a_file_of_asv_gives_way_to_it(tmp_path: Path, name: str):
    older = {"step_time.StepTime.time_step": [(0.9, [0.9, 0.9, 0.9]), (NA, None), (NA, None), (NA, None)]}
    path = asv_results(tmp_path, figures=older)
    path.rename(path.with_name(name))
    whole = records.read(asv_results(tmp_path).parents[2])
    assert set(whole.measurements["file"]) == {f"asv/testbox/{path.name}"}
    assert len(whole.measurements) == 8
    assert len(whole.samples) == 6
    (left_out,) = whole.unreadable
    assert left_out.file == f"asv/testbox/{name}"
    assert left_out.what == f"repeats what ASV measured in asv/testbox/{path.name}; left out"


@pytest.mark.parametrize(
    ("method", "column", "sampled"),
    [
        ("forward_time.ForwardTime.time_evaluate", "forward_s", True),
        ("compilation.ImportTime.timeraw_import", "import_s", True),
        ("compilation.Compilation.track_compilation_s", "compile_s", False),
        ("peak_memory.DevicePeakMemory.track_device_peak_bytes", "device_peak_bytes", False),
        ("peak_memory.MemoryGrowth.track_bytes_per_step", "bytes_per_step", False),
        ("accuracy.Accuracy.track_test_error", "test_error", True),
        ("accuracy.PatternError.track_nmse", "nmse", True),
        ("accuracy.Alignment.track_misalignment", "misalignment", False),
        ("scaling.SizeTime.time_step", "step_s", True),
    ],
)
def test_every_benchmark_of_the_suite_has_a_column(tmp_path: Path, method: str, column: str, sampled: bool):
    samples = [0.25, 0.5, 0.75] if sampled else None
    asv_results(tmp_path, figures={method: [(0.5, samples), (NA, None), (NA, None), (NA, None)]})
    found = records.read(tmp_path)
    assert not found.unreadable
    if column in schema.SAMPLES:
        assert found.samples[column].tolist() == samples
    if column not in ("step_s", "forward_s"):
        assert found.measurements[column].iloc[0] == 0.5
    figures = commits.figures(found)
    assert figures[["figure", "median"]].to_numpy().tolist() == [[column, 0.5]]
    assert figures["samples"].fillna(1).tolist() == [3 if sampled else 1]


def test_the_columns_are_those_of_the_suite():
    """A benchmark that is added to the suite has to be added here too."""
    import importlib

    from benchmarks.store.readers.asv import _COLUMNS

    found = set()
    for module in ("step_time", "forward_time", "scaling", "peak_memory", "compilation", "accuracy"):
        for kind in vars(importlib.import_module(f"benchmarks.{module}")).values():
            if isinstance(kind, type):
                found |= {
                    name for name in vars(kind) if name.startswith(("time", "track_", "peakmem_", "mem_"))
                }
    assert found - {"timeout"} == set(_COLUMNS)


def test_commits_are_runs_of_their_own(tmp_path: Path):
    asv_results(tmp_path)
    asv_results(
        tmp_path,
        OTHER,
        figures={"step_time.StepTime.time_step": [(0.02, [0.02]), (0.04, [0.04]), (NA, None), (NA, None)]},
        date=1_767_312_000_000,
    )
    found = costs.costs(records.read(tmp_path))
    assert found["run"].nunique() == 2
    for _, rows in found[found["median_s"].notna()].groupby("run"):
        assert sorted(rows["ratio_all"]) == pytest.approx([1.0, 2.0])


def test_what_measure_recorded_goes_before(tmp_path: Path):
    asv_results(tmp_path)
    write(tmp_path / "timings/t.jsonl", [measurement(step_s=(7.0,), started="2020-01-01T00:00:00Z")])
    assert costs.costs(records.read(tmp_path))["median_s"].tolist() == [7.0]


def test_asv_alone_makes_a_report(tmp_path: Path):
    asv_results(tmp_path)
    page = report.build(tmp_path, tmp_path / "report")
    text = page.with_name("report.md").read_text(encoding="utf-8")
    assert "| BPTT | numpy | adjoint | 200 | 150 – 250 |" in text
    assert "Performance over commits" in text
    assert "| 0123456789 | A | virtualenv-py3.11 |" in text
    assert "| 6 | 1 | 1 |" in text  # figures, n/a, failed
    assert "asv run --record-samples '0123456789^!'" in text  # for a shell


def test_the_notebook_and_what_has_no_size_are_in_one_report(tmp_path: Path):
    step, notebook = "step_time.StepTime.time_step", "step_time.NotebookStepTime.time_step"
    accuracy = "accuracy.Accuracy.track_test_error"
    runner = {name: PARAMETERS[name] for name in ("backend", "rule", "mode", "device")}
    asv_results(
        tmp_path,
        figures={
            step: [(0.2, [0.1, 0.2, 0.3])] * 4,
            notebook: [(0.6, [0.6, 0.6, 0.6])] * 2,
            accuracy: [(0.05, None)] * 4,
        },
        parameters_of={
            notebook: {"system": ["notebook"], **PARAMETERS, "backend": ["brainpy"]},
            accuracy: runner,
        },
    )
    found = costs.costs(records.read(tmp_path))
    assert len(found) == 4 + 2
    assert found["speedup"].dropna().round(6).tolist() == [3.0] * 4
    report.build(tmp_path, tmp_path / "report")


def test_files_that_are_not_asvs_are_named(tmp_path: Path):
    everything(tmp_path)
    path = asv_results(tmp_path)
    for name, text in (
        ("cut", path.read_text()[:-40]),
        ("foreign", '{"a": 1}'),
        ("list", "[1]"),
        ("old", ""),
    ):
        path.with_name(f"{name}.json").write_text(text)
    strange = json.loads(path.read_text())
    strange["results"]["step_time.StepTime.time_step"][0] = "fast"
    path.with_name("strange.json").write_text(json.dumps(strange))
    found = records.read(tmp_path)
    named = {problem.file.rpartition("/")[2] for problem in found.unreadable}
    assert named == {f"{name}.json" for name in ("cut", "foreign", "list", "old", "strange")}
    assert found.measurements["file"].str.startswith("asv/").sum() == 8


def test_benchmarks_that_are_not_known_are_named(tmp_path: Path):
    asv_results(tmp_path, figures={"other.Other.time_tea": [(1.0, [1.0])] * 4})
    found = records.read(tmp_path)
    assert found.measurements.empty
    assert "other.Other.time_tea" in found.unreadable[0].what


def test_without_the_list_of_benchmarks_parameters_have_no_names(tmp_path: Path):
    asv_results(tmp_path)
    (tmp_path / "asv/benchmarks.json").unlink()
    found = records.read(tmp_path)
    assert found.measurements.empty
    assert found.unreadable[0].file == "asv/benchmarks.json"
