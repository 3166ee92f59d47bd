"""What people see in a terminal, a pipe and a file: quick help, lines for bars, errors of one line."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from record_files import measurement, write
from test_command_line import ROOT, TINY

from benchmarks.__main__ import _COMMANDS, main
from benchmarks.cli.output import console, one_line

SLOW_TO_IMPORT = ("pandas", "matplotlib", "scipy", "jinja2", "numba", "torch", "jax", "distributed")
_HELP = """
import contextlib, io, sys
from benchmarks.__main__ import main
for name in ["", *sys.argv[1].split()]:
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        main([*name.split(), "--help"], prog_name="python -m benchmarks")
    assert f"Usage: python -m benchmarks {name}".rstrip() in printed.getvalue(), name
    found = [module for module in sys.argv[2].split() if module in sys.modules]
    assert not found, (name, found)
"""


def started(*arguments: str | Path, stdout: int) -> tuple[int, str]:
    """Exit status and what the command prints as errors."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *map(str, arguments)],
        cwd=ROOT,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=120,
    )
    return done.returncode, done.stderr


def closed_pipe() -> int:
    """The writing end of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    return writing


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def test_help_waits_for_nothing_that_is_slow_to_import():
    """Without these, each takes less than 0.3 s of a CPU, and with some of them 2 s."""
    arguments = (" ".join(_COMMANDS), " ".join(SLOW_TO_IMPORT))
    done = subprocess.run(
        [sys.executable, "-c", _HELP, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    result = CliRunner().invoke(main, ["--help"])
    assert all(name in result.output for name in _COMMANDS)


ENDS = {"Broken pipe": closed_pipe, "No space left on device": full_disk}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("reason", ENDS)
@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["--help"], 1), (["export"], 1), (["train", *TINY], 1), (["check", "--help"], 3)],
)
def test_output_that_can_not_be_written_is_one_line(
    reason: str, arguments: list[str], status: int, tmp_path: Path
):
    write(tmp_path / "timings/t.jsonl", [measurement()])
    results = [] if "--help" in arguments else ["--results", str(tmp_path)]
    to = ENDS[reason]()
    found = started(*arguments, *results, stdout=to)
    os.close(to)
    assert found == (status, f"Error: standard output can't be written: {reason}\n")
    assert not [path.name for path in tmp_path.rglob(".*")]  # no lock, no temporary


def test_nothing_is_said_where_errors_go_the_same_way():
    to = closed_pipe()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "check", "--help"], cwd=ROOT, stdout=to, stderr=to, check=False
    )
    os.close(to)
    assert done.returncode == 3


def test_tables_end_as_lines_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Rich has its own way with a pipe that is closed, which says nothing."""
    to = closed_pipe()
    with os.fdopen(to, "w") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        with pytest.raises(Exception, match="standard output can't be written: Broken pipe"), one_line():
            console(100).print("a table")


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_a_terminal_that_can_not_redraw_gets_lines(tmp_path: Path, term: str):
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "train", *TINY, "--steps", "20", "--results", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "TERM": term},
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        printed = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # how a terminal says that nobody writes to it any more
                break
            printed += part
            if not part:
                break
    os.close(ours)
    assert process.returncode == 0, printed
    assert (b"step 10/20, test loss" in printed) == (term == "dumb")
    assert (b"\x1b" in printed) == (term != "dumb")
