"""The Numba backend: what it keeps, and which engine computes."""

from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import Any

import numba
import numpy as np

from implementations import checks
from implementations.interface import Learner as Interface
from implementations.interface import Setting, check_loaded
from implementations.network import Parameters
from implementations.numba.engines import compilations, engine, kept
from implementations.state import checked, entries
from implementations.types import Activity, Batch, Gradients, Metrics

_ANY_CARD = (8, 0)  # that every compiler compiles for


def unavailable(device: str) -> str | None:
    """Why the backend can't run on the device; None where it can."""
    if device == "cuda":
        simulated = numba.config.ENABLE_CUDASIM  # type: ignore[attr-defined]
        if not simulated and find_spec("numba_cuda") is None:
            return "numba_cuda can't be imported: pip install 'eprop-bench[numba-cuda]'"
        from numba import cuda  # asks the driver, and only where it is wanted

        if not cuda.is_available():
            return "no CUDA driver with a card was found"
        return None if simulated else _no_compiler()
    return None


@cache
def _no_compiler() -> str | None:
    """Why numba-cuda can't compile, which it would else say at the first launch; None where it can."""
    from numba import cuda, types

    from implementations.numba.card.loading import load_compiler

    def nothing() -> None:
        pass

    try:
        load_compiler()
        compiler: Any = cuda
        compiler.compile(nothing, types.void(), device=False, abi="numba", cc=_ANY_CARD)
    except Exception as error:  # of several kinds: numba-cuda's own, or of what looks for the libraries
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        return f"numba-cuda can't compile here ({reason}): pip install 'eprop-bench[numba-cuda]'"
    return None


class Learner(Interface):
    """Event-driven kernels for the CPU, others for a card: see engines.py."""

    def __init__(self, setting: Setting, parameters: Parameters) -> None:
        self._setting = setting
        self._weights = kept(setting, parameters)
        self._name, self._engine = engine(setting, self._weights)

    @property
    def engine(self) -> str:
        """See the interface."""
        return self._name

    def load(self, batch: Batch) -> Any:
        """Spikes as lists of those that spike, or on a card as bit masks."""
        checks.instance("batch", batch, Batch)
        setting = self._setting
        batch.check_fits(setting.network, setting.objective, setting.dtype)
        return self._engine.load(batch)

    def gradients(self, loaded: Any) -> tuple[Gradients, Metrics]:
        """See the interface."""
        self._check(loaded)
        found, metrics = self._engine.gradients(loaded)
        figures = (metrics.loss, metrics.task_loss, metrics.rate_loss, metrics.accuracy, metrics.rate_hz)
        return self._engine.on_host(found), Metrics(*map(float, figures))

    def step(self, loaded: Any) -> Metrics:
        """See the interface; done when it returns, or on a card before that."""
        self._check(loaded)
        found, metrics = self._engine.gradients(loaded)
        self._weights.train(found)
        return metrics

    def evaluate(self, loaded: Any) -> Metrics:
        """See the interface."""
        self._check(loaded)
        return self._engine.evaluate(loaded)

    def simulate(self, loaded: Any) -> Activity:
        """See the interface."""
        self._check(loaded)
        return self._engine.simulate(loaded)

    def synchronize(self) -> None:
        """See the interface."""
        self._engine.synchronize()

    def parameters(self) -> Parameters:
        """See the interface."""
        return self._weights.parameters()

    def state(self) -> dict[str, np.ndarray]:
        """See the interface; either engine takes up the other's."""
        return self._weights.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See the interface."""
        self._weights.restore(checked(state, entries(self._setting)))

    @staticmethod
    def compilations() -> int:
        """See the interface."""
        return compilations()

    def _check(self, loaded: Any) -> None:
        check_loaded(loaded, self._engine.loaded, self._setting)
