"""Counts of training steps: the file of expected ones, the judge, what is said; counting under valgrind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import implementations as impl
from benchmarks.__main__ import main
from benchmarks.define.counts import COLUMNS, MARGIN, cases
from benchmarks.define.plants import PLANTS
from benchmarks.judge import counts as judge
from benchmarks.run import callgrind, cores
from benchmarks.run import counts as run
from benchmarks.store import counts as store
from implementations import rules

ROOT = Path(__file__).parents[1]
VERSIONS = {"python": "3.11.7", "numpy": "2.4.6"}
needs_valgrind = pytest.mark.skipif(
    callgrind.missing() is not None and "CI" not in os.environ, reason=callgrind.missing() or ""
)


def row(backend: str = "numba", rule: str = "bptt", status: str = "ok", **figures: Any) -> dict[str, Any]:
    """As `run.counts.count` yields it."""
    named = {"backend": backend, "rule": rule, "mode": "adjoint", "status": status, "reason": None}
    if status != "ok":
        return {**named, "reason": "of a test"}
    usual = {"instructions": 1_000_000, "allocations": 100.0, "compilations": 0}
    return {**named, **{column.name: {**usual, **figures}.get(column.name) for column in COLUMNS}}


def expected(*rows: dict[str, Any]) -> tuple[Any, ...]:
    return store.updated(None, rows, VERSIONS).rows


def test_every_backend_rule_of_its_own_cost_and_mode_is_counted():
    found = {(case.backend, case.rule, case.mode) for case in cases()}
    assert found == {
        (backend, rule, mode)
        for backend in impl.BACKENDS
        for rule in rules.tracked()
        for mode in rules.get(rule).modes
    }
    assert all(case.threads == 1 for case in cases())


def test_the_file_is_read_as_it_was_written(tmp_path: Path):
    path = tmp_path / "counts.json"
    wanted = store.updated(None, [row(), row("jax", flops=12.5, fusions=3)], VERSIONS)
    store.write(path, wanted)
    found = store.read(path)
    assert found.versions == VERSIONS
    assert {store.key(one): one for one in found.rows} == {store.key(one): one for one in wanted.rows}
    assert sum('"backend"' in line for line in path.read_text().splitlines()) == 2  # a change is a line
    before = path.read_text()
    store.write(path, found)
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no JSON"),
        ("[]", "does not hold expected counts"),
        ('{"schema": 99, "versions": {}, "rows": []}', "schema 99"),
        ('{"schema": 1, "versions": {}, "rows": [{"backend": "numba"}]}', "KeyError"),
        (None, "No such file"),
    ],
)
def test_what_is_no_such_file_is_said(text: str | None, told: str, tmp_path: Path):
    path = tmp_path / "counts.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(store.Unreadable, match=told):
        store.read(path)


def test_an_update_keeps_margins_and_other_backends():
    before = store.Expected(
        VERSIONS, tuple({**one, "margin": 0.004} for one in expected(row(), row("jax"), row(rule="old")))
    )
    after = {store.key(one): one for one in store.updated(before, [row(instructions=5)], VERSIONS).rows}
    assert set(after) == {("numba", "bptt", "adjoint"), ("jax", "bptt", "adjoint")}
    assert after["numba", "bptt", "adjoint"]["margin"] == 0.004
    assert after["numba", "bptt", "adjoint"]["instructions"] == 5
    assert store.updated(None, [row()], VERSIONS).rows[0]["margin"] == MARGIN


@pytest.mark.parametrize(
    ("found", "verdict", "status"),
    [
        (row(), judge.AS_EXPECTED, 0),
        (row(instructions=1_009_999), judge.AS_EXPECTED, 0),
        (row(instructions=1_030_000), judge.MORE, 1),
        (row(instructions=970_000), judge.FEWER, 1),
        (row(allocations=101.0), judge.AS_EXPECTED, 0),
        (row(allocations=110.0), judge.MORE, 1),
        (row(compilations=1), judge.MORE, 1),
        (row(fusions=1), judge.MORE, 1),  # there was none
        (row(instructions=900_000, allocations=200.0), judge.MORE, 1),
        (row(status="failed"), judge.FAILS, 2),
        (row(status="unavailable"), judge.GONE, 2),
    ],
)
def test_what_is_more_or_fewer_is_found(found: dict[str, Any], verdict: str, status: int):
    (one,) = judge.judge(expected(row()), [found])
    assert one.verdict == verdict
    assert judge.exit_status([one]) == status


def test_what_is_new_or_gone_is_found():
    judged = judge.judge(expected(row(), row(rule="old")), [row(), row(rule="new")])
    assert [one.verdict for one in judged] == [judge.AS_EXPECTED, judge.NEW, judge.GONE]
    # backends that were not asked for are not missed
    assert len(judge.judge(expected(row(), row("jax")), [row()])) == 1
    (one,) = judge.judge((), [row(status="unavailable")])
    assert judge.exit_status([one]) == 3


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What counting gives, without valgrind."""
    rows = [row(), row("jax", flops=12.0)]
    monkeypatch.setattr(callgrind, "missing", lambda: None)
    monkeypatch.setattr(run, "versions", lambda: dict(VERSIONS))
    monkeypatch.setattr(run, "count_all", lambda _: iter(rows))
    return rows


