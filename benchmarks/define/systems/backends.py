"""The system that the suite is about: the network of README.md, on every backend."""

import implementations as impl
from benchmarks.define.cases import Case
from benchmarks.define.names import SYSTEM
from benchmarks.define.systems.system import Measurable, System
from implementations.rules import MODES

_SEED = 0


class Backends(System):
    """The network of README.md, on every backend."""

    name = SYSTEM
    title = ""
    installed_by = "pip install 'eprop-bench[all]'"
    same = "It is the network of README.md."
    differs = "Nothing is."
    backends = impl.BACKENDS
    modes = MODES

    @property
    def rules(self) -> tuple[str, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """All there are at any time."""
        return impl.RULES

    def unavailable(self, case: Case) -> str | None:
        """See `System`."""
        return impl.unavailable(case.backend, case.device, case.rule, case.mode)

    def module(self, case: Case) -> str:
        """See `System`."""
        return f"implementations.{case.backend}.learner"

    def learner(self, case: Case) -> Measurable:
        """See `System`."""
        problem = case.problem
        return impl.learner(
            case.backend,
            case.rule,
            impl.Parameters.draw(problem.network, _SEED, problem.readout_std),
            network=problem.network,
            objective=problem.objective,
            mode=case.mode,
            dtype=case.dtype,
            device=case.device,
            threads=case.threads,
        )

    def batch(self, case: Case, number: int = 0) -> impl.Batch:
        """See `System`."""
        return case.problem.task.batch(case.batch, _SEED + number)
