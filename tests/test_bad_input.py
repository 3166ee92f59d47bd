"""Every bad input raises a ValueError that names the argument and says what it may be."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cases import BACKENDS, problem

import implementations as impl

NETWORK = impl.Network(n_in=4, n_regular=3, n_adaptive=2)
PROBLEM = problem(NETWORK)
P = PROBLEM.parameters
SPIKES = PROBLEM.batch.spikes
TARGETS = PROBLEM.batch.targets


def parameters(**changes: Any) -> impl.Parameters:
    weights = {name: np.array(getattr(P, name)) for name in ("w_in", "w_rec", "w_out", "feedback")}
    return impl.Parameters(**{**weights, **changes})


def learner(*, backend: Any = "numpy", rule: Any = "bptt", weights: Any = P, **options: Any) -> Any:
    return impl.learner(backend, rule, weights, **{"network": NETWORK, **options})


def with_value(array: np.ndarray, value: float) -> np.ndarray:
    changed = np.array(array)
    changed[0, 1] = value
    return changed


def with_large(name: str) -> impl.Parameters:
    return parameters(**{name: with_value(getattr(P, name), -1e39)})


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    **{f"Network {n}={v!r}": (lambda n=n, v=v: impl.Network(**{n: v}), n) for n, v in (
        ("n_in", 0), ("n_in", 2.5), ("n_in", True), ("n_in", "4"), ("n_regular", -1), ("n_adaptive", -1),
        ("n_out", 0), ("tau_membrane_ms", 0.0), ("tau_adaptation_ms", -1.0), ("tau_readout_ms", float("nan")),
        ("threshold", 0.0), ("dampening", -0.1), ("refractory_steps", -1), ("refractory_steps", 1.5),
        ("dt_ms", float("inf")),
    )},
    "Network without neurons": (lambda: impl.Network(n_regular=0, n_adaptive=0), "n_regular"),
    **{f"Objective {n}={v!r}": (lambda n=n, v=v: impl.Objective(**{n: v}), n) for n, v in (
        ("loss", "hinge"), ("loss", None), ("window", 0), ("window", 1.0), ("rate_target_hz", -1.0),
        ("rate_cost", float("nan")),
    )},
    **{f"Adam {n}={v!r}": (lambda n=n, v=v: impl.Adam(**{n: v}), n) for n, v in (
        ("learning_rate", -1.0), ("learning_rate", "fast"), ("beta1", 1.0), ("beta2", -0.1), ("epsilon", 0.0),
        ("clip_norm", -1.0), ("clip_norm", float("inf")), ("weight_decay", -0.1), ("warm_up_steps", 0.5),
        ("cosine_steps", -1), ("halve_every", True),
    )},
    **{f"Task {n}={v!r}": (lambda n=n, v=v: impl.EvidenceAccumulation(**{n: v}), n) for n, v in (
        ("n_in", 6), ("n_in", 0), ("n_cues", 0), ("n_cues", 4), ("cue_ms", 151), ("interval_ms", 0),
        ("delay_ms", 0),
        ("recall_ms", 1201), ("cue_rate_hz", 1001.0), ("noise_rate_hz", -1.0), ("p_unfavoured", 1.5),
    )},
    **{f"Pattern {n}={v!r}": (lambda n=n, v=v: impl.PatternGeneration(**{n: v}), n) for n, v in (
        ("n_in", 0), ("n_out", 0), ("n_steps", 11), ("n_steps", 40.0), ("cycles", ()), ("cycles", [1, 2]),
        ("cycles", (1, 0)), ("cycles", 3), ("input_rate_hz", -1.0), ("input_rate_hz", 1001.0),
    )},
    "Adam with two schedules": (lambda: impl.Adam(cosine_steps=5, halve_every=5), "halve_every"),
    "mask dtype": (lambda: impl.Batch(SPIKES, TARGETS, np.ones((3, 30))), "mask"),
    "mask shape": (lambda: impl.Batch(SPIKES, TARGETS, np.ones((3, 30, 4), bool)), "mask"),
    "Pattern batch size": (lambda: impl.PatternGeneration().batch(0, seed=0), "size"),
    "Pattern seed": (lambda: impl.PatternGeneration().batch(1, seed=-1), "seed"),
    "draw readout_std": (lambda: impl.Parameters.draw(NETWORK, readout_std=0.0), "readout_std"),
    "Task batch size": (lambda: impl.EvidenceAccumulation().batch(0, seed=0), "size"),
    "Task seed": (lambda: impl.EvidenceAccumulation().batch(1, seed=-1), "seed"),
    "draw seed": (lambda: impl.Parameters.draw(NETWORK, seed=1.5), "seed"),
    "draw network": (lambda: impl.Parameters.draw("network"), "network"),
    "w_rec not square": (lambda: parameters(w_rec=np.zeros((4, 5))), "w_rec"),
    "w_rec diagonal": (lambda: parameters(w_rec=np.eye(5)), "w_rec"),
    "w_out shape": (lambda: parameters(w_out=np.zeros((4, 2))), "w_out"),
    "feedback shape": (lambda: parameters(feedback=np.zeros((5, 3))), "feedback"),
    "w_in one-dimensional": (lambda: parameters(w_in=np.zeros(5)), "w_in"),
    "w_in integers": (lambda: parameters(w_in=np.zeros((4, 5), int)), "w_in"),
    "w_in NaN": (lambda: parameters(w_in=with_value(P.w_in, np.nan)), "w_in"),
    "w_rec infinite": (lambda: parameters(w_rec=with_value(P.w_rec, np.inf)), "w_rec"),
    "feedback NaN": (lambda: parameters(feedback=with_value(P.feedback, np.nan)), "feedback"),
    "spikes dtype": (lambda: impl.Batch(SPIKES.astype(float), TARGETS), "spikes"),
    "spikes shape": (lambda: impl.Batch(SPIKES[0], TARGETS), "spikes"),
    "no trials": (lambda: impl.Batch(SPIKES[:0], TARGETS[:0]), "spikes"),
    "no steps": (lambda: impl.Batch(SPIKES[:, :0], TARGETS), "spikes"),
    "targets shape": (lambda: impl.Batch(SPIKES, TARGETS[:2]), "targets"),
    "targets negative": (lambda: impl.Batch(SPIKES, TARGETS - 5), "targets"),
    "targets dtype": (lambda: impl.Batch(SPIKES, np.array(["a", "b", "c"])), "targets"),
    "float targets shape": (lambda: impl.Batch(SPIKES, np.zeros(3)), "targets"),
    "targets NaN": (lambda: impl.Batch(SPIKES, np.full((3, 30, 2), np.nan)), "targets"),
    "backend": (lambda: learner(backend="tensorflow"), "backend"),
    "backend type": (lambda: learner(backend=None), "backend"),
    "rule": (lambda: learner(rule="eprop"), "rule"),
    "rule type": (lambda: learner(rule=1), "rule"),
    "parameters": (lambda: learner(weights=None), "parameters"),
    "network": (lambda: learner(network="small"), "network"),
    "objective": (lambda: learner(objective="loss"), "objective"),
    "optimizer": (lambda: learner(optimizer="adam"), "optimizer"),
    "mode": (lambda: learner(mode="forward"), "mode"),
    "bptt online": (lambda: learner(mode="online"), "mode"),
    "dtype": (lambda: learner(dtype="float16"), "dtype"),
    "dtype type": (lambda: learner(dtype=object()), "dtype"),
    "dtype None": (lambda: learner(dtype=None), "dtype"),
    "device": (lambda: learner(device="tpu"), "device"),
    "device that can't be used": (lambda: learner(device="cuda"), "device"),
    "threads": (lambda: learner(threads=0), "threads"),
    "w_in too large for float32": (lambda: learner(weights=with_large("w_in")), r"parameters\.w_in"),
    "w_rec too large for float32": (lambda: learner(weights=with_large("w_rec")), r"parameters\.w_rec"),
    "w_out too large for float32": (lambda: learner(weights=with_large("w_out")), r"parameters\.w_out"),
    "feedback too large for float32": (
        lambda: learner(rule="eprop_adaptive", weights=with_large("feedback")),
        r"parameters\.feedback is an array with values as large as 1e\+39; it may be at most 3.4\d*e\+38",
    ),
    "weights of another network": (lambda: learner(network=impl.Network()), "w_in"),
    "one class": (
        lambda: learner(
            weights=impl.Parameters.draw(impl.Network(n_out=1)), network=impl.Network(n_out=1)
        ),
        "n_out",
    ),
    "unavailable backend": (lambda: impl.unavailable("tensorflow"), "backend"),
    "unavailable device": (lambda: impl.unavailable("numpy", "tpu"), "device"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_names_the_argument(name: str) -> None:
    work, argument = BAD[name]
    with pytest.raises(ValueError, match=rf"\b{argument}\b") as error:
        work()
    assert isinstance(error.value, impl.InvalidArgument)
    assert "it may be" in str(error.value) or "can't run here" in str(error.value)


SMALL = impl.Objective(window=10)
CURVE = impl.Objective(loss="squared_error", window=10)
BATCH = impl.Batch(SPIKES, TARGETS)
CURVES = impl.Batch(SPIKES, np.zeros((3, 30, 2)))


def changed(batch: impl.Batch, value: float) -> impl.Batch:
    """One whose owner made it writable after all."""
    made = copy.copy(batch)
    made.targets.setflags(write=True)
    made.targets[0] = value
    return made


LOADS: dict[str, tuple[Callable[[], Any], impl.Objective, str]] = {
    "no batch": (lambda: SPIKES, SMALL, "batch"),
    "mask before the window alone": (
        lambda: impl.Batch(SPIKES, TARGETS, np.arange(30) < np.full((3, 1), 20)),
        SMALL,
        "mask",
    ),
    "inputs": (lambda: impl.Batch(SPIKES[:, :, :3], TARGETS), SMALL, "spikes"),
    "shorter than the window": (lambda: impl.Batch(SPIKES, TARGETS), impl.Objective(window=31), "spikes"),
    "class too high": (lambda: impl.Batch(SPIKES, TARGETS + 2), SMALL, "targets"),
    "curves for classes": (lambda: impl.Batch(SPIKES, np.zeros((3, 30, 2))), SMALL, "targets"),
    "class made too high": (lambda: changed(BATCH, 2), SMALL, "targets"),
    "class made negative": (lambda: changed(BATCH, -3), SMALL, "targets"),
    "curves made NaN": (lambda: changed(CURVES, np.nan), CURVE, "targets"),
    "curves too high for float32": (lambda: impl.Batch(SPIKES, np.full((3, 30, 2), 1e39)), CURVE, "targets"),
    "curves too low for float32": (lambda: impl.Batch(SPIKES, np.full((3, 30, 2), -1e39)), CURVE, "targets"),
    "classes for curves": (
        lambda: impl.Batch(SPIKES, TARGETS),
        impl.Objective(loss="squared_error", window=10),
        "targets",
    ),
    "curves of another size": (
        lambda: impl.Batch(SPIKES, np.zeros((3, 30, 3))),
        impl.Objective(loss="squared_error", window=10),
        "targets",
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
def test_weights_have_to_be_finite_where_they_are_used(backend: str) -> None:
    """In float64 they are, and feedback is another rule's."""
    learner(backend=backend, weights=with_large("w_in"), dtype="float64")
    learner(backend=backend, weights=parameters(w_in=with_value(P.w_in, np.finfo(np.float32).max)))
    with np.errstate(all="ignore"):
        learner(backend=backend, rule="bptt", weights=with_large("feedback"))


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_load_names_the_argument(backend: str, name: str) -> None:
    make, objective, argument = LOADS[name]
    found = learner(backend=backend, objective=objective)
    with pytest.raises(impl.InvalidArgument, match=rf"\b{argument}\b.*it may be"):
        found.load(make())


