"""What runs in a fresh process: outcomes as they come, and reasons for those that do not."""

import atexit
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import implementations
from benchmarks.run import process

ROOT = Path(__file__).parents[1]


def where(item: str) -> dict[str, Any]:
    print("a line of a backend")
    os.write(1, b"and one of a library\n")
    files = {"implementations": implementations.__file__, "benchmarks": process.__file__}
    return {"item": item, "pid": os.getpid(), **files}


def picky(item: Any) -> dict[str, Any]:
    if item == "raise":
        raise ValueError("not this one")
    if item == "die":
        print("last words", file=sys.stderr, flush=True)
        os._exit(3)
    if item == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if item == "leave":
        os._exit(0)
    if isinstance(item, Path):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        item.write_text(str(child.pid))
        time.sleep(60)
    return {"item": item}


def sleepy(seconds: float) -> dict[str, Any]:
    time.sleep(seconds)
    return {}


def with_pid(item: Any) -> dict[str, Any]:
    return {**picky(item), "pid": os.getpid()}


def test_items_go_through_one_process_that_finds_what_this_one_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "implementations.py").write_text("raise SystemExit('not this one')")
    found = list(process.run(where, ["a", "b"]))
    assert [outcome["item"] for outcome in found] == ["a", "b"]
    assert {(outcome["status"], outcome["reason"]) for outcome in found} == {("ok", None)}
    (pid,) = {outcome["pid"] for outcome in found}
    assert pid != os.getpid()
    assert {outcome["implementations"] for outcome in found} == {implementations.__file__}
    assert list(process.run(where, [])) == []


def test_benchmarks_of_the_checkout_beside_implementations_of_a_commit_as_asv_has_them(tmp_path: Path):
    installed = tmp_path / "implementations"
    shutil.copytree(ROOT / "implementations", installed, ignore=shutil.ignore_patterns("__pycache__"))
    code = f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        sys.path.append({str(Path(__file__).parent)!r})
        from asv_runner._aux import update_sys_path
        update_sys_path({str(ROOT / "benchmarks")!r})
        import test_process
        (found,) = test_process.process.run(test_process.where, ["a"])
        print(found["implementations"], found["benchmarks"], sep="\\n")
        """
    command = [sys.executable, "-P", "-c", textwrap.dedent(code)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.split() == [
        str(installed / "__init__.py"),
        str(ROOT / "benchmarks/run/process.py"),
    ], done.stderr


@pytest.mark.parametrize(("second", "reason"), [("die", "last words"), ("leave", "printed no record")])
def test_what_came_before_the_end_of_a_process_counts(second: str, reason: str):
    found = list(process.run(picky, ["a", second, "b"]))
    assert [outcome["status"] for outcome in found] == ["ok", "failed", "failed"]
    assert found[1]["reason"] == found[2]["reason"] == reason


def test_an_error_fails_its_item_alone():
    started = process.Process(picky, ["raise", "b"])
    failed, fine = started.outcomes()
    assert (failed["status"], failed["reason"]) == ("failed", "ValueError: not this one")
    assert fine["status"] == "ok"
    assert "Traceback" in started.printed


@pytest.mark.parametrize("bad", ["raise", "die", "leave", "crash"])
def test_what_fails_costs_those_after_it_a_new_process_and_no_more(bad: str):
    found = list(process.run_each(with_pid, ["a", bad, "b", "c"], limit_s=60.0, left_s=lambda: 100.0))
    assert [outcome["status"] for outcome in found] == ["ok", "failed", "ok", "ok"]
    assert ("printed" in found[1], "printed" in found[2]) == (True, False)
    printed = {"raise": "Traceback", "die": "last words", "leave": "", "crash": "in picky"}
    assert printed[bad] in found[1]["printed"]
    assert (found[1]["reason"] == "ended by SIGSEGV") == (bad == "crash")
    first, second, third = (found[place]["pid"] for place in (0, 2, 3))
    assert first != second == third


@pytest.mark.slow
@pytest.mark.alone
def test_what_hangs_costs_its_own_limit_and_no_more(tmp_path: Path):
    start = time.monotonic()
    path = tmp_path / "pid"
    found = list(process.run_each(with_pid, ["a", path, "b"], limit_s=5.0, left_s=lambda: 100.0))
    assert [outcome["status"] for outcome in found] == ["ok", "failed", "ok"]
    assert found[1]["reason"] == "took longer than 5 s"
    assert 'test_process.py", line' in found[1]["printed"].partition("in picky")[0]  # where it hangs
    assert time.monotonic() - start < 5.0 + 3 * 5.0
    assert ends(int(path.read_text()))


@pytest.mark.slow
@pytest.mark.alone
def test_what_there_is_no_time_left_for_is_neither_failed_nor_yielded(tmp_path: Path):
    left_s = process.Budget(5.0).left_s
    found = list(process.run_each(picky, ["a", tmp_path / "pid", "b"], limit_s=60.0, left_s=left_s))
    assert [outcome["status"] for outcome in found] == ["ok"]
    assert list(process.run_each(picky, ["a"], limit_s=60.0, left_s=lambda: 0.0)) == []


def test_side_by_side_is_in_the_order_of_coming():
    def steps(name: str, go: threading.Event, done: threading.Event) -> Iterator[str]:
        assert go.wait(30.0)
        yield name
        done.set()

    events = [threading.Event() for _ in range(3)]
    events[0].set()
    late, early = steps("late", events[1], events[2]), steps("early", events[0], events[1])
    assert list(process.side_by_side([late, early])) == ["early", "late"]

    def broken() -> Iterator[str]:
        raise ValueError("broken")
        yield ""

    with pytest.raises(ValueError, match="broken"):
        list(process.side_by_side([broken()]))


def test_who_looks_no_further_side_by_side_finds_threads_and_their_processes_ended(tmp_path: Path):
    started: list[process.Process] = []

    def slow(number: int) -> Iterator[int]:
        with tempfile.TemporaryDirectory(dir=tmp_path):
            for _ in range(2):  # the second is of who sees the first one ended
                one = process.Process(sleepy, [60.0])
                started.append(one)
                yield number
                list(one.outcomes())

    iterator = process.side_by_side([slow(number) for number in range(3)])
    assert next(iterator) in range(3)
    iterator.close()  # type: ignore[attr-defined]
    assert not list(tmp_path.iterdir())
    assert {one._process.poll() for one in started} == {-signal.SIGKILL}


def test_out_of_time_it_is_stopped_with_what_it_started(tmp_path: Path):
    path = tmp_path / "pid"
    found = list(process.run(picky, ["a", path], timeout_s=8.0, late="no time left"))
    assert [outcome["status"] for outcome in found] == ["ok", "failed"]
    assert found[1]["reason"] == "no time left"
    assert ends(int(path.read_text()))


def ends(pid: int) -> bool:
    """Whether a process is gone soon: one that was killed stays until its new parent has taken note."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends when it is through")
