"""The full text of what failed, in one file for people: records hold the first line alone."""

from collections.abc import Iterable
from pathlib import Path

from benchmarks.store.append import append


class Failures:
    """Appends to a text file, which is there once something failed.

    Attributes:
        path: of the file.
        found: what failed -> the first line of why, in the order in which it did.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: dict[str, str] = {}

    def keep(self, case: Iterable[object], reason: str, printed: str | None) -> None:
        """Of a case, in words: why it failed, and what its process had printed by then."""
        name = " ".join(map(str, case))
        lines = reason.strip().splitlines()
        self.found[name] = lines[0] if lines else "for no reason that was given"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        append(self.path, f"== {name}", reason, *(printed or "").rstrip().splitlines(), "")
