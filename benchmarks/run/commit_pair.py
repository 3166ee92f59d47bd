"""Two commits, measured in turns by ASV."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from benchmarks.define.asv_parameters import REPEAT
from benchmarks.define.gate import ROUNDS
from benchmarks.run import asv_command
from benchmarks.run.asv_command import QUICK
from benchmarks.run.checkout import MEASURED, ROOT, GitFailed, git, uncommitted, unusable
from benchmarks.store import asv_files
from implementations import checks


class CannotCompare(Exception):
    """Nothing was measured, and nothing can be; the text says why."""


@dataclass(frozen=True)
class Plan:
    """What to measure, and how.

    Attributes:
        base, head: git revisions.
        patterns: regular expressions, matched against a benchmark's name and parameters as ASV writes them.
        rounds: interleaved processes per case of a time and side.
        samples: per process; None for what each benchmark says, `define.asv.REPEAT`.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range.
    """

    base: str
    head: str
    patterns: tuple[str, ...] = QUICK
    rounds: int = ROUNDS
    samples: int | None = None

    def __post_init__(self) -> None:
        checks.integer("rounds", self.rounds, ROUNDS)
        if self.samples is not None:
            checks.integer("samples", self.samples, 1)

    @property
    def least_samples(self) -> int:
        """Of a time, in all rounds of a side."""
        return self.rounds * (self.samples or REPEAT[0])

    @property
    def attributes(self) -> list[str]:
        """As options of ASV."""
        return [] if self.samples is None else [f"--attribute=repeat={self.samples}"]


def prepare(plan: Plan) -> tuple[str, str]:
    """The commits of base and head, once all is known to be in place that a comparison needs.

    Raises:
        CannotCompare: what is missing or wrong.
    """
    if reason := unusable():
        raise CannotCompare(f"check compares commits, and {reason}")
    if find_spec("virtualenv") is None:
        raise CannotCompare("virtualenv can't be imported: pip install 'eprop-bench[benchmarks]'")
    base, head = _commit(plan.base), _commit(plan.head)
    if base == head:
        raise CannotCompare(
            f"{plan.base} and {plan.head} are the same commit, {base[:8]}: there is nothing to compare"
        )
    for name, commit in ((plan.base, base), (plan.head, head)):
        for path in MEASURED:
            if git("cat-file", "-e", f"{commit}:{path}") is None:
                raise CannotCompare(f"{name} ({commit[:8]}) has no {path}, and can't be installed")
    try:
        changes = uncommitted()
    except GitFailed as error:
        raise CannotCompare(
            f"only commits are measured, and what is in none can't be told: {error}"
        ) from None
    if changes:
        raise CannotCompare(f"only commits are measured, and these changes are in none: {', '.join(changes)}")
    for pattern in plan.patterns:
        if not _matches(pattern):
            raise CannotCompare(f"no benchmark matches {pattern!r}")
    return base, head


def measure(
    plan: Plan, commits: tuple[str, str], machine: str, patterns: Sequence[str], factor: float, results: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure both commits in turns; returns what ASV stored of base and of head (`asv_files.COLUMNS`).

    Args:
        plan: how.
        commits: what `prepare` returned.
        machine: ASV's name of it.
        patterns: of what is measured; those of the plan, or fewer.
        factor: by which times differ in the table that ASV prints.
        results: a folder that is made for ASV's results. What it printed, with the reasons of what can't run
            and the errors of what failed, goes to .log beside it.

    Raises:
        Interrupted: Ctrl-C or SIGTERM came; what was measured is in the folder.
    """
    results.mkdir(parents=True)
    selection = [option for pattern in patterns for option in ("--bench", pattern)]
    with TemporaryDirectory(prefix="eprop-bench-check-") as folder:
        # ASV's status says little: 1 for its own verdict and for errors, 2 for any failure, of either side
        asv_command.run(
            [
                *("continuous", *commits, "--interleave-rounds", "--show-stderr", "--machine", machine),
                *("--factor", str(factor), *plan.attributes, *selection),
            ],
            asv_command.config_for(Path(folder), results),
            log=results.with_suffix(".log"),
            variables={"EPROP_BENCH_ROUNDS": str(plan.rounds)},
        )
    base, head = (asv_files.of_commit(results, machine, commit) for commit in commits)
    return base, head


def new_folder(results: Path, commits: tuple[str, str]) -> Path:
    """A fresh folder for a comparison: results of another one are never mixed in."""
    base, head = commits
    return results / "checks" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{base[:8]}-{head[:8]}"


def _commit(revision: str) -> str:
    found = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if found is None:
        raise CannotCompare(f"{revision!r} is no commit, branch or tag of this clone")
    return found


def _matches(pattern: str) -> bool:
    try:
        wanted = re.compile(pattern)
    except re.error as error:
        raise CannotCompare(f"{pattern!r} is no regular expression: {error}") from None
    return any(wanted.search(name) for name in _names())


def _names() -> Iterator[str]:
    """Every case of the suite, as ASV names it."""
    from asv_runner.discovery import disc_benchmarks

    for benchmark in disc_benchmarks(str(ROOT / "benchmarks")):
        for values in product(*benchmark.params):
            yield f"{benchmark.name}({', '.join(values)})"
