"""Record files into tables: all that is sound is read, and all that is not is named."""

from pathlib import Path

import pytest
from record_files import aligned, by_hops, curve, environment, measurement, parity, write

from benchmarks.store import records, schema
from benchmarks.store.readers import copies, runs
from benchmarks.store.readers.rows import Rows


def problems(found: records.Records) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for problem in found.unreadable:
        named.setdefault(problem.file, []).append(problem.what)
    return named


def test_nothing_there_gives_empty_tables_with_their_columns(tmp_path: Path):
    found = records.read(tmp_path / "nowhere")
    assert found.empty
    assert not found.unreadable
    assert list(found.points.columns) == schema.POINT_COLUMNS
    assert list(found.measurements.columns) == schema.MEASUREMENT_COLUMNS


def test_a_curve_becomes_rows(tmp_path: Path):
    write(tmp_path / "curves/a.jsonl", curve(accuracies=(0.5, 0.75), criterion=20, threads=2))
    found = records.read(tmp_path)
    assert not found.unreadable
    run = found.runs.iloc[0]
    assert (run["backend"], run["rule"], run["threads"], run["last_step"]) == ("numba", "bptt", "2", 20)
    assert (run["train_s"], run["end"], run["machine"]) == (4.0, "steps", "aaaa1111")
    assert found.points["step"].tolist() == [10, 20]
    assert found.points["test_accuracy"].tolist() == [0.5, 0.75]
    assert found.criteria[["step", "train_s"]].to_numpy().tolist() == [[20, 4.0]]
    assert found.environments["cores"].tolist() == [2]


def test_measurements_and_raw_samples(tmp_path: Path):
    write(
        tmp_path / "timings/t.jsonl",
        [
            measurement(step_s=(0.1, 0.2)),
            measurement("jax", status="unavailable", reason="not installed", step_s=()),
        ],
    )
    found = records.read(tmp_path)
    assert not found.unreadable
    assert found.measurements["status"].tolist() == ["ok", "unavailable"]
    assert found.measurements["threads"].tolist() == ["all", "all"]
    assert found.samples[["measurement", "step_s"]].to_numpy().tolist() == [[0, 0.1], [0, 0.2]]


def test_a_line_that_is_cut_off_costs_that_line_only(tmp_path: Path):
    path = write(tmp_path / "curves/a.jsonl", curve(end=False))
    path.write_text(path.read_text() + '{"kind": "point", "step": 40, "tra')
    found = records.read(tmp_path)
    assert found.points["step"].tolist() == [10, 20, 30]
    assert found.runs["end"].tolist() == [None]
    assert problems(found) == {"curves/a.jsonl": ["line 6 is cut off; left out"]}


def test_broken_files_are_named_and_the_others_read(tmp_path: Path):
    write(tmp_path / "curves/good.jsonl", curve())
    write(tmp_path / "curves/empty.jsonl", [])
    write(tmp_path / "curves/headless.jsonl", curve()[1:])
    write(tmp_path / "curves/header-only.jsonl", curve()[:1])
    (tmp_path / "curves/notes.txt").write_text("hello")
    (tmp_path / "curves/.hidden.lock").write_text("")
    (tmp_path / "curves/good.checkpoint.npz").write_bytes(b"PK")
    (tmp_path / "curves/binary.jsonl").write_bytes(b"\xff\xfe\x00\n\x01\n")
    write(tmp_path / "curves/foreign.jsonl", [{"kind": "cake"}, {"other": 1}])
    write(tmp_path / "curves/newer.jsonl", curve(schema=2))
    write(tmp_path / "timings/t.jsonl", [measurement(), {"kind": "measurement", "schema": 1}], "[1, 2]\n")
    found = records.read(tmp_path)
    assert found.runs["file"].tolist() == ["curves/good.jsonl"]
    assert len(found.measurements) == 1
    named = problems(found)
    assert set(named) == {
        *(
            f"curves/{name}.jsonl"
            for name in ("empty", "headless", "header-only", "binary", "foreign", "newer")
        ),
        "curves/notes.txt",
        "timings/t.jsonl",
    }
    assert named["curves/empty.jsonl"] == ["empty"]
    assert named["curves/header-only.jsonl"] == ["holds no point yet"]
    assert "does not start with a run record" in named["curves/headless.jsonl"][0]
    assert "schema 2; this version reads 1" in named["curves/newer.jsonl"][0]
    assert "run is missing" in named["timings/t.jsonl"][0]
    assert "is not JSON" in named["curves/binary.jsonl"][0]


