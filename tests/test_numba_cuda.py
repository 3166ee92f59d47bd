"""Numba's CUDA kernels in Numba's simulator, against the naive loops of reference.py.

The simulator is chosen before Numba is imported, so that each test runs in a process of its own.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import implementations as impl

SETUP = """
import numpy as np
from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray
import implementations as impl
import cases, reference

taken = FakeCUDAArray.__getitem__

def as_on_a_card(array, index):
    if array._ary.size == 0:
        raise RuntimeError("non-empty slice into empty slice")
    return taken(array, index)

FakeCUDAArray.__getitem__ = as_on_a_card

def problem(loss="cross_entropy", refractory_steps=5, sizes=(5, 3, 4), n_steps=29, window=9, seed=3):
    n_in, n_regular, n_adaptive = sizes
    network = impl.Network(n_in=n_in, n_regular=n_regular, n_adaptive=n_adaptive, n_out=3,
                           refractory_steps=refractory_steps)
    return cases.problem(network, n_batch=2, n_steps=n_steps, window=window, loss=loss, seed=seed)

def check(p, rule, mode="adjoint", dtype="float64", bound=1e-12):
    learner = p.learner("numba", rule, mode, device="cuda", dtype=dtype)
    found, metrics = learner.gradients(learner.load(p.batch))
    expected, trace = reference.gradients(
        rule, p.network, p.objective, p.parameters, p.batch.spikes, p.batch.targets)
    assert trace.z.sum() > 10
    assert found.w_in.dtype == dtype
    cases.assert_gradients(found, expected, bound)
    task, rate = reference.loss(p.network, p.objective, trace, p.batch.targets)
    assert abs(metrics.loss - task - rate) <= bound * (task + rate)
    return learner, trace
"""


def simulate(code: str) -> None:
    root = Path(__file__).parent.parent
    environment = os.environ | {
        "NUMBA_ENABLE_CUDASIM": "1",
        "PYTHONPATH": os.pathsep.join((str(root), str(root / "tests"))),
    }
    done = subprocess.run(
        [sys.executable, "-c", SETUP + code], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow  # the simulator starts a Python thread for each thread of a kernel
@pytest.mark.parametrize(
    ("loss", "refractory_steps"),
    [("cross_entropy", 5), ("squared_error", 1)],
)
def test_gradients_of_all_rules_and_modes(loss: str, refractory_steps: int) -> None:
    simulate(f"""
from implementations import registry, rules
rules.register(cases.NEW_RULE)
there = registry.rules_and_modes("numba", "cuda")
eprop = {{"eprop_symmetric", "eprop_random", "eprop_adaptive"}}
assert {{rule for rule, _ in there}} == {{"bptt", "bptt_detached", "new_rule", *eprop}}
assert {{rule for rule, mode in there if mode == "online"}} == eprop
for rule, mode in there:
    check(problem({loss!r}, {refractory_steps}, seed=3), rule, mode)
""")


@pytest.mark.slow
def test_sizes_refractoriness_float32_and_spikes() -> None:
    simulate("""
p = problem(refractory_steps=0, sizes=(33, 0, 5), n_steps=35, window=35)  # two words of inputs, two stages
learner, trace = check(p, "bptt")
activity = learner.simulate(learner.load(p.batch))
assert (activity.spikes == trace.z).all()
assert np.abs(activity.readout - trace.y).max() < 1e-12
loaded = learner.load(p.batch)
evaluated, (_, metrics) = learner.evaluate(loaded), learner.gradients(loaded)
assert float(evaluated.loss) == metrics.loss and float(evaluated.accuracy) == metrics.accuracy
check(problem(sizes=(3, 35, 0), n_steps=8, window=4), "bptt", dtype="float32", bound=1e-4)  # two words
""")


@pytest.mark.slow
def test_clipping_schedules_and_decay_are_the_cpu_s_and_a_mask_is_refused() -> None:
    simulate("""
p = problem()
adam = impl.Adam(clip_norm=0.02, weight_decay=0.3, warm_up_steps=2, cosine_steps=3, readout_decay=0.1)
for rule in ("bptt", "eprop_adaptive"):
    device, host = (p.learner("numba", rule, device=d, optimizer=adam) for d in ("cuda", "cpu"))
    for learner in (device, host):
        loaded = learner.load(p.batch)
        for _ in range(4):
            learner.step(loaded)
    for name, array in host.state().items():
        assert np.abs(device.state()[name] - array).max() < 1e-12, name
masked = cases.problem(p.network, masked=True)
learner = masked.learner("numba", "bptt", device="cuda")
try:
    learner.load(masked.batch)
except impl.InvalidArgument as error:
    assert str(error).startswith("batch.mask is") and "kernels for cards" in str(error)
else:
    raise AssertionError
