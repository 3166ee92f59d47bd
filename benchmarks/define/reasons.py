"""Why a backend or another system can't run here, in one sentence, also where what should say so breaks.

`implementations.unavailable` raises where a backend is there and broken, as its caller asked for that one. A
command that has several asks here: it names the broken one, and goes on with the others.
"""

import linecache
import traceback
from collections.abc import Callable, Iterable, Sequence

import implementations as impl


class Broken(str):
    """Why something that is installed can't run: its import, or what it asks of this machine, fails."""


def unavailable(
    backend: str, device: str = "cpu", rule: str | None = None, mode: str | None = None
) -> str | None:
    """Why a backend can't run here, `Broken` where it should; None where it can.

    Arguments are those of `implementations.unavailable`.

    Raises:
        InvalidArgument: (a ValueError) for an unknown name.
    """
    return asked(backend, lambda: impl.unavailable(backend, device, rule, mode))


def asked(name: str, unavailable: Callable[[], str | None]) -> str | None:
    """What a function says of why `name` can't run here; `Broken` where it raises instead.

    Raises:
        InvalidArgument: (a ValueError) where the function does: that is nobody's breakage.
    """
    try:
        return unavailable()
    except impl.InvalidArgument:
        raise
    except Exception as error:
        return broken(f"{name} can't be imported", error)


def by_rule(reasons: Iterable[tuple[str, str]]) -> list[str]:
    """Reasons, each once; of those that differ in the name of the rule alone, one with all their names.

    Args:
        reasons: (rule, why it can't run or be compared), in their order.
    """
    rules: dict[tuple[str, ...], dict[str, None]] = {}
    for rule, reason in reasons:
        rules.setdefault(tuple(reason.split(rule)) if rule else (reason,), {})[rule] = None
    return [listed(list(names)).join(around) for around, names in rules.items()]


def listed(texts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = texts
    return f"{', '.join(first)} and {last}" if first else last


def broken(what: str, error: Exception) -> Broken:
    """An error as a sentence of one line; one without a text says where it arose."""
    told = " ".join(str(error).split())
    if told:
        return Broken(f"{what}: {type(error).__name__}: {told}")
    where = ""
    for frame, number in traceback.walk_tb(error.__traceback__):  # to the last one
        line = linecache.getline(frame.f_code.co_filename, number).strip()
        where = f" in {frame.f_globals.get('__name__')}, line {number}: {line}"
    return Broken(f"{what}: {type(error).__name__}{where}")
