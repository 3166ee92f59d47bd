"""A lower bound of the time of a step: what must move and be computed, and how fast a card can at most.

Counted from the equations of README.md, with the spikes that a batch has. Three floors, of which the highest
counts:

    memory      bytes / bandwidth
    arithmetic  operations / peak of that precision, without tensor cores, which the exact sums here can't use
    latency     T dependent time steps, forward and then backward: no card can overlap a step with the next

Every floor is below what is possible: caches are free, every lane is busy, every operation is fused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import implementations as impl
from implementations import rules

if TYPE_CHECKING:
    from benchmarks.define.cases import Case

_ITEMSIZE = {"float32": 4, "float64": 8}


@dataclass(frozen=True)
class Card:
    """What a card can at most, as its maker says.

    Attributes:
        words: all of which are in its name, as the driver gives it.
        bytes_per_s: of its memory.
        flops: per dtype, two for a multiply-add, outside of tensor cores.
        clock_hz: the highest of its processors.
    """

    title: str
    words: tuple[str, ...]
    bytes_per_s: float
    flops: dict[str, float]
    clock_hz: float


# The first whose words fit. NVIDIA's data sheets of A100, H100 and H200.
_HOPPER, _AMPERE = {"float32": 67e12, "float64": 34e12}, {"float32": 19.5e12, "float64": 9.7e12}
CARDS = (
    Card("H200", ("H200",), 4.8e12, _HOPPER, 1.98e9),
    Card("H100 SXM", ("H100", "HBM3"), 3.35e12, _HOPPER, 1.98e9),
    Card("H100 PCIe", ("H100", "PCIe"), 2.0e12, {"float32": 51e12, "float64": 26e12}, 1.755e9),
    Card("A100 80 GB SXM", ("A100", "SXM4", "80GB"), 2.039e12, _AMPERE, 1.41e9),
    Card("A100 80 GB PCIe", ("A100", "80GB", "PCIe"), 1.935e12, _AMPERE, 1.41e9),
    Card("A100 40 GB", ("A100", "40GB"), 1.555e12, _AMPERE, 1.41e9),
)

_FMA_CYCLES = 4
"""From one operation to one that depends on it (Hopper and Ampere)."""

_EXCHANGE_CYCLES = 60
"""Spikes, or lam_v, from every neuron of a block to every other: one write to shared memory, one barrier, one
read (about 30 cycles for the read, 30 for write and barrier together: an estimate, on the low side)."""


@dataclass(frozen=True)
class Counts:
    """The size of a case's work.

    Attributes:
        input_spikes, spikes: of the inputs and of the recurrent neurons, in the whole batch.
    """

    rule: str
    mode: str
    dtype: str
    batch: int
    n_steps: int
    n_in: int
    n_rec: int
    n_out: int
    window: int
    input_spikes: int
    spikes: int

    @classmethod
    def of(cls, case: Case, batch: impl.Batch, spikes: int | None) -> Counts:
        """Of a case with its trials; without recurrent spikes known (None), as if there were none."""
        network, objective = case.problem.network, case.problem.objective
        n_batch, n_steps, n_in = batch.spikes.shape
        return cls(
            case.rule,
            case.mode,
            case.dtype,
            n_batch,
            n_steps,
            n_in,
            network.n_rec,
            network.n_out,
            objective.window,
            int(batch.spikes.sum()),
            spikes or 0,
        )

    @property
    def neuron_steps(self) -> int:
        """Updates of one neuron: batch x time x n_rec."""
        return self.batch * self.n_steps * self.n_rec

    @property
    def weights(self) -> int:
        """W_in, W_rec and W_out."""
        return self.synapses + self.n_out * self.n_rec

    @property
    def synapses(self) -> int:
        """W_in and W_rec."""
        return (self.n_in + self.n_rec) * self.n_rec

    @property
    def trained(self) -> int:
        """Weights that the rule changes, but for feedback, which may share W_out's moments."""
        return self.weights if "w_rec" in rules.get(self.rule).trained else self.weights - self.synapses

    @property
    def levels(self) -> int:
        """Recursions of the neurons: one for each number of hops up to the rule's; one for all hops.

        0 where the rule goes back to the readout alone. With as many hops as there are steps it is BPTT.
        """
        rule = rules.get(self.rule)
        if rule.feedback == "none":
            return 0
        return 1 if rule.hops >= self.n_steps else int(rule.hops) + 1

    @property
    def products(self) -> int:
        """Those of lam_v with W_rec^T at each step."""
        crossing = rules.get(self.rule).recurrent_gradient
        return max(self.levels - 1, 1) if crossing else 0