""")


@pytest.mark.slow
def test_other_choices_of_blocks_and_stages() -> None:
    simulate("""
from implementations.numba.card.choices import IN_FORCE, Choices
with IN_FORCE.use(Choices(carry_steps=8)):
    check(problem(window=9), "eprop_symmetric", "online")
for changed in (Choices(blocks=1), Choices(stage_steps=3), Choices(stage_steps=64)):
    with IN_FORCE.use(changed):
        check(problem(), "bptt")
""")


@pytest.mark.slow
def test_steps_equal_the_cpu_s_and_the_second_compiles_nothing() -> None:
    simulate("""
p = problem()
for rule in ("eprop_symmetric", "eprop_adaptive"):
    device, host = (p.learner("numba", rule, device=d) for d in ("cuda", "cpu"))
    on_device, on_host = device.load(p.batch), host.load(p.batch)
    for step in range(3):
        found, expected = device.step(on_device), host.step(on_host)
        assert abs(float(found.loss) - float(expected.loss)) < 1e-11
        if step == 0:
            compiled = device.compilations()
    device.synchronize()
    assert device.compilations() == compiled > 0
    for name, array in host.state().items():
        assert np.abs(device.state()[name] - array).max() < 1e-9, name
    other = p.learner("numba", rule, device="cuda")
    other.restore(device.state())
    a, b = device.gradients(on_device)[0], other.gradients(on_device)[0]
    assert (a.w_in == b.w_in).all() and (a.w_rec == b.w_rec).all() and (a.w_out == b.w_out).all()
    cases.assert_judged(device, on_device, rule, device._weights.restore)  # the learner itself refuses some
    assert set(host.state()) == set(device.state())
curves = problem("squared_error")
curves.batch.targets.setflags(write=True)
curves.batch.targets[0, -1, 0] = 1e78  # its square is a number, but too large
device = curves.learner("numba", "bptt", device="cuda")
assert np.isnan(float(device.step(device.load(curves.batch)).loss))
large = impl.Network(n_regular=1025, n_adaptive=0)
try:
    impl.learner("numba", "bptt", impl.Parameters.draw(large), network=large, device="cuda")
except ValueError as error:
    assert "at most 1024" in str(error)
else:
    raise AssertionError("1025 neurons were taken")
""")


def test_unavailable_says_why() -> None:
    import implementations as impl

    reason = impl.unavailable("numba", "cuda")
    assert reason is None or "numba" in reason or "driver" in reason


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_the_way_back_shares_fits_a_launch_at_every_size(dtype: str) -> None:
    from implementations.numba.card import backward, dynamics

    for n_in in (1, 40, 700):
        for n_rec in (*range(1, dynamics.MOST_NEURONS, 17), dynamics.MOST_NEURONS):
            network = impl.Network(n_in=n_in, n_regular=n_rec, n_adaptive=0)
            n_stage = dynamics.stage_steps(network, np.dtype(dtype), 64)
            assert n_stage >= 1
            assert backward.shared_bytes(network, np.dtype(dtype), n_stage) <= 48 * 1024


def test_no_module_has_a_name_that_numba_cuda_takes_for_its_own() -> None:
    """The package looks for every module with "numba.cuda" in its name in its own folder, and recurses."""
    root = Path(__file__).parent.parent
    for path in (root / "implementations").rglob("*.py"):
        assert "numba.cuda" not in ".".join(path.relative_to(root).parts)


@pytest.mark.parametrize("found", [True, False])
def test_without_nvidia_s_compiler_it_says_so_before_any_launch(
    found: bool, card_packages: dict[str, str]
) -> None:
    code = (
        "import _numba_cuda_redirector\n"
        "import numpy as np, numba.np.arrayobj\n"
        # gone in NumPy 2.5, which Numba knows and numba-cuda does not
        "np.__all__ = [name for name in np.__all__ if name != 'row_stack']\n"
        "vars(np).pop('row_stack', None)\n"
        "from numba import cuda\n"
        "cuda.is_available = lambda: True\n"
        "from implementations.numba.learner import unavailable\n"
        "print(unavailable('cuda'))\n"
        "assert not hasattr(np, 'row_stack')"
    )
    environment = {**os.environ, **card_packages}
    if not found:
        environment["CUDA_HOME"] = environment["CUDA_PATH"] = os.devnull
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    text = done.stdout.strip()
    assert text == "None" if found else text.startswith("numba-cuda can't compile here ("), text


def test_the_card_s_modules_import_beside_numba_cuda(card_packages: dict[str, str]) -> None:
    code = (
        "import _numba_cuda_redirector\n"  # where it is installed, Python has done so at its start
        "import implementations.numba.card.engine, numba.cuda\n"
        "assert 'numba_cuda' in numba.cuda.__file__"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, env={**os.environ, **card_packages})
