"""Store and recall: which value was there when it was to be remembered?"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from implementations import checks
from implementations.network import Network, seed_sequence
from implementations.objective import Objective
from implementations.tasks.measure import ACCURACY, Measure
from implementations.tasks.poisson import add_poisson, check_groups, check_rates
from implementations.tasks.raster import Raster, equal_groups
from implementations.tasks.task import Quick, Recipe, Task, option
from implementations.types import Batch

_TAU_MS, _THRESHOLD = 20.0, 0.01  # of the published code


@dataclass(frozen=True)
class StoreRecall(Task):
    """Store-recall (Bellec et al. 2018, arXiv 1803.09574, and their LSNN tutorial), in steps of 1 ms.

    A trial is a sequence of `n_symbols` symbols of `symbol_ms`. The inputs form 4 groups of n_in/4: value 0,
    value 1, store, recall. At each symbol a random value is active. At one of them the store group is active
    beside it: this value is to be remembered. At a later one the recall group is active alone: there, and
    nowhere else, the answer counts. Where the two are is drawn for each trial, all pairs that are no more
    than `max_delay` symbols apart with the same probability.

    As in the tutorial's sequences of a given delay there is one store and one recall; those that it trains on
    are drawn symbol by symbol, with 1/7 for either, and may have several. There synapses have delays of up to
    10 ms, here none, and the threshold is for potentials that are scaled by 1 - alpha, which this suite's are
    not. The tutorial's learning rate of 0.01 falls to 0.3 of it every 100 of its 200 steps; here it stays,
    unless `cosine_steps` or `halve_every` of Adam say otherwise.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range, or an `n_in` that is no multiple of 4.
    """

    name: ClassVar[str] = "store_recall"
    measure: ClassVar[Measure] = replace(ACCURACY, criterion_error=0.05)
    network: ClassVar[Network] = Network(
        n_in=100,
        n_regular=10,
        n_adaptive=10,
        tau_membrane_ms=_TAU_MS,
        tau_adaptation_ms=1200.0,
        threshold=_THRESHOLD / (1.0 - float(np.exp(-1.0 / _TAU_MS))),
        refractory_steps=3,
    )
    recipe: ClassVar[Recipe] = Recipe(batch=128, learning_rate=0.01, steps=200)
    difficulty: ClassVar[Mapping[str, tuple[Any, ...]]] = {"max_delay": (1, 2, 4, 6, 9)}

    n_in: int = option(100, "a multiple of 4")
    n_symbols: int = option(12, "Symbols per trial.")
    symbol_ms: int = option(200, "Duration of a symbol.")
    max_delay: int = option(6, "Symbols from store to recall, at most.", "longest delay (symbols)")
    input_rate_hz: float = option(50.0, "Rate of the inputs that are active.")

    def __post_init__(self) -> None:
        check_groups(self.n_in, "value 0", "value 1", "store", "recall")
        checks.integer("n_symbols", self.n_symbols, 2)
        checks.integer("symbol_ms", self.symbol_ms, 1)
        if checks.integer("max_delay", self.max_delay, 1) >= self.n_symbols:
            checks.fail("max_delay", self.max_delay, f"less than n_symbols, {self.n_symbols}")
        check_rates(self, "input_rate_hz")

    @property
    def n_out(self) -> int:
        """The two values."""
        return 2

    @property
    def window(self) -> int:
        """All steps: the mask of each trial says which of them count."""
        return self.n_steps

    @property
    def n_steps(self) -> int:
        """Length of a trial in steps of 1 ms."""
        return self.n_symbols * self.symbol_ms

    @property
    def objective(self) -> Objective:
        """Cross-entropy during the recall; the published weight of the rates."""
        return Objective("cross_entropy", self.window, rate_cost=0.01)

    @property
    def raster(self) -> Raster:
        """The groups, and the probability of each value."""
        group = self.n_in // 4
        rows = (("recall", 3, None), ("store", 2, None), ("value 0", 0, "#e5484d"), ("value 1", 1, "#0072b2"))
        return Raster(equal_groups(group, rows), ("0", "1"), self.window)

    @classmethod
    def quick(cls) -> Quick:
        """Three short symbols, the value stored at the first or second."""
        task = cls(n_in=40, n_symbols=3, symbol_ms=50, max_delay=2, input_rate_hz=100.0)
        return Quick(
            task=task,
            network=replace(cls.network, n_in=40, n_regular=20, n_adaptive=20, tau_adaptation_ms=200.0),
            objective=task.objective,
            recipe=Recipe(batch=64, learning_rate=0.01, steps=200, evaluate_every=20),
            counted_from=160,
        )

    def batch(self, size: int, seed: int | np.random.SeedSequence) -> Batch:
        """Draw `size` trials.

        Args:
            size: number of trials, >= 1.
            seed: an integer >= 0, or a SeedSequence; the same seed gives the same trials.

        Returns:
            Spikes (size, n_steps, n_in), targets (size,), the value to be recalled, and mask (size, n_steps),
            True during the recall.
        """
        checks.integer("size", size, 1)
        rng = np.random.default_rng(seed_sequence(seed))
        group, trials = self.n_in // 4, np.arange(size)
        pairs = [
            (store, recall)
            for store in range(self.n_symbols)
            for recall in range(store + 1, min(store + self.max_delay, self.n_symbols - 1) + 1)
        ]
        store, recall = np.array(pairs)[rng.integers(0, len(pairs), size)].T
        values = rng.integers(0, 2, (size, self.n_symbols))
        spikes = np.zeros((size, self.n_steps, self.n_in), np.bool_)
        for number in range(self.n_symbols):
            start, length = number * self.symbol_ms, self.symbol_ms
            asked = recall == number
            first = np.where(asked, 3, values[:, number]) * group
            add_poisson(rng, spikes, self.input_rate_hz, start, length, first, group)
            add_poisson(rng, spikes, self.input_rate_hz, start, length, 2 * group, group, store == number)
        mask = np.repeat(np.arange(self.n_symbols) == recall[:, None], self.symbol_ms, axis=1)
        return Batch.without_copies(spikes, values[trials, store].astype(np.int64), mask)