def counts(path: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["counts", "--expected", str(path), *arguments])


def test_counts_are_kept_compared_and_updated(counted: list[dict[str, Any]], tmp_path: Path):
    path = tmp_path / "counts.json"
    result = counts(path)
    assert result.exit_code == 3
    assert "make counts-update" in result.stderr
    assert counts(path, "--update").exit_code == 0
    result = counts(path)
    assert result.exit_code == 0, result.output
    assert "all 2 as expected" in result.output
    counted[0]["instructions"] = 1_100_000
    result = counts(path)
    assert result.exit_code == 1
    assert "1,000,000 -> 1,100,000" in result.output
    assert "1.1000" in result.output
    counted[0]["instructions"] = 900_000
    result = counts(path)
    assert result.exit_code == 1
    assert "1 fewer; `make counts-update`" in result.output
    assert counts(path, "--update").exit_code == 0
    assert counts(path).exit_code == 0
    counted[:] = [row(status="failed"), row("jax", flops=12.0)]
    assert counts(path).exit_code == 2
    before = path.read_text()
    assert counts(path, "--update").exit_code == 3
    assert path.read_text() == before


def test_other_versions_are_not_compared(
    counted: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "counts.json"
    assert counts(path, "--update").exit_code == 0
    monkeypatch.setattr(run, "versions", lambda: {**VERSIONS, "numpy": "2.5.0"})
    result = counts(path)
    assert result.exit_code == 3
    assert "numpy 2.5.0, not 2.4.6" in result.stderr
    result = counts(path, "--update", "--backend", "numba")
    assert result.exit_code == 3
    assert "change all rows" in " ".join(result.stderr.split())
    assert counts(path, "--update").exit_code == 0
    assert store.read(path).versions["numpy"] == "2.5.0"


@pytest.mark.parametrize("lacks", ["valgrind", "AVX2", "x86-64"])
def test_where_nothing_can_be_counted_a_sentence_says_so(
    lacks: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(callgrind.platform, "machine", lambda: "arm64" if lacks == "x86-64" else "x86_64")
    monkeypatch.setattr(callgrind.platform, "system", lambda: "Linux")
    monkeypatch.setattr(callgrind.shutil, "which", lambda _: None if lacks == "valgrind" else "valgrind")
    monkeypatch.setattr(callgrind, "_flags", lambda: frozenset() if lacks == "AVX2" else frozenset(("avx2",)))
    result = counts(tmp_path / "counts.json")
    assert result.exit_code == 3
    assert lacks in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_file_that_can_not_be_written_is_said_before_counting(
    counted: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(run, "count_all", lambda _: pytest.fail("counted"))
    result = counts(tmp_path, "--update")
    assert result.exit_code == 3


def test_the_expected_counts_are_of_the_tested_versions():
    found = store.read(ROOT / "results" / "counts.json")
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line
    )
    told = {name: version.partition("+")[0] for name, version in found.versions.items()}
    assert {name: pinned[name] for name in told if name in pinned} == {
        name: version for name, version in told.items() if name in pinned
    }
    assert {"numpy", "numba", "torch", "jax", "brainpy"} <= set(told)
    assert {store.key(one) for one in found.rows} == {
        (case.backend, case.rule, case.mode) for case in cases()
    }


def test_work_can_be_planted_in_every_backend(tmp_path: Path):
    assert set(PLANTS) == set(impl.BACKENDS)
    shutil.copytree(ROOT / "implementations", tmp_path / "implementations")
    for plant in PLANTS.values():
        path = tmp_path / "implementations" / plant.file
        before = path.read_text()
        plant.plant(tmp_path, 0.03)
        assert path.read_text() != before
        if path.suffix == ".py":
            compile(path.read_text(), plant.file, "exec")


_COUNTED = """
import itertools
from benchmarks.run import callgrind

def work(n):
    for _ in itertools.repeat(None, n):
        [].append(n)

callgrind.start()
for _ in range(20):
    work(100)
for n in (0, 1000, 2000):
    callgrind.forget()
    work(n)
    print(callgrind.dump())
"""


@needs_valgrind
def test_a_process_counts_its_own_instructions(tmp_path: Path):
    command = [*callgrind.under(tmp_path), sys.executable, "-c", _COUNTED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["1", "2", "3"]
    none, one, two = (callgrind.read(tmp_path, number).instructions for number in (1, 2, 3))
    assert none < one < two
    assert (two - none) / (one - none) == pytest.approx(2.0, rel=0.05)


@needs_valgrind
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_whoever_stops_it_finds_nothing_left(number: signal.Signals, tmp_path: Path):
    command = [sys.executable, "-m", "benchmarks", "counts", "--backend", "numba,torch"]
    variables = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=variables, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob("*/dumped/*")):  # at work under valgrind
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(number)
        _, printed = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert printed.endswith("interrupted\n")
    assert not list(tmp_path.iterdir())


def test_who_does_not_run_under_valgrind_is_told():
    with pytest.raises(RuntimeError, match="does not run under valgrind"):
        callgrind.start()


def test_calls_that_allocate_are_read_from_a_profile(tmp_path: Path):
    lines = [
        "events: Ir",
        "fn=main",
        "1 5",
        "cfn=malloc",
        "calls=3 0",
        "1 9",
        "cfn=work'2",
        "calls=7 0",
        "1 9",
    ]
    lines += ["cfn=malloc'2", "calls=1 0", "1 9", "cfn=PyMem_Malloc", "calls=4 0", "1 9", "totals: 1234"]
    (tmp_path / "counted.1").write_text("\n".join(lines))
    assert callgrind.read(tmp_path, 1) == callgrind.Counted(1234, 4)
    pool = "Eigen::ThreadPoolTempl<tsl::thread::EigenEnvironment>::"
    waits = [f"fn={pool}WorkerLoop(int)", "1 2", f"cfn={pool}MaybeGetTask(Task*)", "calls=5 0", "1 200"]
    waits += [f"fn={pool}MaybeGetTask(Task*)", "1 80", f"cfn={pool}WaitForWork(int)", "calls=1 0", "1 120"]
    (tmp_path / "counted.3").write_text("\n".join([*lines[:-1], *waits, "totals: 1236"]))
    assert callgrind.read(tmp_path, 3) == callgrind.Counted(1036, 4)
    new = ["cfn=operator new(unsigned long)", "calls=2 0", "1 9"]
    delete = ["cfn=operator delete(void*)", "calls=3 0", "1 9"]
    queues = ["fn=xla::cpu::ThunkExecutor::Execute(xla::cpu::Thunk::ExecuteParams const&)'2", *new, *delete]
    inside = ["fn=operator new(unsigned long)", "cfn=malloc", "calls=5 0", "1 9"]
    works = ["fn=xla::cpu::KernelThunk::Execute(xla::cpu::Thunk::ExecuteParams const&)", *new, *delete]
    (tmp_path / "counted.4").write_text("\n".join([*lines[:-1], *queues, *works, *inside, "totals: 1234"]))
    assert callgrind.read(tmp_path, 4) == callgrind.Counted(1234, 4 + 5 - 2)
    (tmp_path / "counted.2").write_text("\n".join(lines[:-1]))
    with pytest.raises(RuntimeError, match="is not whole"):
        callgrind.read(tmp_path, 2)


def test_a_process_on_one_core_finds_one():
    before = cores.available()
    with cores.pinned(before[-1] if before else None):
        done = subprocess.run(
            [sys.executable, "-c", "import os; print(len(os.sched_getaffinity(0)))"],
            capture_output=True,
            text=True,
        )
    assert done.stdout.strip() == "1"
    assert cores.available() == before


@needs_valgrind
@pytest.mark.slow
@pytest.mark.parametrize(
    "backend",
    # those that XLA compiles for take four minutes each, most of it valgrind's
    [
        pytest.param(name, marks=[pytest.mark.timing] if name in ("jax", "brainpy") else [])
        for name in impl.BACKENDS
    ],
)
def test_three_per_cent_more_work_is_found(backend: str, tmp_path: Path):
    """In the hot loop of each backend, beside the same counted twice, on one core as `counts` has it.

    XLA on several hands more to threads, and not always the same.
    """
    shutil.copytree(
        ROOT / "implementations",
        tmp_path / "implementations",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    PLANTS[backend].plant(tmp_path, 0.03)
    wanted = [case for case in cases([backend]) if (case.rule, case.mode) == ("eprop_symmetric", "adjoint")]
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    there = cores.available()
    with cores.pinned(there[worker % len(there)]):
        (before,) = run.count(wanted)
        (again,) = run.count(wanted)
        (planted,) = run.count(wanted, tmp_path)
    assert [one["status"] for one in (before, again, planted)] == ["ok"] * 3, (before, again, planted)
    assert abs(again["instructions"] / before["instructions"] - 1.0) < 0.001
    added = planted["instructions"] / before["instructions"] - 1.0
    assert 0.02 < added < 0.045  # about what was meant to be
    kept = store.updated(None, [before], VERSIONS).rows
    (one,) = judge.judge(kept, [again])
    assert one.verdict == judge.AS_EXPECTED
    (one,) = judge.judge(kept, [planted])
    assert one.verdict == judge.MORE
