"""The regression gate from end to end: a throw-away clone, commits that it has to judge, its exit status.

It makes an environment, and measures: `make test-timing`, where nothing else runs. EPROP_BENCH_AA=5 repeats
the pair without a change five times.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.define.problem import PROBLEMS
from implementations import SequentialDigits

ROOT = Path(__file__).parents[1]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timing,
    pytest.mark.skipif(
        shutil.which("git") is None or not (ROOT / ".git").exists(), reason="needs git and a clone"
    ),
]

# One path through the code, which the edits below reach
CASE = r"'numba', 'eprop_symmetric', 'adjoint', 'cpu'"
BENCHMARKS = [
    *("--bench", rf"^step_time\..*\({CASE}"),
    *("--bench", rf"^peak_memory\.PeakMemory\..*\({CASE}"),
    *("--bench", rf"^accuracy\..*\({CASE}"),
]

TASKS = len(PROBLEMS.keys() - {SequentialDigits.name})
"""Those that are learned with what the environments of `clone` hold, which have no handwriting."""

SLOWER = """

import time as _time

_unchanged = Learner.step


def _step(self, loaded):
    start = _time.perf_counter()
    metrics = _unchanged(self, loaded)
    end = _time.perf_counter()
    while _time.perf_counter() < end + 0.3 * (end - start):
        pass
    return metrics


Learner.step = _step
"""

FATTER = """

_unchanged = Learner.step


def _step(self, loaded):
    with self._engine._threads():
        ballast = np.ones(2**21)  # 16 MiB, where a step takes 6
        metrics = _unchanged(self, loaded)
    assert ballast[-1] == 1.0
    return metrics


Learner.step = _step
"""

FORGETFUL = """

Learner.step = Learner.evaluate
"""

BROKEN = """

raise ImportError("libsvml.so: cannot open shared object file")
"""


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone whose environments hold no more than Numba needs."""
    folder = tmp_path_factory.mktemp("gate") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    for name, value in (("user.name", "A. Tester"), ("user.email", "tester@example.org")):
        git(folder, "config", name, value)
    config = folder / "asv.conf.json"
    text = config.read_text()
    assert "[all,benchmarks,digits]" in text
    config.write_text(text.replace("[all,benchmarks,digits]", "[benchmarks]"))
    git(folder, "commit", "--quiet", "--all", "--message", "Environments with Numba alone")
    git(folder, "tag", "base")
    return folder


def git(clone: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=clone, check=True)


def commit(clone: Path, edit: str, title: str) -> None:
    """Check out `base` with `edit` at the end of Numba's learner."""
    git(clone, "checkout", "--quiet", "--detach", "base")
    with (clone / "implementations/numba/learner.py").open("a") as file:
        file.write(edit)
    git(clone, "commit", "--quiet", "--all", "--allow-empty", "--message", title)


def check(clone: Path, *arguments: str, base: str = "base") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", "check", base, "HEAD", *arguments],
        cwd=clone,
        env={name: value for name, value in os.environ.items() if name != "GITHUB_STEP_SUMMARY"},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("number", range(int(os.environ.get("EPROP_BENCH_AA", "1"))))
def test_a_commit_that_changes_nothing_passes(number: int, clone: Path):
    commit(clone, "", f"Nothing {number}")
    done = check(clone, *BENCHMARKS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No regression" in done.stdout
    # step, memory and accuracy were compared, all of them
    assert done.stdout.count("same") >= 3 or "faster" in done.stdout, done.stdout


@pytest.mark.parametrize(
    ("edit", "status", "headline"),
    [
        (SLOWER, 1, "Regression: 1 slower"),
        (SLOWER.replace("0.3 *", "0.15 *"), 1, "Regression: 1 slower"),
        (FATTER, 1, "1 more memory"),
        (FORGETFUL, 1, f"{TASKS} learns worse"),
        (BROKEN, 2, f"Broken: {TASKS + 3} fails now"),  # and the step, its memory and its gradients
    ],
    ids=["slower", "somewhat slower", "fatter", "forgetful", "broken"],
)
def test_a_commit_that_does_harm_fails(edit: str, status: int, headline: str, clone: Path, tmp_path: Path):
    commit(clone, edit, headline)
    summary = tmp_path / "summary.md"
    done = check(clone, *BENCHMARKS, "--summary", str(summary))
    assert done.returncode == status, done.stdout + done.stderr
    assert headline in done.stdout
    assert summary.read_text().startswith("### ")
    assert headline in summary.read_text().splitlines()[0]


def test_where_nothing_can_be_compared(clone: Path):
    commit(clone, "", "Nothing to compare")
    done = check(clone, "--bench", r"^step_time\..*'numba', 'bptt', 'online'")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Nothing could be compared" in done.stdout


def test_an_interrupted_check_leaves_whole_pairs(clone: Path):
    commit(clone, "", "To be interrupted")
    checks = clone / "results" / "checks"
    before = set(checks.glob("*"))
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "check", "base", "HEAD", *BENCHMARKS[:2]],
        cwd=clone,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 600.0
    stored: list[Path] = []
    while not stored and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.2)
        stored = [path for folder in set(checks.glob("*")) - before for path in folder.glob("measured.jsonl")]
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130, output
    assert "interrupted; what was measured is in" in output
    kept = [json.loads(line) for line in stored[0].read_text().splitlines()]
    assert all(len(record["wall_s"]) == len(record["order"]) > 0 for record in kept)
    assert kept
