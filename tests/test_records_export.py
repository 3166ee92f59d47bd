"""`python -m benchmarks export`: the same tables in both formats, of types that do not depend on the rows."""

import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet as parquet
import pytest
from asv_files import asv_results
from click.testing import CliRunner
from record_files import everything, measurement, write

from benchmarks.__main__ import main
from benchmarks.store import records, schema

TABLES = {
    *(
        "runs",
        "points",
        "criteria",
        "finals",
        "kept",
        "alignments",
        "measurements",
        "conformance",
        "fallbacks",
        "ladder",
        "libraries",
        "library_parity",
        "power",
        "samples",
        "parity",
        "environments",
        "problems",
    ),
}


def export(results: Path, out: Path, form: str) -> str:
    done = CliRunner().invoke(
        main, ["export", "--results", str(results), "--out", str(out), "--format", form]
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_both_formats_hold_what_was_read(tmp_path: Path):
    asv_results(everything(tmp_path / "results"))
    write(tmp_path / "results/timings/broken.jsonl", [], "{")
    output = export(tmp_path / "results", tmp_path / "out", "csv")
    export(tmp_path / "results", tmp_path / "out", "parquet")
    assert {path.stem for path in (tmp_path / "out").iterdir()} == TABLES
    found = records.read(tmp_path / "results")
    assert f"measurements.csv: {len(found.measurements)} rows" in output
    assert "timings/broken.jsonl: line 1 is cut off; left out" in output
    for name in TABLES:
        packed = pd.read_parquet(tmp_path / f"out/{name}.parquet")
        plain = pd.read_csv(tmp_path / f"out/{name}.csv", dtype=packed.dtypes.to_dict(), keep_default_na=True)
        pd.testing.assert_frame_equal(packed, plain, check_exact=False, rtol=1e-14)
        if name != "problems":
            assert len(packed) == len(getattr(found, name))
    samples = pd.read_parquet(tmp_path / "out/samples.parquet")
    assert samples["step_s"].sum() == pytest.approx(found.samples["step_s"].sum())
    settings = json.loads(pd.read_parquet(tmp_path / "out/runs.parquet")["settings"].iloc[0])
    assert settings["network"]["n_regular"] == 50


def test_types_do_not_depend_on_the_rows(tmp_path: Path):
    everything(tmp_path / "full")
    write(tmp_path / "one/timings/t.jsonl", [measurement()])
    for name in ("full", "one"):
        export(tmp_path / name, tmp_path / f"out-{name}", "parquet")
    for name in TABLES:
        schemas = [parquet.read_schema(tmp_path / f"out-{which}/{name}.parquet") for which in ("full", "one")]
        assert schemas[0].names == schemas[1].names
        assert schemas[0].types == schemas[1].types


def test_units_stand_in_the_names():
    for name in schema.MEASUREMENT_COLUMNS + schema.POINT_COLUMNS + schema.SAMPLES:
        assert not name.endswith(("time", "duration", "memory", "seconds")), name
    assert {"step_s", "forward_s"} <= set(schema.SAMPLE_COLUMNS)


def test_nothing_to_export_is_said(tmp_path: Path):
    done = CliRunner().invoke(main, ["export", "--results", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code == 1
    assert "no readable record in curves/, timings/, parity/ or asv/" in done.output
    assert not (tmp_path / "out").exists()