def test_it_does_not_outlive_who_asked(tmp_path: Path):
    path = tmp_path / "pid"
    code = f"""
        import sys
        from pathlib import Path
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_process
        from benchmarks.run import process
        list(process.run(test_process.picky, [Path({str(path)!r})]))
        """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT)
    while not path.exists() or not path.read_text():
        time.sleep(0.05)
    pid = int(Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()[0])
    parent.kill()
    parent.wait()
    os.kill(int(path.read_text()), 9)
    assert ends(pid)


def leaves(path: Path) -> dict[str, Any]:
    atexit.register(path.touch)
    return {}


def test_a_process_ends_by_itself_before_its_last_outcome_is_given(tmp_path: Path):
    assert next(process.run(leaves, [tmp_path / "left"]))["status"] == "ok"
    assert (tmp_path / "left").exists()


def test_switches_are_of_the_process_alone():
    (found,) = process.run(variable, ["SWITCH"], switches={"SWITCH": "1"})
    assert found["value"] == "1"
    assert "SWITCH" not in os.environ


def variable(name: str) -> dict[str, Any]:
    return {"value": os.environ.get(name)}


def test_what_a_plug_in_defines_can_be_an_item(tmp_path: Path):
    path = tmp_path / "own.py"
    path.write_text(
        "from dataclasses import dataclass\n\n@dataclass(frozen=True)\nclass Own:\n    number: int\n"
    )
    code = """
        import sys
        from pathlib import Path
        from benchmarks.define import plugins
        plugins.use([Path(sys.argv[1])])
        (own,) = plugins.classes(object)
        from benchmarks.run import process
        sys.path.insert(0, sys.argv[2])
        from test_process import number
        print(list(process.run(number, [own(7)])))
        """
    command = [sys.executable, "-c", textwrap.dedent(code), str(path), str(Path(__file__).parent)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert "'number': 7" in done.stdout, done.stderr


def number(item: Any) -> dict[str, Any]:
    return {"number": item.number}