@pytest.mark.parametrize(
    ("field", "value"),
    [("step_s", "fast"), ("step_s", [0.1, -1.0]), ("batch", 1.5), ("status", "great"), ("batch", 10**30)],
)
def test_a_field_that_holds_something_else_is_named(tmp_path: Path, field: str, value: object):
    write(tmp_path / "timings/t.jsonl", [measurement(**{field: value})])
    found = records.read(tmp_path)
    assert found.measurements.empty
    assert field in found.unreadable[0].what


def test_a_resumed_run_keeps_its_points_and_names_both_machines(tmp_path: Path):
    first, second = curve(accuracies=(0.5, 0.6), end=False), curve(accuracies=(0.5, 0.6, 0.7))
    session = {
        "kind": "session",
        "started": "2026-01-02T00:00:00",
        "step": 20,
        "environment": environment("bb"),
    }
    write(tmp_path / "curves/a.jsonl", [*first, session, *second[4:]])
    found = records.read(tmp_path)
    assert not found.unreadable
    assert found.points["step"].tolist() == [10, 20, 30]
    assert found.runs["machine"].tolist() == ["aaaa1111+bb"]
    assert found.runs["end"].tolist() == ["steps"]


def test_a_copy_of_a_run_does_not_count_as_another_seed(tmp_path: Path):
    write(tmp_path / "curves/a.jsonl", curve())
    write(tmp_path / "curves/b.jsonl", curve())
    found = records.read(tmp_path)
    assert len(found.runs) == 1
    assert problems(found) == {"curves/b.jsonl": ["repeats the run in curves/a.jsonl; left out"]}


COPIES = ("RUN (1)", "RUN.backup", "backup RUN", "A", "z")
"""Names of copies of RUN, which come before it, or after."""


@pytest.mark.parametrize("name", COPIES)
def test_an_older_copy_of_a_run_gives_way_to_the_run(tmp_path: Path, name: str):
    whole = curve(final=0.9)
    write(tmp_path / "curves/RUN.jsonl", whole)
    for older in (whole[:3], whole[:-2], whole[:-1], whole):
        write(tmp_path / f"curves/{name}.jsonl", older)
        found = records.read(tmp_path)
        kept = min("RUN", name, key=len) if older == whole else "RUN"
        other = name if kept == "RUN" else "RUN"
        assert found.runs["file"].tolist() == [f"curves/{kept}.jsonl"]
        assert found.points["step"].tolist() == [10, 20, 30]
        assert found.finals["step"].tolist() == [30]
        assert problems(found) == {
            f"curves/{other}.jsonl": [f"repeats the run in curves/{kept}.jsonl; left out"]
        }


def test_a_copy_of_a_run_that_lost_a_line_gives_way_to_the_run(tmp_path: Path):
    whole = curve()
    write(tmp_path / "curves/RUN.jsonl", whole)
    write(tmp_path / "curves/A.jsonl", [*whole[:2], *whole[3:]])
    assert records.read(tmp_path).points["step"].tolist() == [10, 20, 30]


