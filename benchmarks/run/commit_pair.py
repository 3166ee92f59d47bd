"""What is compared of two commits, and with what."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import implementations as impl
from benchmarks.define.pairing import TimedCase
from benchmarks.run.asv_command import QUICK
from benchmarks.run.checkout import MEASURED, ROOT, GitFailed, git, uncommitted, unusable
from benchmarks.store.asv_files import literal

SHARED_BY = {"triton": ("torch", "jax")}
"""Folder of `implementations` -> the backends that import it, where not all do."""


class CannotCompare(Exception):
    """Nothing was measured, and nothing can be; the text says why."""


@dataclass(frozen=True)
class Plan:
    """What to compare.

    Attributes:
        base, head: git revisions.
        patterns: regular expressions, matched against a benchmark's name and parameters as ASV writes them.
    """

    base: str
    head: str
    patterns: tuple[str, ...] = QUICK


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


def selected(plan: Plan) -> list[TimedCase]:
    """The cases that a plan's patterns choose, in ASV's order."""
    wanted = [re.compile(pattern) for pattern in plan.patterns]
    return [case for case in _cases() if any(pattern.search(case.selector) for pattern in wanted)]


def untouched(cases: list[TimedCase], files: list[str]) -> list[TimedCase]:
    """Cases of backends in which no file has changed, nor one that several of them share.

    Args:
        cases: to choose from.
        files: that have changed, of `checkout.MEASURED`.
    """
    folders = {Path(file).parts[1] if Path(file).parts[0] == "implementations" else "" for file in files}
    touched = {backend for folder in folders for backend in SHARED_BY.get(folder, (folder,))}
    if touched - set(impl.BACKENDS):
        return []
    return [case for case in cases if case.backend is not None and case.backend not in touched]


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
    return any(wanted.search(case.selector) for case in _cases())


def _cases() -> Iterator[TimedCase]:
    """Every case of the suite."""
    from asv_runner.discovery import disc_benchmarks

    for benchmark in disc_benchmarks(str(ROOT / "benchmarks")):
        names = list(benchmark.param_names)
        for texts in product(*benchmark.params):
            told = [text for text, choice in zip(texts, benchmark.params, strict=True) if len(choice) > 1]
            yield TimedCase(
                benchmark.name,
                tuple(texts),
                ", ".join(text.strip("'") for text in told),
                "timeraw" if benchmark.name.split(".")[-1].startswith("timeraw") else benchmark.type,
                benchmark.unit,
                literal(texts[names.index("backend")]) if "backend" in names else None,
            )
