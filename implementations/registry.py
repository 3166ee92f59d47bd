"""Backend names, and the modules behind them, imported only when asked for."""

import copyreg
import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from implementations import checks, process, rules
from implementations.interface import Learner, Parts, Setting
from implementations.network import Network, Parameters
from implementations.objective import Objective
from implementations.optimizer import Adam
from implementations.rules import Rule

DEVICES = ("cpu", "cuda")
DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class _Backend:
    """`packages`, with which it computes, the framework first, and those `beside` them must be importable.

    `extra` of eprop-bench installs them, None when always there. `forks`: whether they compute in a process
    that was forked after they had.
    """

    packages: tuple[str, ...]
    extra: str | None
    beside: tuple[str, ...] = ()
    forks: bool = False

    def lacks(self, *packages: str) -> str:
        """The sentence that says so, with the command that installs them."""
        install = "eprop-bench" if self.extra is None else f"eprop-bench[{self.extra}]"
        return f"{' and '.join(packages)} can't be imported: pip install '{install}'"


# A backend is one line here, a folder of the same name beside this file, and an extra in pyproject.toml.
_BACKENDS = {
    "numpy": _Backend(("numpy", "threadpoolctl"), None, forks=True),
    "numba": _Backend(("numba",), None),
    "torch": _Backend(("torch",), "torch", ("filelock",)),
    "jax": _Backend(("jax", "jaxlib", "optax"), "jax"),
    "brainpy": _Backend(("brainpy", "jax"), "brainpy", ("jaxlib",)),
}

BACKENDS = tuple(_BACKENDS)


def unavailable(
    backend: str, device: str = "cpu", rule: str | Rule | None = None, mode: str | None = None
) -> str | None:
    """Why a backend can't run here, in one sentence; None where it can.

    Args:
        backend: one of `BACKENDS`.
        device: "cpu" or "cuda".
        rule: also ask for this rule: one of `RULES`, `hops:K` for K hops, or a `Rule`.
        mode: also ask for this mode of the rule, "adjoint" or "online".

    Raises:
        InvalidArgument: (a ValueError) for an unknown name. A backend whose import breaks for another
            reason than a missing package, its own or one of those, raises that error: broken is not the same
            as absent.
    """
    found = _BACKENDS[checks.choice("backend", backend, BACKENDS)]
    checks.choice("device", device, DEVICES)
    wanted = None if rule is None else rules.get(rule)
    if mode is not None:
        checks.choice("mode", mode, rules.MODES)
        if wanted is not None and mode not in wanted.modes:  # before anything is imported
            return f"{wanted.name} has no mode {mode}, only {' and '.join(wanted.modes)}"
    if find_spec(f"implementations.{backend}") is None:
        return f"the {backend} backend is not part of this version"
    absent = [package for package in (*found.packages, *found.beside) if find_spec(package) is None]
    if absent:
        return found.lacks(*absent)
    reason = process.lost(found.packages)
    if reason is not None:
        return reason
    try:
        module = _module(backend)
    except ModuleNotFoundError as error:  # a package that one of those needs
        if error.name is None or error.name.partition(".")[0] == __package__:
            raise
        return found.lacks(error.name)
    reason = module.unavailable(device)
    if reason is not None or wanted is None:
        return reason
    missing = parts(backend, device).missing(wanted, mode)
    if missing is not None:
        return (
            f"the {backend} backend does not have the rule {wanted.name} in this version: it lacks " + missing
        )
    return None


