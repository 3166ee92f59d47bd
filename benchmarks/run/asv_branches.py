"""The branches that ASV's site shows: it draws no commit that is on none of them, however long that took."""

import shlex
from collections.abc import Iterator, Sequence

from benchmarks.run.checkout import GitFailed, ask, git

KEYWORDS = ("NEW", "ALL", "EXISTING", "TAGS", "HASHFILE")
"""What ASV takes in the place of a range; its own `HEAD` is git's for what is asked here."""


class NoBranch(Exception):
    """What is to be measured is no commit, or is on no branch; the text says which."""


def branches(configured: Sequence[str], commits: str = "HEAD") -> list[str]:
    """Those of the configuration that exist, and as few others as show HEAD and the newest of `commits`.

    ASV follows first parents: a commit that a merge brought is not on the branch.

    Args:
        configured: names.
        commits: a range of git, or one of `KEYWORDS`.

    Raises:
        GitFailed: git can't tell.
        NoBranch: there is no such commit, or no branch that has it.
    """
    found = [name for name in configured if git("rev-parse", "--verify", f"refs/heads/{name}") is not None]
    if not _have(found, _commit("HEAD", "rev-parse", "--verify", "HEAD^{commit}")):
        found.append("HEAD")
    if commits.partition(":")[0] in KEYWORDS:
        return found
    newest = _newest(commits)
    if not _have(found, newest):
        other = next((name for name in _local() if _have([name], newest)), None)
        if other is None:
            raise NoBranch(
                f"{newest[:10]} is on none of the branches {', '.join(found)}, nor on another one here, so "
                "that the site could not show it: check it out, or make a branch of it"
            )
        found.append(other)
    return found


def _newest(commits: str) -> str:
    try:
        words = shlex.split(commits)
    except ValueError as error:
        raise NoBranch(f"{commits!r} is no range of git: {error}") from None
    return _commit(commits, "rev-list", "--first-parent", "--max-count=1", *words, "--")


def _commit(name: str, *arguments: str) -> str:
    """What git prints for a name that may name none."""
    try:
        found = ask(*arguments)
    except GitFailed as error:
        raise NoBranch(f"{name!r} is no commit or range of git: {error}") from None
    if not found:
        raise NoBranch(f"there is no commit in {name!r}")
    return found


def _local() -> Iterator[str]:
    yield from ask("for-each-ref", "--format=%(refname:short)", "refs/heads").splitlines()


def _have(names: Sequence[str], commit: str) -> bool:
    """Whether one of these branches has the commit."""
    return any(commit in ask("rev-list", "--first-parent", name, "--").splitlines() for name in names)
