"""Weights and batches are read-only copies, and so are their copies."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import implementations as impl

NETWORK = impl.Network(n_in=4, n_regular=3, n_adaptive=2)
COPIES: dict[str, Callable[[Any], Any]] = {
    "itself": lambda made: made,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda made: pickle.loads(pickle.dumps(made)),
    "copy of a deepcopy": lambda made: copy.copy(copy.deepcopy(made)),
}
SPIKES = np.ones((3, 30, 4), bool)


def made() -> dict[str, Any]:
    return {
        "parameters": impl.Parameters.draw(NETWORK),
        "classes": impl.Batch(SPIKES, np.array([0, 1, 0])),
        "curves": impl.Batch(SPIKES, np.zeros((3, 30, 2))),
        "evidence accumulation": impl.EvidenceAccumulation().batch(2, seed=0),
        "pattern generation": impl.PatternGeneration().batch(2, seed=0),
        "fewer trials": impl.Batch(SPIKES[:, ::2].swapaxes(0, 2), [0, 1, 0, 1]),  # type: ignore[arg-type]
        "network": NETWORK,
    }


def arrays(of: Any) -> dict[str, np.ndarray]:
    if isinstance(of, impl.Network):
        return {"beta": of.beta}
    return {name: array for name, array in vars(of).items() if isinstance(array, np.ndarray)}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("name", made())
def test_arrays_are_read_only(name: str, how: str) -> None:
    first = made()[name]
    before = arrays(first)
    found = COPIES[how](first)
    assert type(found) is type(first)
    assert arrays(found).keys() == before.keys() != set()
    for key, array in arrays(found).items():
        np.testing.assert_array_equal(array, before[key], strict=True)
        assert array.flags.c_contiguous
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_a_copied_network_is_the_same():
    for how in COPIES.values():
        assert how(NETWORK) == NETWORK
        assert hash(how(NETWORK)) == hash(NETWORK)


def test_what_was_given_may_change():
    given = {name: np.array(array) for name, array in vars(impl.Parameters.draw(NETWORK)).items()}
    parameters = impl.Parameters(**given)
    spikes, targets = np.ones((3, 30, 4), bool), np.array([0, 1, 0])
    batch = impl.Batch(spikes, targets)
    curves = np.zeros((3, 30, 2))
    other = impl.Batch(spikes, curves)
    for array in (*given.values(), spikes, targets, curves):
        array.fill(1)
    targets[0] = -3
    np.testing.assert_array_equal(parameters.w_in, impl.Parameters.draw(NETWORK).w_in)
    assert batch.targets.tolist() == [0, 1, 0]
    assert not other.targets.any()
    spikes[:] = False
    assert batch.spikes.all()


def test_a_task_s_trials_are_not_copied():
    """As that takes a good part of the time in which they are drawn."""
    spikes, targets = np.ones((3, 30, 4), bool), np.array([0, 1, 0])
    batch = impl.Batch.without_copies(spikes, targets)
    assert batch.spikes is spikes
    assert batch.targets is targets
    assert not spikes.flags.writeable
    assert not targets.flags.writeable
    with pytest.raises(impl.InvalidArgument, match="targets is as low as -1; it may be >= 0"):
        impl.Batch.without_copies(spikes, targets - 1)
