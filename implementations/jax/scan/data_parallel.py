"""One network on several devices: the trials of a batch are shared out, weights are on each of them.

Devices exchange what rates and accuracy are made of after the forward pass, as the rate loss is no mean over
trials, and gradients after the backward pass, each once per step. What comes out is the same on all of them.
"""

from collections.abc import Sequence
from functools import partial

import jax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from implementations import checks
from implementations.interface import Setting
from implementations.jax.arrays import Figures, Weights
from implementations.jax.scan import adjoint, online
from implementations.jax.scan.dynamics import Chunk
from implementations.jax.scan.loss import Sums, figures

_TRIALS = "trials"  # the axis of the mesh


def mesh(setting: Setting) -> Mesh:
    """The devices of a learner.

    Raises:
        InvalidArgument: (a ValueError) there are fewer devices than `setting.devices`.
    """
    there = jax.devices(setting.device)
    if len(there) < setting.devices:
        checks.fail(
            "devices",
            setting.devices,
            f"at most {len(there)}, the {setting.device} devices of JAX here; of a CPU,"
            " jax.config.update('jax_num_cpu_devices', N) makes N before its first use",
        )
    return Mesh(there[: setting.devices], (_TRIALS,))


def everywhere(mesh: Mesh) -> NamedSharding:
    """A copy on each device."""
    return NamedSharding(mesh, P())


def shared_out(mesh: Mesh, objective_loss: str) -> Chunk:
    """Shardings of a chunk, of whose trials each device has a part."""
    return Chunk(*(NamedSharding(mesh, spec) for spec in _chunk(objective_loss)))  # type: ignore[arg-type]


def _chunk(objective_loss: str) -> Chunk:
    by_trial = P(None, None, _TRIALS)  # of (blocks, steps, trials, n)
    targets = P(_TRIALS) if objective_loss == "cross_entropy" else by_trial
    return Chunk(by_trial, targets, by_trial)  # type: ignore[arg-type]


@partial(jax.jit, static_argnums=(0, 1, 2))
def gradients(
    mesh: Mesh, static: Setting, shape: tuple[int, int], weights: Weights, feedback: jax.Array, chunk: Chunk
) -> tuple[Weights, Figures]:
    """Gradients and figures of a batch of `shape` (batch, time); feedback F (n_rec, n_out)."""
    n_batch = shape[0]

    def part(weights: Weights, feedback: jax.Array, chunk: Chunk) -> tuple[Weights, Figures]:
        if static.mode == "online":
            totals, sums = online.forward(static, n_batch, weights, feedback, chunk)
            found, c = _figures(static, shape, (*weights, feedback), sums, chunk)
            own = online.gradients(static, totals, c)
        else:
            trace, sums = adjoint.forward(static.network, static.objective, weights, chunk, keep=True)
            assert trace is not None
            found, c = _figures(static, shape, (*weights, feedback), sums, chunk)
            own = adjoint.backward(static, n_batch, weights, feedback, chunk, trace, c)
        return jax.lax.psum(own, _TRIALS), found

    specs = (P(), P(), _chunk(static.objective.loss))
    # no check of what varies: scans begin with zeros, the same on all devices, and go on with what is not
    shared = jax.shard_map(part, mesh=mesh, in_specs=specs, out_specs=P(), check_vma=False)
    return shared(weights, feedback, chunk)


def _figures(
    static: Setting, shape: tuple[int, int], weights: Sequence[jax.Array], sums: Sums, chunk: Chunk
) -> tuple[Figures, jax.Array]:
    """`loss.figures` of all devices' sums together."""
    gathered = partial(jax.lax.all_gather, axis_name=_TRIALS, tiled=True)
    together = Sums(jax.lax.psum(sums.loss, _TRIALS), gathered(sums.y), jax.lax.psum(sums.counts, _TRIALS))
    classes = static.objective.loss == "cross_entropy"
    targets = gathered(chunk.targets) if classes else chunk.targets
    return figures(static.network, static.objective, shape, weights, [together], [targets])
