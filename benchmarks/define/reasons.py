"""Why a backend or another system can't run here, in one sentence, also where what should say so breaks.

`implementations.unavailable` raises where a backend is there and broken, as its caller asked for that one. A
command that has several asks here: it names the broken one, and goes on with the others.
"""

from collections.abc import Callable

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


def broken(what: str, error: Exception) -> Broken:
    """An error as a sentence of one line."""
    told = " ".join(str(error).split())
    return Broken(f"{what}: {type(error).__name__}" + f": {told}" * bool(told))
