"""Full disks, read-only folders, files in the way: nothing is torn, and the error is a line with the path."""

import json
import os
import resource
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from record_files import curve, measurement, parity, write

from benchmarks.__main__ import main
from benchmarks.define.cases import step_cases
from benchmarks.run import process, timings
from benchmarks.show import page as report
from benchmarks.show import sections
from benchmarks.store import checkpoint, files
from benchmarks.store.append import RunFile, append
from benchmarks.store.curve_file import CurveFile
from benchmarks.store.files import CannotWrite, check_writable, replaced
from benchmarks.store.records import read

ROOT = Path(__file__).parents[1]
FULL = "File too large"  # what the system says of the limit that stands for a full disk here
TINY = shlex.split(
    "--backend numpy --rule bptt --dtype float64 --n-in 8 --n-regular 4 --n-adaptive 4 "
    "--n-cues 1 --cue-ms 15 --interval-ms 20 --delay-ms 30 --recall-ms 15 --batch 4"
)


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process may become larger: a write takes what fits, and the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def left_behind(folder: Path) -> list[str]:
    """Hidden files."""
    return [path.name for path in folder.rglob(".*")]


def test_an_append_is_whole_however_little_the_system_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda to, content: real(to, content[:7]))
    append(tmp_path / "a", "x" * 40, "y" * 3)
    append(tmp_path / "a", "é")
    assert (tmp_path / "a").read_text("utf-8") == "x" * 40 + "\nyyy\né\n"


@pytest.mark.parametrize("there", [b"", b"a line\n"])
def test_an_append_that_does_not_fit_leaves_the_file_as_it_was(tmp_path: Path, there: bytes):
    path = tmp_path / "a"
    if there:
        path.write_bytes(there)
    with room_for(len(there) + 10), pytest.raises(CannotWrite, match=f"{path} can't be written: {FULL}"):
        append(path, "short", "a long one that does not fit")
    assert path.exists() == bool(there)
    append(path, "after")
    assert path.read_bytes() == there + b"after\n"


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_an_append_that_is_broken_off_is_undone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
):
    append(tmp_path / "a", "before")
    real, calls = os.write, []

    def some(to: int, content: bytes) -> int:
        calls.append(to)
        if len(calls) == 2:
            raise error
        return real(to, content[:5])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", some)
        with pytest.raises((CannotWrite, KeyboardInterrupt)):
            append(tmp_path / "a", "never seen")
    assert (tmp_path / "a").read_bytes() == b"before\n"


def test_a_run_that_does_not_fit_goes_on_later_as_if_it_had(tmp_path: Path):
    header, session, *points = curve(end=False)
    file = CurveFile(tmp_path / "a.jsonl", header)
    file.append(session)
    size = file.path.stat().st_size
    with room_for(size + 20), pytest.raises(CannotWrite):
        file.append(*points[:2])
    assert file.recorded.last_point == 0
    file.append(points[0])
    assert CurveFile(file.path, header).recorded.last_point == 10
    with room_for(5), pytest.raises(CannotWrite):
        CurveFile(tmp_path / "new.jsonl", header)
    assert not (tmp_path / "new.jsonl").exists()


def test_a_checkpoint_is_the_old_one_or_the_new_one(tmp_path: Path):
    path = tmp_path / "a.checkpoint.npz"
    checkpoint.write(path, {"x": np.arange(3)})
    with room_for(100), pytest.raises(CannotWrite, match=f"{path} can't be written: {FULL}"):
        checkpoint.write(path, {"x": np.arange(1000)})
    assert checkpoint.read(path)["x"].tolist() == [0, 1, 2]
    assert not left_behind(tmp_path)


def test_what_a_killed_process_was_writing_goes_with_the_checkpoint(tmp_path: Path):
    names = ("a.checkpoint.npz", "b.checkpoint.npz")
    code = (
        "import os, sys; from pathlib import Path; from benchmarks.store.files import replaced\n"
        "with replaced(Path(sys.argv[1])) as path:\n    path.write_bytes(b'half'); os._exit(1)"
    )
    for name in names:
        subprocess.run([sys.executable, "-c", code, tmp_path / name], cwd=ROOT, check=False)
    assert len(left_behind(tmp_path)) == 2
    checkpoint.delete(tmp_path / names[0])
    assert len(left_behind(tmp_path)) == 1  # of the other run
    checkpoint.delete(tmp_path / names[1])
    assert not list(tmp_path.iterdir())


