"""The file of one training run, results/curves/NAME.jsonl: read, mended and appended to.

results/README.md describes its lines. A line counts once its newline is written: what a killed process left
half-written is cut off. Each point is appended in one write, its criterion first, so the point completes it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.store.append import append
from benchmarks.store.files import writing

DIVERGED = "diverged"
"""The reason of the `end` of a run whose loss became NaN or infinite."""


class UnusableFile(Exception):
    """A file under results/curves that is damaged or of another run; the text names it."""


@dataclass
class Recorded:
    """What a file holds.

    Attributes:
        points: step -> train_s, ascending.
        figures: step -> all that a point holds.
        criterion_step: where the stopping criterion was met; None if not yet.
        aligned: steps after which the gradient was compared with BPTT's.
        final_step: step of the last `final` record, which judges the trained network; None if there is none.
        end_reason: why the run ended; None if it did not, or went on after that.
    """

    points: dict[int, float] = field(default_factory=dict)
    figures: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    criterion_step: int | None = None
    aligned: set[int] = field(default_factory=set)
    final_step: int | None = None
    end_reason: str | None = None

    @property
    def last_point(self) -> int:
        """Step of the last point; 0 if there is none."""
        return max(self.points, default=0)


class CurveFile:
    """One file, which nobody else may write meanwhile.

    Args:
        path: of the file; it need not exist.
        header: its first line, the `run` record.

    Raises:
        UnusableFile: the file is there, but damaged before its last line, with another first line, or can't
            be read.
        CannotWrite: it can be read alone.
    """

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        self.path = path
        self.recorded = Recorded()
        keep = 0
        if path.exists():
            keep = self._read(header)
            with writing(path), path.open("ab") as file:
                file.truncate(keep)
        if keep == 0:
            self.append(header)

    def append(self, *records: Mapping[str, Any]) -> None:
        """Append records. They are on disk when it returns; where it raises, none of them is.

        Raises:
            CannotWrite: the disk is full, or anything else that the system says.
        """
        append(self.path, *(_line(record) for record in records))
        for record in records:
            self._take(record)

    def _read(self, header: Mapping[str, Any]) -> int:
        """Fill `recorded`; returns how many bytes are good and complete."""
        try:
            complete, _, _ = self.path.read_bytes().rpartition(b"\n")
        except OSError as error:
            raise UnusableFile(f"{self.path} can't be read: {error.strerror}") from error
        keep = position = 0
        # without any newline `complete` is empty, and so is the file as far as it counts
        for number, line in enumerate(complete.split(b"\n") if complete else (), 1):
            position += len(line) + 1
            record = self._parse(line, number)
            if number == 1:
                if record != json.loads(_line(header)):
                    raise UnusableFile(f"{self.path} is of another run: its first line is not this run's")
            elif record["kind"] == "run":
                raise UnusableFile(f"{self.path} holds a second run, at line {number}")
            else:
                try:
                    self._take(record)
                except (ValueError, KeyError, TypeError, OverflowError):
                    raise UnusableFile(
                        f"{self.path} is damaged: the {record['kind']} at line {number} is not what may "
                        "follow there. Repair it or move it away"
                    ) from None
            # A criterion whose point was not written any more is cut off too: both are measured again.
            if record["kind"] != "criterion":
                keep = position
        if self.recorded.criterion_step is not None and (
            self.recorded.criterion_step not in self.recorded.points
        ):
            self.recorded.criterion_step = None
        return keep

    def _parse(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            record = json.loads(line.decode())
            if isinstance(record["kind"], str):
                return record
        except (ValueError, KeyError, TypeError, RecursionError):
            pass
        raise UnusableFile(f"{self.path} is damaged: line {number} is no record. Repair it or move it away")

    def _take(self, record: Mapping[str, Any]) -> None:
        recorded = self.recorded
        recorded.end_reason = str(record["reason"]) if record["kind"] == "end" else None
        if record["kind"] == "point":
            step, train_s = int(record["step"]), float(record["train_s"])
            if step <= recorded.last_point:
                raise ValueError(step)
            recorded.points[step] = train_s
            recorded.figures[step] = record
        elif record["kind"] == "criterion":
            recorded.criterion_step = int(record["step"])
        elif record["kind"] == "final":
            recorded.final_step = int(record["step"])
        elif record["kind"] == "alignment":
            if int(record["step"]) in recorded.aligned:
                raise ValueError(record["step"])
            recorded.aligned.add(int(record["step"]))


def _line(record: Mapping[str, Any]) -> str:
    # JSON has no NaN: a figure that there is none of, as the accuracy of a regression, is null
    plain = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in record.items()
    }
    return json.dumps(plain, allow_nan=False)
