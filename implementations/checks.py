"""Argument checks: every error names the argument, what it was, and what it may be."""

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, NoReturn


class InvalidArgument(ValueError):
    """An argument of the public interface is not what it may be."""


def fail(name: str, value: Any, allowed: str) -> NoReturn:
    """Raise `InvalidArgument`: `name` is `value`; it may be `allowed`."""
    text = value if isinstance(value, Description) else repr(value)
    raise InvalidArgument(f"{name} is {text}; it may be {allowed}")


class Description(str):
    """Words that stand for a value too large to print, e.g. the shape of an array."""


def integer(name: str, value: Any, minimum: int) -> int:
    """`value` as an int, at least `minimum`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < minimum:
        fail(name, value, f"any integer >= {minimum}")
    return int(value)


def seed(name: str, value: Any) -> int:
    """`value` as an int that tables of results can hold: not negative, and of 63 bits at most."""
    if integer(name, value, 0) >= 2**63:
        fail(name, value, "any integer from 0 to 2**63 - 1")
    return int(value)


def number(name: str, value: Any, *, above: float | None = None, minimum: float | None = None) -> float:
    """`value` as a finite float, greater than `above` or at least `minimum`."""
    bound = f" > {above:g}" if above is not None else f" >= {minimum:g}" if minimum is not None else ""
    if (
        isinstance(value, bool)
        or not isinstance(value, Real)
        or not math.isfinite(value)
        or (above is not None and value <= above)
        or (minimum is not None and value < minimum)
    ):
        fail(name, value, f"any finite number{bound}")
    return float(value)


def fraction(name: str, value: Any) -> float:
    """`value` as a float in the half-open interval [0, 1)."""
    value = number(name, value, minimum=0.0)
    if value >= 1.0:
        fail(name, value, "any number in [0, 1)")
    return value


def choice(name: str, value: Any, allowed: Iterable[str]) -> str:
    """`value`, which is one of the names in `allowed`."""
    allowed = tuple(allowed)
    if not isinstance(value, str) or value not in allowed:
        fail(name, value, "one of " + ", ".join(map(repr, allowed)))
    return value


def instance(name: str, value: Any, kind: type) -> None:
    """Fail unless `value` is a `kind`."""
    if not isinstance(value, kind):
        fail(name, Description(f"of type {type(value).__name__}"), f"an instance of {kind.__name__}")