def test_a_file_is_replaced_through_a_link_and_keeps_its_mode(tmp_path: Path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    files.write_text(link, "new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o640
    files.write_text(Path(os.devnull), "gone")
    assert Path(os.devnull).is_char_device()


def test_what_is_known_before_is_said_before(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    check_writable(tmp_path / "new" / "folder" / "a")
    assert not (tmp_path / "new").exists()
    for path, reason in (
        (tmp_path, "it is a folder"),
        (tmp_path / "file" / "a", f"{tmp_path / 'file'} is no folder"),
        (tmp_path / "file" / "b" / "c", f"{tmp_path / 'file'} is no folder"),
        (Path("/proc/a"), "No such file or directory"),  # where nobody can write, whoever they are
    ):
        with pytest.raises(CannotWrite, match=f"{path} can't be written: {reason}"):
            check_writable(path)
    with room_for(0), pytest.raises(CannotWrite, match=FULL):
        check_writable(tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


COMMANDS = {
    "parity": ("parity", "--backend", "numpy", "--rule", "bptt"),
    "measure": ("measure", "--backend", "numpy", "--rule", "bptt", "--batch", "2"),
    "devices": ("devices", "--backend", "jax", "--rule", "bptt", "--devices", "1"),
    "train": ("train", *TINY),
    "figure": ("figure", "--backend", "numpy", "--rule", "bptt", "--seeds", "1"),
    "sweep": ("sweep", "--backend", "numpy", "--rule", "bptt", "--preset", "knobs"),
    "report": ("report",),
    "export": ("export",),
    "raster": ("raster", "--backend", "numpy", "--train-steps", "10"),
    "check": ("check", "HEAD~1", "HEAD"),
}
WRITTEN = {
    **{"parity": "parity", "measure": "timings", "devices": "data_parallel", "train": "curves"},
    **{"figure": "report", "sweep": "curves", "report": "report", "export": "tables", "raster": "report"},
    "check": "checks",
}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """With something to report."""
    write(tmp_path / "results/timings/t.jsonl", [measurement(), measurement(rule="eprop_symmetric")])
    write(tmp_path / "results/curves/c.jsonl", curve())
    write(tmp_path / "results/parity/p.jsonl", [parity("numpy")])
    return tmp_path / "results"


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be trained, measured, compared, drawn or installed."""

    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("work began")

    from benchmarks.run import commit_pair
    from implementations.training import Training

    for module, name in ((process, "Process"), (sections, "compose"), (commit_pair, "prepare")):
        monkeypatch.setattr(module, name, forbidden)
    monkeypatch.setattr(Training, "warm_up", forbidden)


@pytest.mark.parametrize("way", ["full", "in the way", "read-only"])
@pytest.mark.parametrize("name", COMMANDS)
def test_where_nothing_can_be_written_a_command_says_so_in_one_line_and_does_nothing(
    name: str, way: str, results: Path, no_work: None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    folder = results / WRITTEN[name]
    if way == "in the way":
        if folder.exists():
            folder.rename(results / "before")
        folder.write_text("a file")
    if way == "read-only":  # whoever runs the tests may write anywhere else
        if name in ("report", "export"):
            folder = Path("/proc/eprop-bench")
        else:
            results = Path("/proc/eprop-bench")
            folder = results / WRITTEN[name]
    to = ("--out", folder / "a.png") if name == "raster" else ("--results", results)
    if way == "read-only" and name in ("report", "export"):
        to = (*to, "--out", folder)
    with room_for(0 if way == "full" else resource.RLIM_INFINITY):
        result = run(*COMMANDS[name], *to)
    assert result.exit_code == (3 if name == "check" else 1), (result.output, result.exception)
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith("Error: ")
    assert str(folder) in line
    assert "can't be written: " in line


def test_a_record_that_does_not_fit_ends_the_command_and_leaves_whole_ones(
    results: Path, monkeypatch: pytest.MonkeyPatch
):
    found = {name: value for name, value in measurement().items() if name in ("status", "reason", "step_s")}
    monkeypatch.setattr(
        timings, "in_fresh_process", lambda *_: {**found, "environment": measurement()["environment"]}
    )
    # as much as is written to see whether there is room for anything, and a few records
    with room_for(5000):
        result = run("measure", "--backend", "numpy", "--no-lengths", "--rounds", "9", "--results", results)
    assert result.exit_code == 1, result.output
    (new,) = [path for path in (results / "timings").iterdir() if path.name != "t.jsonl"]
    assert result.stderr.strip().splitlines() == [f"Error: {new} can't be written: {FULL}"]
    assert new.read_bytes().endswith(b"\n")
    kept = [json.loads(line) for line in new.read_text().splitlines()]
    assert len(kept) > 1
    assert not read(results).unreadable


def test_a_report_that_does_not_fit_leaves_the_older_one(results: Path):
    before = {}
    for attempt in range(2):
        if attempt == 0:
            report.build(results, results / "report")
        else:
            with room_for(6000):
                result = run("report", "--results", results)
            assert result.exit_code == 1
            (line,) = result.stderr.strip().splitlines()
            assert line.startswith(f"Error: {results / 'report'}/")
            assert line.endswith(f"can't be written: {FULL}")
        found = {path.name: path.read_bytes() for path in (results / "report").iterdir()}
        before = before or found
    assert found == before


@pytest.mark.slow
def test_a_readme_that_can_not_be_filled_stays(results: Path, tmp_path: Path):
    readme = tmp_path / "README.md"
    text = "<!-- costs -->\n<!-- end of costs -->\n" + "x" * 9000
    readme.write_text(text)
    report.build(results, results / "report")
    real, size = files.write_text, 5000

    def limited(path: Path, text: str) -> None:
        with room_for(size if path.name == "README.md" else resource.RLIM_INFINITY):
            real(path, text)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("benchmarks.cli.report.write_text", limited)
        result = run("report", "--results", results, "--readme", readme)
    assert result.exit_code == 1
    assert result.stderr.strip() == f"Error: {readme} can't be written: {FULL}"
    assert readme.read_text() == text
    assert run("report", "--results", results, "--readme", readme).exit_code == 0
    assert "| training step, ms |" in readme.read_text()


def test_tables_that_do_not_fit_leave_the_older_ones(results: Path):
    assert run("export", "--results", results).exit_code == 0
    before = {path.name: path.read_bytes() for path in (results / "tables").iterdir()}
    write(results / "curves/d.jsonl", curve(seed=1, accuracies=tuple(i / 200 for i in range(200))))
    with room_for(5000):
        result = run("export", "--results", results)
    assert result.exit_code == 1
    assert result.stderr.strip() == f"Error: {results / 'tables/points.csv'} can't be written: {FULL}"
    after = {path.name: path.read_bytes() for path in (results / "tables").iterdir()}
    assert set(after) == set(before)
    assert after["points.csv"] == before["points.csv"]


def test_training_goes_on_after_the_disk_was_full(tmp_path: Path):
    arguments = ("train", *TINY, "--steps", "30")
    assert run(*arguments, "--results", tmp_path / "whole").exit_code == 0
    with room_for(5000):  # of which the file of the run takes half, and a checkpoint more
        result = run(*arguments, "--results", tmp_path / "full")
    assert result.exit_code == 1
    first, second = result.stderr.strip().splitlines()
    assert first.startswith("Error: ")
    assert first.endswith(f".checkpoint.npz can't be written: {FULL}")
    assert second == "1 of 1 runs failed"
    (path,) = (tmp_path / "full/curves").iterdir()
    assert read(tmp_path / "full").points["step"].tolist() == [10]
    assert run(*arguments, "--results", tmp_path / "full").exit_code == 0
    of_both = [read(tmp_path / name).points.drop(columns="train_s") for name in ("whole", "full")]
    assert of_both[0].equals(of_both[1])
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_folder_for_a_run_is_known_before_it_is_measured(tmp_path: Path):
    (tmp_path / "timings").write_text("a file")
    with pytest.raises(CannotWrite, match="is no folder"):
        RunFile(tmp_path / "timings")
    with pytest.raises(CannotWrite, match="is no folder"):
        next(timings.measure_all(step_cases([("numpy", "bptt")], ("adjoint",)), 1, tmp_path))


def test_nothing_is_replaced_by_what_was_not_finished(tmp_path: Path):
    files.write_text(tmp_path / "a", "old")
    with pytest.raises(UnicodeEncodeError), replaced(tmp_path / "a") as path:
        path.write_text("new \ud800", encoding="utf-8")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]
