"""Slowdowns planted in copies of this checkout, measured as the gates measure."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.define import counts, power
from benchmarks.define.cases import Case
from benchmarks.define.pairing import ARMS, TimedCase
from benchmarks.define.plants import MODE, PLANTS, RULE
from benchmarks.run import commit_pair, cores, pairs
from benchmarks.run import counts as run_counts
from benchmarks.run.checkout import ROOT
from benchmarks.run.process import Budget
from benchmarks.run.sides import Side


@contextmanager
def planted(backend: str) -> Iterator[dict[float, Side]]:
    """Inside, there are sides of this checkout: slowdown -> one with it, as `power.SLOWDOWNS` has them."""
    with TemporaryDirectory(prefix="eprop-bench-power-") as folder:
        sides = {}
        for share in power.SLOWDOWNS:
            home = Path(folder) / f"{share:g}"
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / "implementations", home / "implementations", ignore=ignored)
            if share:
                PLANTS[backend].plant(home, share)
            sides[share] = Side(Path(sys.executable), home, home / "compiled", Path(folder) / "compiled")
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
    backend: str, sides: dict[float, Side], number_of_pairs: int, log: Path
) -> Iterator[dict[str, Any]]:
    """Pairs as `check` has them, of each slowdown: records of `run.pairs.measure`, with "planted".

    Each slowdown is head in pairs of its own: what the machine does falls on the sides of a pair the less
    alike, the more sides have their turn.
    """
    base, *_ = sides.values()
    forever = Budget(float("inf"))
    for share, side in sides.items():
        arms = dict(zip(ARMS, (base, side, base), strict=True))
        for record in pairs.measure([case(backend)], arms, range(number_of_pairs), log, forever.left_s):
            yield {**record, "planted": share}


def count(backend: str, sides: dict[float, Side]) -> Iterator[dict[str, Any]]:
    """What a step of each side executes; yields planted, and a row of `run.counts.count`."""
    problem = next(iter(counts.cases([backend]))).problem
    wanted = Case(backend, RULE, MODE, problem=problem, batch=counts.BATCH, threads=1)

    def one(item: tuple[float, Side]) -> Iterator[dict[str, Any]]:
        share, side = item
        yield from ({"planted": share, **row} for row in run_counts.count([wanted], side.folder))

    yield from cores.on_each(sides.items(), one)
