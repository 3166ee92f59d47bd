"""Libraries measured and compared, each in its own environment, by files in and out of fresh processes."""

import dataclasses
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import implementations as impl
from benchmarks.define.cases import LONGEST_STEP_S, TRAINING_STEPS, Case
from benchmarks.define.systems import Peer, peers
from benchmarks.define.systems.peer import Comparison
from benchmarks.run import peer_environments, peer_worker, process
from benchmarks.run.agreement import deviations
from benchmarks.run.environment import environment
from benchmarks.run.oracle import Oracle, oracle
from benchmarks.store.append import RunFile
from implementations import rules
from implementations.alignment import Alignment
from implementations.interface import Learner, Setting

START_S = 60.0
"""For import, building, and a step on a tiny batch."""

_SHORT = impl.EvidenceAccumulation(n_cues=1, delay_ms=150)
_TRAINED_TRIALS = 8
_SEED = 0

LATE = "its step takes longer than it may"


def limit_s() -> float:
    """What a process may take: two steps of the longest that a step may be, and what comes before them."""
    return 2.0 * LONGEST_STEP_S + START_S


def measure(case: Case, fits: dict[Case, int]) -> dict[str, Any]:
    """What was measured of a library's case; where a step takes too long, at fewer trials than asked for.

    Args:
        case: of a library whose environment is there.
        fits: case -> trials per step that are known not to take too long; changed.
    """
    trials = fits.get(case, case.batch)
    while True:
        smaller = dataclasses.replace(case, batch=trials)
        outcome = _measure(smaller)
        if outcome["reason"] != LATE or trials == 1:
            break
        trials = fits[case] = max(1, trials // 4)
    peer = peers()[case.system]
    found = peer_environments.versions(peer.environment)
    library = {"package": peer.package, "version": version(found, peer), **found}
    asked = {} if trials == case.batch else {"batch": trials, "asked_batch": case.batch}
    return {**outcome, **asked, "library": library}


def version(found: Mapping[str, Any], peer: Peer) -> str | None:
    """Of the library, out of what its environment has."""
    names = {_canonical(name): version for name, version in found.get("versions", {}).items()}
    return names.get(_canonical(peer.package))


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _measure(case: Case) -> dict[str, Any]:
    peer = peers()[case.system]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "inputs.npz"))
        tiny = case.tiny()
        peer_worker.write(path, peer.parameters(case), {"case": peer.batch(case), "tiny": peer.batch(tiny)})
        python = peer_environments.python(peer.environment)
        items = [peer_worker.Measured(case, path)]
        (outcome,) = process.run(peer_worker.measured, items, timeout_s=limit_s(), late=LATE, python=python)
    return outcome


def losses(peer: Peer, setting: Setting, parameters: impl.Parameters, batches: Sequence[impl.Batch]) -> Any:
    """The loss of each batch before its training step in the library, one after the other.

    Raises:
        RuntimeError: its process fails; the text says how.
    """
    named = {f"{place:04d}": batch for place, batch in enumerate(batches)}
    return _computed(peer, setting, parameters, named, curve=True)["losses"]


def _computed(
    peer: Peer,
    setting: Setting,
    parameters: impl.Parameters,
    batches: Mapping[str, impl.Batch],
    curve: bool = False,
) -> dict[str, np.ndarray]:
    """What a library's process wrote."""
    with tempfile.TemporaryDirectory() as folder:
        inputs, outputs = (str(Path(folder, f"{name}.npz")) for name in ("inputs", "outputs"))
        peer_worker.write(inputs, parameters, batches)
        asked = peer_worker.Asked(peer.name, setting, inputs, outputs, curve)
        python = peer_environments.python(peer.environment)
        (outcome,) = process.run(peer_worker.computed, [asked], python=python)
        if outcome["status"] != "ok":
            raise RuntimeError(outcome["reason"])
        with np.load(outputs) as file:
            return dict(file)


def parity(names: Sequence[str], wanted: Sequence[str]) -> Iterator[dict[str, Any]]:
    """How far libraries are from the published numbers, or where these have none from NumPy's, in float64.

    Args:
        names: of libraries; those whose cost alone is shown compute something else and give nothing, but for
            approximations of a rule, whose angle to its gradient is told.
        wanted: rules.

    Yields:
        Fields of records: "unavailable" where its environment is not there, "failed" on any error.
    """
    for name in names:
        peer = peers()[name]
        missing = peer_environments.missing(peer.environment)
        for rule, modes in peer.computes.items():
            for mode in modes if rule in wanted and comparable(peer) else ():
                for of in peer.comparisons(rule, mode):
                    yield {**_said(peer, rule, mode, of), **_outcome(peer, rule, mode, of, missing)}


