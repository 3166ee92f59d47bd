"""Run by test_state.py, in a process of its own, as damage could end it: random damaged states for a backend.

Each is refused, and the learner is as it was, bit by bit; or it is sound, if another one, and taken.
"""

import sys
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import implementations as impl

NETWORK = impl.Network(n_in=4, n_regular=3, n_adaptive=2, n_out=3)
VALUES = (np.nan, np.inf, -np.inf, 1e39, -1e39, 3e38, -1.0, -1e-30, -0.0, 1e-300, 0.25)
DTYPES = (
    "int8", "int64", "uint64", "bool", "float16", "float32", "float64", "longdouble", "complex128", "object",
    "U8", "m8[s]", "M8[s]", ">f4",
)  # fmt: skip
OBJECTS = (
    None,
    "a",
    {},
    [[1.0], [1.0, 2.0]],
    1.5,
    -1,
    2**31,
    2**63,
    2**70,
    True,
    b"",
    np.ma.masked,
    object(),
    [],
)


@st.composite
def damages(draw: st.DrawFn) -> tuple[Any, ...]:
    """What is done to which entry, by its number."""
    entry = draw(st.integers(0, 30))
    kind = draw(
        st.sampled_from(("value", "value", "diagonal", "dtype", "shape", "object", "drop", "rename", "swap"))
    )
    return kind, entry, draw(
        {
            "value": st.tuples(st.integers(0, 100), st.sampled_from(VALUES)),
            "diagonal": st.tuples(st.integers(0, 4), st.sampled_from(VALUES)),
            "dtype": st.sampled_from(DTYPES),
            "shape": st.sampled_from(("first", "none", "transposed", "flat", "longer", "axis", "strided")),
            "object": st.sampled_from(OBJECTS),
            "drop": st.none(),
            "rename": st.sampled_from(("w_in", "w_rec ", "", "adam_mean_feedback", 3, None, ("w_in",))),
            "swap": st.integers(0, 30),
        }[kind]
    )  # fmt: skip


def reshaped(array: np.ndarray, how: str) -> np.ndarray:
    wide = np.atleast_2d(array)
    return {
        "first": wide[:1, :1],
        "none": wide[:0],
        "transposed": array.T,
        "flat": array.reshape(-1),
        "longer": np.concatenate([wide, wide]),
        "axis": array[None],
        "strided": np.asfortranarray(array),
    }[how]


def damaged(state: dict[Any, Any], changes: list[tuple[Any, ...]]) -> dict[Any, Any]:
    state = dict(state)
    for kind, number, what in changes:
        names = list(state)
        if not names:
            break
        name = names[number % len(names)]
        value = state[name]
        if kind in ("drop", "rename"):
            del state[name]
            if kind == "rename":
                state[what] = value
        elif kind == "swap":
            other = names[what % len(names)]
            state[name], state[other] = state[other], value
        elif kind == "object":
            state[name] = what
        elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size:
            if kind == "shape":
                state[name] = reshaped(value, what)
            elif kind == "dtype":
                with np.errstate(all="ignore"):
                    state[name] = value.astype(what)
            else:
                wide = np.array(value, np.float64 if value.dtype.kind == "f" else np.int64)
                at, new = what
                new = new if wide.dtype.kind == "f" else -1 if new < 0 else 2**40
                index = (at % len(wide),) * 2 if kind == "diagonal" and wide.ndim == 2 else None
                if index is None:
                    wide.flat[at % wide.size] = new
                elif index[1] < wide.shape[1]:
                    wide[index] = new
                state[name] = wide
    return state


def sound(state: dict[str, np.ndarray]) -> bool:
    """Of what a learner says that it is."""
    parts = [(name, array) for name, array in state.items() if array.dtype.kind == "f"]
    assert all(array.dtype == np.float32 for _, array in parts)
    return (
        all(np.isfinite(array).all() for _, array in parts)
        and all(array.min() >= 0 for name, array in parts if "square" in name)
        and not any(np.diagonal(array).any() for name, array in parts if "w_rec" in name)
        and all(int(array) >= 0 for array in state.values() if array.dtype.kind != "f")
    )


def bits(state: dict[str, np.ndarray]) -> dict[str, tuple[Any, ...]]:
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in state.items()}


def main(backend: str, examples: int) -> None:
    learner = impl.learner(backend, "eprop_adaptive", impl.Parameters.draw(NETWORK), network=NETWORK)
    initial = learner.state()
    counts = {"refused": 0, "taken": 0}

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(st.lists(damages(), min_size=1, max_size=2))
    def check(changes: list[tuple[Any, ...]]) -> None:
        before = bits(learner.state())
        state = damaged(initial, changes)
        try:
            learner.restore(state)
        except impl.InvalidArgument as error:
            counts["refused"] += 1
            text = str(error)
            if not (text.startswith("state[") and "it may be" in text):
                raise
            assert bits(learner.state()) == before
        else:
            counts["taken"] += 1
            found = learner.state()
            assert sound(found)
            assert found.keys() == state.keys()
            for name, array in found.items():
                assert array.shape == np.shape(state[name])
                with np.errstate(all="ignore"):
                    expected = np.asarray(state[name]).astype(array.dtype)
                np.testing.assert_array_equal(array, expected)

    check()
    learner.restore(initial)
    assert bits(learner.state()) == bits(initial)
    print(counts)
    assert counts["refused"] > 4 * examples // 10
    assert counts["taken"] > 0


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