def operations(counts: Counts) -> dict[str, float]:
    """Term -> floating-point operations of a step; a multiply-add is two."""
    c, rule = counts, rules.get(counts.rule)
    rows = c.input_spikes + c.spikes  # each spike adds a row of weights, or of a gradient
    steps_of_error = c.batch * (c.window if c.mode == "online" or "readout" in rule.cut else c.n_steps)
    filters = [name for name in rules.FILTERS if name not in rule.cut]
    readout = 2.0 * c.batch * c.n_steps * c.n_out + c.spikes * c.n_out  # decay, and a row per spike
    found = {
        # a: 2; v: 2 for the decay, 2 for the reset; u: 4; psi: |u|, 1 - |u|, max, product
        "neurons, forward": 12.0 * c.neuron_steps,
        "rows of weights": float(rows * c.n_rec),
        "readout": readout,
        "loss": 10.0 * c.batch * c.window * c.n_out,  # exponential, sum, quotient, difference, logarithm
        "Adam": 12.0 * c.trained,
        "gradient of W_out": 2.0 * c.spikes * c.n_out,
    }
    if c.levels == 0:
        return found
    # lbar F^T or ell F^T for each neuron and step at which there is an error: the window, where online or not
    # filtered, and all steps where it decays backward. A target is one row of F, which decays.
    a_row = 1.0 if rule.signal == "target" else 2.0 * c.n_out
    found["learning signal"] = a_row * steps_of_error * c.n_rec
    if c.mode == "online":
        # For each synapse: e 1, sum of L ebar 2, sum of e 1; with adaptation e 2 more and eps_a 2; ebar 2
        each = 4.0 + 4.0 * ("adaptation" in filters) + 2.0 * ("readout" in filters)
        # of what is forgotten at once, there are traces where a spike has just come
        dense = c.batch * c.n_steps * (c.n_in + c.n_rec) if filters else rows
        found["eligibility traces"] = each * dense * c.n_rec
        # eps_v 2, for each input to a synapse; for the synapse itself, and 2 more, with the reset's gradient
        traces = c.synapses if rule.reset_gradient else c.n_in + c.n_rec
        decay = 2.0 * ("membrane" in filters) + 2.0 * rule.reset_gradient
        found["input traces"] = decay * c.batch * c.n_steps * traces
    else:
        # At each level: dz 1; g 1; lam_v 2; with adaptation dz 1 more and lam_a 3
        each = 2.0 + 2.0 * ("membrane" in filters) + 4.0 * ("adaptation" in filters)
        found["neurons, backward"] = each * c.levels * c.neuron_steps
        found["rows of gradients"] = float(rows * c.n_rec)
        if rule.recurrent_gradient:
            found["lam_v W_rec^T"] = 2.0 * c.products * c.neuron_steps * c.n_rec
        if rule.recurrent_gradient or rule.reset_gradient:
            found["reset"] = 2.0 * c.levels * c.neuron_steps if rule.reset_gradient else 0.0
    return found


def moved_bytes(counts: Counts) -> dict[str, float]:
    """Term -> bytes between a card's memory and its processors, each read or written once."""
    c, size = counts, _ITEMSIZE[counts.dtype]
    found = {
        "inputs": c.batch * c.n_steps * c.n_in / 8.0,  # a bit each
        # weights, two moments: read and written; gradient: read. What stays as it is, read
        "weights and Adam": size * (7.0 * c.trained + max(c.weights - c.trained, 0)),
        "targets and figures": 8.0 * c.batch,
    }
    if c.mode == "adjoint" and c.levels > 0:
        # What the backward pass needs of the forward one. psi of a neuron and step; a spike is a bit. A
        # second forward pass from stored states could stand for psi: that trades these bytes for operations.
        found["psi, written and read"] = 2.0 * size * c.neuron_steps
        found["spikes, written and read"] = 2.0 * c.neuron_steps / 8.0
        found["inputs, backward"] = found["inputs"]
    return found


def chain_cycles(counts: Counts) -> float:
    """Cycles of the longest chain of operations that depend on each other: T steps of a neuron.

    Forward: exchange of spikes, then v, u, comparison (5 operations). Backward, adjoint: dz, g, lam_a (4);
    with the recurrent gradient an exchange of lam_v, and sums of n_rec products by a tree: all levels of the
    ladder at once. Online has no backward pass, and its traces (3 operations a step) run beside the neurons;
    nor has what trains the readout alone, whose sums do.
    """
    backward = 0 if counts.mode == "online" or counts.levels == 0 else _backward_cycles(counts)
    return float(counts.n_steps * (_forward_cycles() + backward))