def compare_all(names: Sequence[str], wanted: Sequence[str], results: Path) -> Iterator[dict[str, Any]]:
    """What `parity` yields; every record is on disk, in libraries/RUN.jsonl, before it is yielded."""
    file = RunFile(results / "libraries")
    for record in parity(names, wanted):
        yield file.append({**record, "environment": environment()})


def comparable(peer: Peer) -> bool:
    """Whether its gradients are of this network."""
    return peer.cost_alone != "its own network"


def _said(peer: Peer, rule: str, mode: str, of: Comparison) -> dict[str, Any]:
    batch = oracle().batch
    found = peer_environments.versions(peer.environment)
    return {
        **{"kind": "parity", "system": peer.name, "backend": peer.name, "rule": rule, "mode": mode},
        **{"dtype": "float64", "device": "cpu", "loss_of": of.loss, "bound": peer.bound},
        "trials": len(batch.targets) if of.trials is None else of.trials,
        "against": "published" if _published(rule, of) else "NumPy",
        "library": {"package": peer.package, "version": version(found, peer), **found},
    }


def _outcome(peer: Peer, rule: str, mode: str, of: Comparison, missing: str | None) -> dict[str, Any]:
    if missing is not None:
        return {"status": "unavailable", "reason": missing}
    known = oracle()
    batch = known.batch
    if of.trials is not None:
        batch = impl.Batch(batch.spikes[: of.trials], batch.targets[: of.trials])
    objective = _objective(known.objective, of)
    setting = _setting(rule, mode, known.network, objective)
    expected = _expected(known, rule, of, objective, batch)
    try:
        found = _computed(peer, setting, known.parameters, {"batch": batch})
        angle = Alignment.of(_gradients(found), _gradients(expected)).cosine
        agrees = {**deviations(found, expected), "cosine": angle}
        trained = {} if of.trials is not None else _training(peer, rule, mode, of)
        return {"status": "ok", "reason": None, **agrees, **trained}
    except (RuntimeError, ValueError) as error:
        return {"status": "failed", "reason": str(error)}


def _training(peer: Peer, rule: str, mode: str, of: Comparison) -> dict[str, Any]:
    """Losses of a short training, beside those of NumPy: same weights, trials and optimizer."""
    task = _SHORT
    objective = _objective(task.objective, of)
    network = task.network
    parameters = impl.Parameters.draw(network, seed=_SEED)
    batches = [task.batch(_TRAINED_TRIALS, _SEED + step) for step in range(TRAINING_STEPS)]
    setting = _setting(rule, mode, network, objective)
    found = [float(loss) for loss in losses(peer, setting, parameters, batches)]
    learner = _of_numpy(rule, parameters, network, objective)
    ours = [float(learner.step(learner.load(batch)).loss) for batch in batches]
    apart = np.abs(np.subtract(found, ours)) / np.abs(ours)
    return {"training": float(apart.max()), "losses": found, "losses_of_numpy": ours}


def _published(rule: str, of: Comparison) -> bool:
    return of.trials is None and oracle().has(rule)


def _expected(
    known: Oracle, rule: str, of: Comparison, objective: impl.Objective, batch: impl.Batch
) -> dict[str, Any]:
    """Published numbers, or those of the NumPy backend, which the tests hold against them and naive loops."""
    if _published(rule, of):
        # rates do not depend on W_out: its gradient is the task's
        names = {"loss": "loss", "w_in": "g_in", "w_rec": "g_rec", "w_out": "g_out"}
        if of.loss == "task":
            names |= {"loss": "cls", "w_in": "cls_g_in", "w_rec": "cls_g_rec"}
        return {"spikes": known.spikes, **{name: known.number(rule, key) for name, key in names.items()}}
    learner = _of_numpy(rule, known.parameters, known.network, objective)
    loaded = learner.load(batch)
    gradients, metrics = learner.gradients(loaded)
    return {
        "spikes": learner.simulate(loaded).spikes,
        "loss": float(metrics.loss),
        **vars(gradients),
    }


def _objective(whole: impl.Objective, of: Comparison) -> impl.Objective:
    """That of a comparison: with the cost of the rates, or without."""
    return whole if of.loss == "whole" else dataclasses.replace(whole, rate_cost=0.0)


def _setting(rule: str, mode: str, network: impl.Network, objective: impl.Objective) -> Setting:
    kind = np.dtype("float64")
    return Setting(rules.get(rule), mode, network, objective, impl.Adam(), kind, "cpu", 1)


def _of_numpy(
    rule: str, parameters: impl.Parameters, network: impl.Network, objective: impl.Objective
) -> Learner:
    return impl.learner(
        *("numpy", rule, parameters), network=network, objective=objective, dtype="float64", threads=1
    )


def _gradients(found: Mapping[str, Any]) -> impl.Gradients:
    return impl.Gradients(found["w_in"], found["w_rec"], found["w_out"])
