"""What `train` shows while a run goes on: a bar on a terminal, else a few plain lines."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from time import perf_counter
from types import TracebackType
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from implementations.training import Point, Step

_REDRAWS_PER_S = 5.0


class Display(AbstractContextManager["Display"], ABC):
    """Shows one run. A figure may still be on a device: it is brought only when it is shown."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The run is over, or was left."""
        return None

    @abstractmethod
    def warming_up(self) -> None:
        """The run will go on once its backend is warm, which can take long where much is compiled."""

    @abstractmethod
    def start(self, step: int) -> None:
        """The run goes on from `step`, warm."""

    @abstractmethod
    def step(self, step: Step) -> None:
        """A step was done."""

    @abstractmethod
    def point(self, point: Point) -> None:
        """A point was measured."""

    @abstractmethod
    def say(self, text: str) -> None:
        """Print a line."""


class Silent(Display):
    """Shows nothing: for runs whose output nobody reads."""

    def warming_up(self) -> None:
        """See `Display`."""

    def start(self, step: int) -> None:
        """See `Display`."""

    def step(self, step: Step) -> None:
        """See `Display`."""

    def point(self, point: Point) -> None:
        """See `Display`."""

    def say(self, text: str) -> None:
        """See `Display`."""


class Bar(Display):
    """The run's name, and below it a bar with loss, accuracy, steps per second and the time left.

    It has a line for itself as all of that fits into 80 columns, and the name would not.
    """

    def __init__(self, console: Console, name: str, steps: int) -> None:
        self._name = name
        self._steps = steps
        self._progress = Progress(
            BarColumn(bar_width=16),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            refresh_per_second=_REDRAWS_PER_S,
        )
        self._task = self._progress.add_task("", total=steps, figures="warming up", start=False)
        self._shown_at = 0.0
        self._step_0 = 0
        self._start = 0.0

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def warming_up(self) -> None:
        """See `Display`."""
        self.say(self._name)
        self._progress.start()

    def start(self, step: int) -> None:
        """See `Display`."""
        self._step_0, self._start = step, perf_counter()
        self._progress.start_task(self._task)
        self._progress.update(self._task, completed=step, figures="")

    def step(self, step: Step) -> None:
        """See `Display`."""
        now = perf_counter()
        if now - self._shown_at < 1.0 / _REDRAWS_PER_S and step.step < self._steps:
            return
        self._shown_at = now
        rate = (step.step - self._step_0) / (now - self._start)
        loss, accuracy = float(step.loss), float(step.accuracy)
        answers = "" if math.isnan(accuracy) else f"accuracy {accuracy:.3f}  "  # a regression has none
        figures = f"loss {loss:.3f}  {answers}{rate:.3g} steps/s"
        self._progress.update(self._task, completed=step.step, figures=figures)

    def point(self, point: Point) -> None:
        """See `Display`."""

    def say(self, text: str) -> None:
        """See `Display`."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)


class Lines(Display):
    """A line with the last point each time another tenth of the run is done; for logs."""

    def __init__(self, name: str, steps: int) -> None:
        self._name = name
        self._steps = steps
        self._tenths = 0

    def warming_up(self) -> None:
        """See `Display`."""

    def start(self, step: int) -> None:
        """See `Display`."""
        self._tenths = 10 * step // self._steps
        self.say(
            f"{self._name}: {'from step ' + str(step) + ' on' if step else 'training'}, {self._steps} steps"
        )

    def step(self, step: Step) -> None:
        """See `Display`."""

    def point(self, point: Point) -> None:
        """See `Display`."""
        tenths = 10 * point.step // self._steps
        if tenths == self._tenths:
            return
        self._tenths = tenths
        done = f"step {point.step}/{self._steps}"
        self.say(f"{self._name}: {done}, {_judged(point)}, {point.train_s:.1f} s of training")

    def say(self, text: str) -> None:
        """See `Display`."""
        click.echo(text)


def _judged(point: Point) -> str:
    """Loss and measure of a point. A frozen task has no test: its figures are of the trial it trains on."""
    if point.nmse is None:
        return f"test loss {point.test_loss:.3f}, test accuracy {point.test_accuracy:.3f}"
    return f"loss {point.test_loss:.4f}, nMSE {point.nmse:.4f}"


class Log(Lines):
    """A line of its own kind at every point.

    Args:
        line: a point -> what is printed.
    """

    def __init__(self, name: str, steps: int, line: Callable[[Any], str]) -> None:
        super().__init__(name, steps)
        self._line = line

    def point(self, point: Point) -> None:
        """See `Display`."""
        self.say(self._line(point))


def display(name: str, steps: int, line: Callable[[Any], str] | None = None) -> Display:
    """What fits where the output goes, or the log of a system that has one of its own.

    Args:
        name: of the run.
        steps: of the run.
        line: a point -> the line of such a log.
    """
    if line is not None:
        return Log(name, steps, line)
    console = Console()
    # a terminal that can't redraw (TERM=dumb) would show nothing of a bar
    return Bar(console, name, steps) if console.is_interactive else Lines(name, steps)
