"""The recurrent network: sizes and constants (`Network`) and weights (`Parameters`)."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from implementations import checks
from implementations.immutable import Immutable


@dataclass(frozen=True)
class Network(Immutable):
    """Sizes and constants of a recurrent network of LIF (regular) and ALIF (adaptive) neurons.

    Neurons 0 to `n_regular - 1` are regular, the others adaptive. The dynamics are those of Bellec
    et al. 2020 (doi 10.1038/s41467-020-17236-y), eqs. 6-10 and Methods; README.md has them in full.

    Raises:
        InvalidArgument: (a ValueError) for a size, time constant or threshold out of range.
    """

    n_in: int = 40
    n_regular: int = 50
    n_adaptive: int = 50
    n_out: int = 2
    tau_membrane_ms: float = 20.0
    tau_adaptation_ms: float = 2000.0
    tau_readout_ms: float = 20.0
    threshold: float = 0.6
    dampening: float = 0.3
    refractory_steps: int = 5
    dt_ms: float = 1.0

    def __post_init__(self) -> None:
        checks.integer("n_in", self.n_in, 1)
        checks.integer("n_regular", self.n_regular, 0)
        checks.integer("n_adaptive", self.n_adaptive, 0)
        if self.n_regular + self.n_adaptive == 0:
            checks.fail("n_regular + n_adaptive", 0, "any integer >= 1")
        checks.integer("n_out", self.n_out, 1)
        for name in ("tau_membrane_ms", "tau_adaptation_ms", "tau_readout_ms", "threshold", "dt_ms"):
            checks.number(name, getattr(self, name), above=0.0)
        checks.number("dampening", self.dampening, minimum=0.0)
        checks.integer("refractory_steps", self.refractory_steps, 0)

    @property
    def n_rec(self) -> int:
        """Number of recurrent neurons, regular and adaptive."""
        return self.n_regular + self.n_adaptive

    @property
    def alpha(self) -> float:
        """Decay of the membrane potential over one step."""
        return float(np.exp(-self.dt_ms / self.tau_membrane_ms))

    @property
    def rho(self) -> float:
        """Decay of the threshold adaptation over one step."""
        return float(np.exp(-self.dt_ms / self.tau_adaptation_ms))

    @property
    def kappa(self) -> float:
        """Decay of the readout over one step."""
        return float(np.exp(-self.dt_ms / self.tau_readout_ms))

    @cached_property
    def beta(self) -> np.ndarray:
        """(n_rec,) adaptation strength: 0 for regular, 1.7 (1-rho)/(1-alpha) for adaptive neurons."""
        beta = np.zeros(self.n_rec)
        beta[self.n_regular :] = 1.7 * (1.0 - self.rho) / (1.0 - self.alpha)
        beta.setflags(write=False)
        return beta


@dataclass(frozen=True, eq=False)
class Parameters(Immutable):
    """Weights of a network: read-only copies of what was given, float32 or float64.

    Args:
        w_in: (n_in, n_rec) input weights.
        w_rec: (n_rec, n_rec) recurrent weights, `w_rec[i, j]` from neuron i to neuron j; the
            diagonal is 0, as a neuron has no connection to itself.
        w_out: (n_rec, n_out) readout weights.
        feedback: (n_rec, n_out) feedback weights: of random e-prop fixed, of adaptive e-prop
            those it begins with.

    Raises:
        InvalidArgument: (a ValueError) for shapes that don't fit together, a dtype other than
            float32 and float64, values that are not finite, or a diagonal other than 0.
    """

    w_in: np.ndarray
    w_rec: np.ndarray
    w_out: np.ndarray
    feedback: np.ndarray

    def __post_init__(self) -> None:
        for name in ("w_in", "w_rec", "w_out", "feedback"):
            object.__setattr__(self, name, _weights(name, getattr(self, name)))
        n_rec = self.w_in.shape[1]
        n_out = self.w_out.shape[1]
        for name, shape in (
            ("w_rec", (n_rec, n_rec)),
            ("w_out", (n_rec, n_out)),
            ("feedback", (n_rec, n_out)),
        ):
            check_shape(name, getattr(self, name), shape)
        if np.diagonal(self.w_rec).any():
            checks.fail(
                "w_rec", checks.Description("an array with a non-zero diagonal"), "zero on its diagonal"
            )

    @classmethod
    def draw(
        cls, network: Network, seed: int | np.random.SeedSequence = 0, readout_std: float | None = None
    ) -> "Parameters":
        """Initial weights as in the published code, in float64.

        w_in ~ N(0, 1)/sqrt(n_in), w_rec ~ N(0, 1)/sqrt(n_rec) with diagonal 0, w_out Glorot-uniform,
        feedback ~ N(0, 1).

        Args:
            network: gives the sizes.
            seed: an integer >= 0, or a SeedSequence; the same seed gives the same weights.
            readout_std: where given, w_out and feedback are both normal with this standard deviation, as
                in the published code for pattern generation.
        """
        checks.instance("network", network, Network)
        if readout_std is not None:
            checks.number("readout_std", readout_std, above=0.0)
        rng = np.random.default_rng(seed_sequence(seed))
        n_in, n_rec, n_out = network.n_in, network.n_rec, network.n_out
        w_in = rng.standard_normal((n_in, n_rec)) / np.sqrt(n_in)
        w_rec = rng.standard_normal((n_rec, n_rec)) / np.sqrt(n_rec)
        np.fill_diagonal(w_rec, 0.0)
        glorot = np.sqrt(6.0 / (n_rec + n_out))
        w_out = rng.uniform(-glorot, glorot, (n_rec, n_out))
        feedback = rng.standard_normal((n_rec, n_out))
        if readout_std is not None:
            w_out = readout_std * rng.standard_normal((n_rec, n_out))
            feedback *= readout_std
        return cls(w_in, w_rec, w_out, feedback)

    def check_fits(self, network: Network) -> None:
        """Fail unless the shapes are those of `network`."""
        for name, shape in (
            ("w_in", (network.n_in, network.n_rec)),
            ("w_rec", (network.n_rec, network.n_rec)),
            ("w_out", (network.n_rec, network.n_out)),
            ("feedback", (network.n_rec, network.n_out)),
        ):
            check_shape(f"parameters.{name}", getattr(self, name), shape)

    def check_range(self, dtype: np.dtype, feedback_used: bool) -> None:
        """Fail unless all weights that are used are finite in `dtype`."""
        for name in ("w_in", "w_rec", "w_out", *(("feedback",) if feedback_used else ())):
            check_range(f"parameters.{name}", getattr(self, name), dtype)


def check_shape(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    """Fail unless `array` has this shape."""
    if array.shape != shape:
        checks.fail(name, checks.Description(f"of shape {array.shape}"), f"of shape {shape}")


def check_range(name: str, array: np.ndarray, dtype: np.dtype) -> None:
    """Fail unless all values are finite, in `dtype`, too."""
    largest = np.maximum(array.max(), -array.min())  # NaN where there is one
    with np.errstate(over="ignore"):
        fits = np.isfinite(largest.astype(dtype))
    if not fits:
        was = f"an array with values as large as {largest:g}"
        if not np.isfinite(largest):
            was = "an array with NaN or infinity"
        most = np.finfo(dtype).max
        checks.fail(
            name, checks.Description(was), f"at most {most:g} and at least {-most:g}, as {dtype} has it"
        )


def seed_sequence(seed: int | np.random.SeedSequence) -> np.random.SeedSequence:
    """`seed` as a SeedSequence; the same integer gives the same one."""
    if isinstance(seed, np.random.SeedSequence):
        return seed
    return np.random.SeedSequence(checks.integer("seed", seed, 0))


def _weights(name: str, value: object) -> np.ndarray:
    """A read-only copy of a two-dimensional, finite float array."""
    array = np.array(value, order="C")
    if array.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        checks.fail(name, checks.Description(f"of dtype {array.dtype}"), "float32 or float64")
    if array.ndim != 2 or array.size == 0:
        checks.fail(name, checks.Description(f"of shape {array.shape}"), "two-dimensional and not empty")
    if not np.isfinite(array).all():
        checks.fail(name, checks.Description("an array with NaN or infinity"), "finite everywhere")
    array.setflags(write=False)
    return array
