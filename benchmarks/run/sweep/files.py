"""The files of a sweep's runs, under RESULTS/curves as `train` leaves them: what is there, what came back."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.define.runs import Run
from benchmarks.run.train import finished, locked
from benchmarks.store import checkpoint
from benchmarks.store.curve_file import DIVERGED, CurveFile, UnusableFile
from benchmarks.store.files import replaced, writing


@dataclass(frozen=True)
class Existing:
    """What is recorded of a run. `done` is how it ended: "steps", "criterion", "diverged", or None."""

    lines: bytes | None
    checkpoint: bytes | None
    done: str | None


def existing(run: Run, results: Path) -> Existing:
    """Read the file of a run.

    Raises:
        UnusableFile: it is damaged, of another run, or in use.
        CannotWrite: it can't be kept from others, or be mended.
    """
    path = curve_path(run, results)
    if not path.exists():
        return Existing(None, None, None)
    with locked(path):
        recorded = CurveFile(path, run.header).recorded
        lines = path.read_bytes()
        saved = path.with_suffix(".checkpoint.npz")
        if recorded.end_reason == DIVERGED:
            return Existing(lines, None, DIVERGED)
        done = (recorded.end_reason or "steps") if finished(recorded, run.plan) else None
        return Existing(lines, saved.read_bytes() if saved.exists() and done is None else None, done)


def keep(run: Run, results: Path, before: bytes | None, lines: bytes) -> str:
    """Put what a worker sent in the place of what was there; returns how the run ended.

    Whatever ends this process meanwhile, the file is the old one or the new one.

    Raises:
        UnusableFile: another process recorded this run meanwhile (its file stays), or this is no whole run.
        CannotWrite: the file stays what it was.
    """
    path = curve_path(run, results)
    with writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        if (path.read_bytes() if path.exists() else None) != before:
            raise UnusableFile(f"{path} was written by another process meanwhile; it stays as it is")
        with replaced(path) as temporary:
            temporary.write_bytes(lines)
            end = CurveFile(temporary, run.header).recorded.end_reason  # of this run, and undamaged
            if end is None:
                raise UnusableFile(f"{run.title}: what the worker sent has no end; nothing of it is kept")
        checkpoint.delete(path.with_suffix(".checkpoint.npz"))
    return end


def curve_path(run: Run, results: Path) -> Path:
    """Of a run's file."""
    return results / "curves" / f"{run.name}.jsonl"