@pytest.mark.parametrize("method", ["gradients", "step", "evaluate", "simulate"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_has_to_be_loaded(backend: str, method: str) -> None:
    with pytest.raises(impl.InvalidArgument, match=r"\bloaded\b.*it may be"):
        getattr(learner(backend=backend), method)(PROBLEM.batch)


@pytest.mark.parametrize("method", ["gradients", "step", "evaluate", "simulate"])
@pytest.mark.parametrize("other", BACKENDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_has_to_be_loaded_by_this_backend(backend: str, other: str, method: str) -> None:
    options = {"objective": PROBLEM.objective}
    loaded = learner(backend=other, **options).load(PROBLEM.batch)
    work = getattr(learner(backend=backend, **options), method)
    if backend == other:
        work(loaded)
        return
    with pytest.raises(impl.InvalidArgument, match=r"\bloaded\b.*it may be"):
        work(loaded)


OTHERS = {
    "inputs": {"network": impl.Network(n_in=5, n_regular=3, n_adaptive=2)},
    "outputs": {"network": impl.Network(n_in=4, n_regular=3, n_adaptive=2, n_out=3)},
    "window": {"objective": impl.Objective(window=9)},
    "dtype": {"dtype": "float64"},
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_loaded_for_another_setting(backend: str, name: str) -> None:
    """Not computed with: it would be read out of bounds, or give the loss of another window."""
    network = OTHERS[name].get("network", NETWORK)
    options = {"network": network, "objective": SMALL, **OTHERS[name]}
    other = learner(backend=backend, weights=impl.Parameters.draw(network), **options)
    spikes = np.zeros((3, 30, network.n_in), bool)
    loaded = other.load(impl.Batch(spikes, TARGETS))
    with pytest.raises(impl.InvalidArgument, match=r"\bloaded\b.*it may be"):
        learner(backend=backend, objective=SMALL).gradients(loaded)


@pytest.mark.parametrize("backend", BACKENDS)
def test_more_threads_than_there_are(backend: str) -> None:
    with pytest.raises(impl.InvalidArgument, match=r"\bthreads\b.*it may be"):
        learner(backend=backend, threads=100_000)
