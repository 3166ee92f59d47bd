"""What a raster shows of a task, as data: who draws it knows nothing of any task."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class InputGroup:
    """Inputs that mean the same.

    Attributes:
        name: for people.
        first, count: which of the n_in inputs these are.
        shade: colour behind their spikes, as "#rrggbb"; None for none.
    """

    name: str
    first: int
    count: int
    shade: str | None = None


def equal_groups(count: int, rows: Iterable[tuple[str, int, str | None]]) -> tuple[InputGroup, ...]:
    """Groups of `count` inputs each.

    Args:
        count: of the inputs of a group.
        rows: from the bottom up, name, number among the inputs and shade of each.
    """
    return tuple(InputGroup(name, number * count, count, shade) for name, number, shade in rows)


@dataclass(frozen=True)
class Raster:
    """How input and readout of a trial are drawn.

    Attributes:
        groups: of the inputs, from the bottom up; none where all are alike.
        answers: name of each class, where the readout is an answer: drawn as probabilities, with the one that
            is given in the window. None where the readout is drawn beside the target that it is to follow.
        window: steps at the end of the trial in which the answer counts.
    """

    groups: tuple[InputGroup, ...] = ()
    answers: tuple[str, ...] = ()
    window: int = 0
