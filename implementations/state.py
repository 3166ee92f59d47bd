"""What the state of a learner holds, and the one check that every `restore` makes before any change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from implementations import checks
from implementations.divergence import weights_used
from implementations.interface import Setting

_LARGEST = 2**31 - 1  # of integers: JAX counts steps in 32 bits


@dataclass(frozen=True)
class Entry:
    """What one array of a state may be.

    Attributes:
        shape: of the array.
        dtype: in which the learner keeps it; any of the same kind, float or integer, is converted to it.
        finite: whether NaN and infinity are refused, those that only appear in `dtype` included.
        negative: whether there may be values below 0.
        diagonal: whether the diagonal may be other than 0.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    finite: bool = True
    negative: bool = True
    diagonal: bool = True


def entries(setting: Setting) -> dict[str, Entry]:
    """Those of a learner: weights, Adam's moments of what the rule trains, and the number of its steps."""
    network, rule, dtype = setting.network, setting.rule, setting.dtype
    shapes = {
        "w_in": (network.n_in, network.n_rec),
        "w_rec": (network.n_rec, network.n_rec),
        "w_out": (network.n_rec, network.n_out),
        "feedback": (network.n_rec, network.n_out),
    }
    found = {"adam_step": Entry((), np.dtype(np.int64), negative=False)}
    for name, shape in shapes.items():
        diagonal = name != "w_rec"
        # feedback that the rule does not use may be what it likes
        found[name] = Entry(shape, dtype, finite=name in weights_used(rule), diagonal=diagonal)
        if name in rule.trained:
            found[f"adam_mean_{name}"] = Entry(shape, dtype, diagonal=diagonal)
            found[f"adam_square_{name}"] = Entry(shape, dtype, negative=False, diagonal=diagonal)
    return found


def checked(state: Mapping[str, Any], expected: Mapping[str, Entry]) -> dict[str, np.ndarray]:
    """Copies of a state's arrays, in the dtypes of a learner; all of them are what they may be.

    Raises:
        InvalidArgument: (a ValueError) for an entry that is missing, unknown or damaged; the text names it.
    """
    checks.instance("state", state, Mapping)
    for name in state:
        if name not in expected:
            checks.fail(
                f"state[{name!r}]",
                checks.Description("an entry that the state of this learner does not have"),
                "one of " + ", ".join(expected),
            )
    missing = [name for name in expected if name not in state]
    if missing:
        _fail(missing[0], "missing", expected[missing[0]])
    return {name: _checked(name, state[name], entry) for name, entry in expected.items()}


def _checked(name: str, value: Any, entry: Entry) -> np.ndarray:
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # nested lists of different lengths, arrays on a device
        _fail(name, f"of type {type(value).__name__}", entry)
    if array.dtype.kind not in ("f" if entry.dtype.kind == "f" else "iu"):
        _fail(name, f"of dtype {array.dtype}", entry)
    if array.shape != entry.shape:
        _fail(name, f"of shape {array.shape}", entry)
    if entry.dtype.kind != "f" and not (array.min() >= -_LARGEST and array.max() <= _LARGEST):
        _fail(name, f"as large as {np.abs(array).max()}", entry)
    with np.errstate(all="ignore"):
        own = np.array(array, entry.dtype, order="C")
    if entry.finite and not np.isfinite(own).all():
        _fail(name, f"an array with NaN or infinity as {entry.dtype}", entry)
    if not entry.negative and own.min() < 0:
        _fail(name, f"as low as {own.min():g}", entry)
    if not entry.diagonal and np.diagonal(own).any():
        _fail(name, "an array with a non-zero diagonal", entry)
    return own


def _fail(name: str, was: str, entry: Entry) -> NoReturn:
    kind = "float" if entry.dtype.kind == "f" else "integer"
    words = [f"{kind} of shape {entry.shape}"]
    if kind == "integer":
        words.append(f"at most {_LARGEST}")
    elif entry.finite:
        words.append(f"finite as {entry.dtype}")
    if not entry.negative:
        words.append("not below 0")
    if not entry.diagonal:
        words.append("0 on its diagonal")
    checks.fail(f"state[{name!r}]", checks.Description(was), ", ".join(words))
