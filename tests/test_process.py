"""What runs in a fresh process: outcomes as they come, and reasons for those that do not."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest

import implementations
from benchmarks.run import process

ROOT = Path(__file__).parents[1]


def where(item: str) -> dict[str, Any]:
    print("a line of a backend")
    os.write(1, b"and one of a library\n")
    return {"item": item, "pid": os.getpid(), "implementations": implementations.__file__}


def picky(item: Any) -> dict[str, Any]:
    if item == "raise":
        raise ValueError("not this one")
    if item == "die":
        print("last words", file=sys.stderr, flush=True)
        os._exit(3)
    if item == "leave":
        os._exit(0)
    if isinstance(item, Path):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        item.write_text(str(child.pid))
        time.sleep(60)
    return {"item": item}


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


@pytest.mark.parametrize(
    ("second", "third", "reason"),
    [("die", "failed", "last words"), ("leave", "failed", "printed no record")],
)
def test_what_came_before_the_end_of_a_process_counts(second: str, third: str, reason: str):
    found = list(process.run(picky, ["a", second, "b"]))
    assert [outcome["status"] for outcome in found] == ["ok", "failed", third]
    assert found[1]["reason"] == found[2]["reason"] == reason


def test_an_error_fails_its_item_alone():
    started = process.Process(picky, ["raise", "b"])
    failed, fine = started.outcomes()
    assert (failed["status"], failed["reason"]) == ("failed", "ValueError: not this one")
    assert fine["status"] == "ok"
    assert "Traceback" in started.printed


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