def learner(
    backend: str,
    rule: str | Rule,
    parameters: Parameters,
    *,
    network: Network | None = None,
    objective: Objective | None = None,
    mode: str = "adjoint",
    optimizer: Adam | None = None,
    dtype: DTypeLike = "float32",
    device: str = "cpu",
    threads: int | None = None,
    devices: int = 1,
) -> Learner:
    """A learner: `parameters` on a backend and device, trained by a rule.

    Args:
        backend: one of `BACKENDS`.
        rule: one of `RULES`, `hops:K` for a rung of the ladder, or a `Rule` that is in no table.
        parameters: initial weights; copied.
        network, objective, optimizer: the defaults of their classes where not given.
        mode: "adjoint", or "online" (e-prop only): same gradients, memory that does not grow with time.
        dtype: "float32" or "float64".
        device: "cpu" or "cuda".
        threads: CPU threads, all that this process may use by default.
        devices: over how many devices the trials of each batch are shared out ("jax", "torch"). The
            gradients are those of one device. JAX takes devices of this process; PyTorch takes processes,
            each with a device, that have called torch.distributed.init_process_group and make the same calls.

    Raises:
        InvalidArgument: (a ValueError) for an argument that is not what it may be, or a backend that
            can't run here; the text says why. No work is done before.
    """
    checks.choice("backend", backend, BACKENDS)
    wanted = rules.get(rule)
    checks.instance("parameters", parameters, Parameters)
    network = Network() if network is None else network
    objective = Objective() if objective is None else objective
    optimizer = Adam() if optimizer is None else optimizer
    checks.instance("network", network, Network)
    checks.instance("objective", objective, Objective)
    checks.instance("optimizer", optimizer, Adam)
    if checks.choice("mode", mode, rules.MODES) not in wanted.modes:
        checks.fail("mode", mode, f"{' or '.join(map(repr, wanted.modes))} for the rule {wanted.name!r}")
    checked_dtype = _dtype(dtype)
    checks.choice("device", device, DEVICES)
    if threads is not None and checks.integer("threads", threads, 1) > available_cores():
        checks.fail("threads", threads, f"at most {available_cores()}, the cores that this process may use")
    checks.integer("devices", devices, 1)
    parameters.check_fits(network)
    parameters.check_range(checked_dtype, wanted.feedback_weights == "feedback")
    if objective.loss == "cross_entropy" and network.n_out < 2:
        checks.fail("n_out", network.n_out, "at least 2 where objective.loss is 'cross_entropy'")
    reason = unavailable(backend, device, rule, mode)
    if reason is not None:
        raise checks.InvalidArgument(
            f"backend {backend!r} with device {device!r} and rule {wanted.name!r} can't run here: {reason}"
        )
    learner_class: type[Learner] = _module(backend).Learner
    if devices > 1 and not learner_class.data_parallel:
        checks.fail("devices", devices, f"1, as the {backend} backend trains on one device")
    setting = Setting(wanted, mode, network, objective, optimizer, checked_dtype, device, threads, devices)
    return _made(backend, setting, parameters)


def backend_of(learner: Learner) -> str:
    """The backend that a learner is of.

    Raises:
        InvalidArgument: (a ValueError) for one that `learner` did not return.
    """
    for name in BACKENDS:
        if type(learner).__module__ == _module_name(name):
            return name
    checks.fail(
        "learner", checks.Description(f"of type {type(learner).__name__}"), "what learner(...) returned"
    )


def blank(network: Network) -> Parameters:
    """Weights of 0, for a learner that gets its own by `restore`."""
    n_rec, n_out = network.n_rec, network.n_out
    readout = np.zeros((n_rec, n_out))
    return Parameters(np.zeros((network.n_in, n_rec)), np.zeros((n_rec, n_rec)), readout, readout)


def _made(backend: str, setting: Setting, parameters: Parameters) -> Learner:
    """A learner of a checked setting, which can be copied and pickled, and knows its process."""
    found = _BACKENDS[backend]
    learner_class: type[Learner] = _module(backend).Learner
    copyreg.pickle(learner_class, _parts)  # type: ignore[arg-type]
    made = learner_class(setting, parameters)
    process.keep(made, () if found.forks else found.packages)
    return made


def _parts(learner: Learner) -> tuple[Any, ...]:
    """What a copy is made of."""
    return _copy, (backend_of(learner), learner.setting, learner.state())


def _copy(backend: str, setting: Setting, state: Mapping[str, np.ndarray]) -> Learner:
    """A learner of its own, perhaps in another process, with the same setting and state."""
    reason = unavailable(backend, setting.device)
    if reason is not None:
        raise checks.InvalidArgument(
            f"backend {backend!r} with device {setting.device!r} can't run here: {reason}"
        )
    made = _made(backend, setting, blank(setting.network))
    made.restore(state)
    return made


def parts(backend: str, device: str) -> Parts:
    """What the rules of a backend may be made of on a device, whether or not there is one here.

    Raises:
        InvalidArgument: (a ValueError) for an unknown name.
        ImportError: a package of the backend is missing.
    """
    checks.choice("backend", backend, BACKENDS)
    return _module(backend).Learner.parts(checks.choice("device", device, DEVICES))


def rules_and_modes(backend: str, device: str) -> list[tuple[str, str]]:
    """What of `RULES`, in which modes, a backend has on a device, whether or not there is one here.

    Raises:
        InvalidArgument: (a ValueError) for an unknown name.
        ImportError: a package of the backend is missing.
    """
    has = parts(backend, device)
    pairs = [(rules.get(name), mode) for name in rules.RULES for mode in rules.get(name).modes]
    return [(rule.name, mode) for rule, mode in pairs if has.missing(rule, mode) is None]


def packages(backend: str) -> tuple[str, ...]:
    """The packages that a backend is made of, its framework first."""
    return _BACKENDS[checks.choice("backend", backend, BACKENDS)].packages


def available_cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _module(backend: str) -> ModuleType:
    return import_module(_module_name(backend))


def _module_name(backend: str) -> str:
    return f"implementations.{backend}.learner"


def _dtype(dtype: DTypeLike) -> np.dtype:
    try:
        found = np.dtype(dtype) if dtype is not None else None
    except TypeError:
        found = None
    if found is None or found.name not in DTYPES:
        checks.fail("dtype", dtype, "'float32' or 'float64'")
    return found