def _forward_cycles() -> int:
    return _EXCHANGE_CYCLES + 5 * _FMA_CYCLES


def _backward_cycles(counts: Counts) -> int:
    cycles = 4 * _FMA_CYCLES
    if rules.get(counts.rule).recurrent_gradient:
        cycles += _EXCHANGE_CYCLES + _FMA_CYCLES * max(counts.n_rec - 1, 1).bit_length()
    return cycles


# Term -> pass; of what one writes and another reads, each has half.
_OPERATIONS_OF = {
    **dict.fromkeys(("neurons, forward", "rows of weights", "readout", "loss"), "forward"),
    **dict.fromkeys(("neurons, backward", "learning signal", "lam_v W_rec^T", "reset"), "backward"),
    **dict.fromkeys(("rows of gradients", "gradient of W_out"), "gradients"),
    **dict.fromkeys(("eligibility traces", "input traces"), "traces"),
    "Adam": "weights",
}
_BYTES_OF = {
    **dict.fromkeys(("inputs", "targets and figures"), ("forward",)),
    "weights and Adam": ("weights",),
    "psi, written and read": ("forward", "backward"),
    "spikes, written and read": ("forward", "gradients"),
    "inputs, backward": ("gradients",),
}


@dataclass(frozen=True)
class Pass:
    """A part of a step that kernels do by themselves: its operations, bytes and chain, as of a step."""

    operations: float = 0.0
    bytes: float = 0.0
    cycles: float = 0.0

    def __add__(self, other: Pass) -> Pass:
        return Pass(self.operations + other.operations, self.bytes + other.bytes, self.cycles + other.cycles)

    def floor_s(self, on: Card, dtype: str) -> float:
        """Seconds that it takes at least."""
        arithmetic_s = self.operations / on.flops[dtype]
        return max(arithmetic_s, self.bytes / on.bytes_per_s, self.cycles / on.clock_hz)


def passes(counts: Counts) -> dict[str, Pass]:
    """Forward, backward, gradients and weights, or forward, traces and weights: together all of a step."""
    found = {"forward": Pass(cycles=counts.n_steps * _forward_cycles())}
    if counts.mode == "adjoint" and counts.levels:
        found["backward"] = Pass(cycles=counts.n_steps * _backward_cycles(counts))

    def add(name: str, more: Pass) -> None:
        found[name] = found.get(name, Pass()) + more

    for term, value in operations(counts).items():
        name = _OPERATIONS_OF[term]
        # where there is no way back, what sends the error to the neurons goes along with the traces
        add("traces" if counts.mode == "online" and name == "backward" else name, Pass(operations=value))
    for term, value in moved_bytes(counts).items():
        for name in _BYTES_OF[term]:
            add(name, Pass(bytes=value / len(_BYTES_OF[term])))
    return found


def card(name: str | None) -> Card | None:
    """What the table has of the card with this name; None for a card that it doesn't know."""
    if name is None:
        return None
    words = set(name.replace("-", " ").split())
    return next((card for card in CARDS if words.issuperset(card.words)), None)


def floors(counts: Counts, on: Card) -> dict[str, float]:
    """Bound -> seconds that a step takes at least."""
    return {
        "memory": sum(moved_bytes(counts).values()) / on.bytes_per_s,
        "arithmetic": sum(operations(counts).values()) / on.flops[counts.dtype],
        "latency": chain_cycles(counts) / on.clock_hz,
    }


def record(case: Case, counts: Counts, name: str | None) -> dict[str, Any]:
    """The `roofline` of a record: counts, floors, and the highest of them; without a known card, counts."""
    found: dict[str, Any] = {
        "input_spikes": counts.input_spikes,
        "spikes": counts.spikes,
        "operations": sum(operations(counts).values()),
        "bytes": sum(moved_bytes(counts).values()),
        "chain_cycles": chain_cycles(counts),
    }
    on = card(name)
    if on is None:
        why = "no card names itself here" if name is None else f"no data sheet of {name!r} in roofline.py"
        return {**found, "no_floor": why}
    by = floors(counts, on)
    bound = max(by, key=lambda key: by[key])
    return {**found, "card": on.title, "floors_s": by, "floor_s": by[bound], "bound": bound}