def test_copies_of_what_was_compared_with_bptt_count_once(tmp_path: Path):
    *whole, end = curve(final=0.9)
    gradients = [aligned(step, 0.5, 1.0) for step in (0, 20)]
    write(tmp_path / "curves/RUN.jsonl", [*whole, *gradients, end])
    write(tmp_path / "curves/A.jsonl", [*whole, *gradients[:1], end])
    write(tmp_path / "ladder/RUN.jsonl", by_hops())
    write(tmp_path / "ladder/A.jsonl", by_hops()[:3])
    found = records.read(tmp_path)
    assert found.alignments["file"].tolist() == ["curves/RUN.jsonl"] * 2
    assert found.alignments["step"].tolist() == [0, 20]
    assert found.ladder["file"].tolist() == ["ladder/RUN.jsonl"] * len(by_hops())
    assert problems(found) == {
        "curves/A.jsonl": ["repeats the run in curves/RUN.jsonl; left out"],
        "ladder/A.jsonl": ["repeats 3 records of ladder/RUN.jsonl; left out"],
    }


@pytest.mark.parametrize("name", COPIES)
def test_copies_of_measurements_count_once(tmp_path: Path, name: str):
    """Or samples would be taken for more than were measured."""
    own = [measurement(step_s=(0.1 * n, 0.2), round=n) for n in (1, 2, 3)]
    others = [measurement("jax", run="run-2")]
    write(tmp_path / "timings/RUN.jsonl", own)
    write(tmp_path / f"timings/{name}.jsonl", own[:2])
    write(tmp_path / "timings/both.jsonl", [own[0], *others])
    write(tmp_path / "fallback/RUN.jsonl", own[:1])  # apart, as its folder says
    write(tmp_path / "parity/RUN.jsonl", [parity("numpy"), parity("jax")])
    write(tmp_path / f"parity/{name}.jsonl", [parity("numpy")])
    found = records.read(tmp_path)
    assert found.measurements.groupby("file")["round"].apply(list).to_dict() == {
        "timings/RUN.jsonl": [1, 2, 3],
        "timings/both.jsonl": [0],
    }
    assert len(found.samples) == 2 * 3 + 3 + 2
    assert found.parity["backend"].tolist() == ["numpy", "jax"]
    assert len(found.fallbacks) == 1
    assert problems(found) == {
        f"timings/{name}.jsonl": ["repeats 2 records of timings/RUN.jsonl; left out"],
        "timings/both.jsonl": ["repeats 1 record of timings/RUN.jsonl; left out"],
        f"parity/{name}.jsonl": ["repeats 1 record of parity/RUN.jsonl; left out"],
    }


def test_the_parts_of_a_run_that_was_split_are_all_there(tmp_path: Path):
    own = [measurement(round=n) for n in range(4)]
    write(tmp_path / "timings/a.jsonl", own[:2])
    write(tmp_path / "timings/b.jsonl", own[2:])
    found = records.read(tmp_path)
    assert found.measurements["round"].tolist() == [0, 1, 2, 3]
    assert not found.unreadable


def test_many_runs_are_told_apart_without_looking_at_each_other(monkeypatch: pytest.MonkeyPatch):
    class Counted(int):
        compared = 0

        def __eq__(self, other: object) -> bool:
            Counted.compared += 1
            return int(self) == other

        __hash__ = int.__hash__

    count = 200
    kinds = {f"{seed:03}.jsonl": curve(seed=Counted(seed // 2)) for seed in range(count)}
    monkeypatch.setattr(runs, "files", lambda *_: [Path(name) for name in kinds])
    monkeypatch.setattr(runs.json_lines, "read", lambda path, *_: iter(kinds[path.name]))
    rows = Rows()
    runs.read(Path(), rows)
    copies.leave_out(rows)
    assert len(rows.runs) == count // 2
    assert [problem.what for problem in rows.unreadable[:2]] == [
        "repeats the run in curves/000.jsonl; left out",
        "repeats the run in curves/002.jsonl; left out",
    ]
    assert Counted.compared < 10 * count


def test_what_cannot_be_printed_is_replaced(tmp_path: Path):
    write(tmp_path / "curves/a.jsonl", curve(task="a\0\ud800\x1b[31m\u009b\uffff\n\té"))
    found = records.read(tmp_path)
    assert found.runs["task"].tolist() == ["a\ufffd\ufffd\ufffd[31m\ufffd\ufffd\n\té"]
