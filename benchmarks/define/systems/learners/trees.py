"""Trees of JAX arrays as NumPy arrays by name, and back: the state of what is trained on JAX."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from implementations.types import Batch


def as_arrays(tree: Any) -> dict[str, np.ndarray]:
    """Place of a leaf -> a copy of it."""
    return {str(place): np.array(leaf) for place, leaf in enumerate(jax.tree.leaves(tree))}


def as_tree(like: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """The arrays in a tree like another one."""
    leaves, structure = jax.tree.flatten(like)
    found = [jnp.asarray(arrays[str(place)], np.asarray(leaf).dtype) for place, leaf in enumerate(leaves)]
    return jax.tree.unflatten(structure, found)


def on_device(batch: Batch, dtype: np.dtype) -> tuple[jax.Array, jax.Array]:
    """Spikes (time, batch, n_in), and the class of each trial."""
    spikes = jnp.asarray(batch.spikes.swapaxes(0, 1), dtype)
    return jax.block_until_ready((spikes, jnp.asarray(batch.targets, np.int32)))


def configure(dtype: np.dtype) -> None:
    """The CPU, and float64 where that is asked for: after the library, whose import may set it back."""
    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", dtype == np.float64)
