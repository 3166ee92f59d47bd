"""Slowdowns planted in copies of this checkout, measured as the gates measure."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.define import counts, power
from benchmarks.define.cases import Case
from benchmarks.define.pairing import TimedCase
from benchmarks.define.plants import MODE, PLANTS, RULE
from benchmarks.run import commit_pair, pairs
from benchmarks.run import counts as run_counts
from benchmarks.run.checkout import ROOT
from benchmarks.run.sides import Side


def arm(slowdown: float) -> str:
    """The name of a side with this slowdown."""
    return f"{slowdown:g}"


@contextmanager
def planted(backend: str) -> Iterator[dict[str, Side]]:
    """Inside, there are sides of this checkout: as it is, and with each slowdown of `power.SLOWDOWNS`.

    Yields:
        "base" and its "copy" first, then `arm` of each slowdown. Without one it is a third of the same.
    """
    with TemporaryDirectory(prefix="eprop-bench-power-") as folder:
        sides = {}
        for name, share in (
            ("base", 0.0),
            ("copy", 0.0),
            *((arm(share), share) for share in power.SLOWDOWNS),
        ):
            home = Path(folder) / (name if share else "unchanged")
            if not home.exists():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / "implementations", home / "implementations", ignore=ignored)
                if share:
                    PLANTS[backend].plant(home, share)
            sides[name] = Side(Path(sys.executable), home, home / "compiled", Path(folder) / "compiled")
        yield sides


@contextmanager
def busy(processes: int) -> Iterator[None]:
    """Inside, so many processes compute without end, on whatever core the system gives them."""
    spinning = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def case(backend: str) -> TimedCase:
    """The benchmark of ASV whose hot loop the slowdowns are in."""
    pattern = rf"^{power.BENCHMARK}\('{backend}', '{RULE}', '{MODE}', 'cpu'"
    (found,) = commit_pair.selected(commit_pair.Plan("", "", (pattern.replace(".", r"\."),)))
    return found


def measure(
    backend: str, sides: dict[str, Side], number_of_pairs: int, log: Path, left_s: Callable[[], float]
) -> Iterator[dict[str, Any]]:
    """Pairs, as `run.pairs.measure` yields them, of all sides in turns."""
    yield from pairs.measure([case(backend)], sides, range(number_of_pairs), log, left_s)


def count(backend: str, sides: dict[str, Side]) -> Iterator[dict[str, Any]]:
    """What a step of each side executes; yields arm, and a row of `run.counts.count`."""
    problem = next(iter(counts.cases([backend]))).problem
    wanted = Case(backend, RULE, MODE, problem=problem, batch=counts.BATCH, threads=1)
    one_of_each = {side.folder: name for name, side in reversed(sides.items())}
    rows = ((name, run_counts.count([wanted], folder)) for folder, name in one_of_each.items())
    yield from chain.from_iterable(({"arm": name, **row} for row in of) for name, of in rows)
