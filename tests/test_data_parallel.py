"""Several devices compute what one does: two host devices of JAX, two processes of PyTorch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cases import BACKENDS, problem
from data_parallel_devices import CASES

import implementations as impl

_SCRIPT = Path(__file__).with_name("data_parallel_devices.py")


@pytest.mark.slow
@pytest.mark.parametrize("backend", [name for name in ("jax", "torch") if name in BACKENDS])
def test_two_devices_compute_what_one_does(backend: str) -> None:
    done = subprocess.run(
        [sys.executable, str(_SCRIPT), backend],
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "2"},  # JAX reads it when first used
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(" equal") == len(CASES), done.stdout


@pytest.mark.parametrize("backend", [name for name in BACKENDS if name not in ("jax", "torch")])
def test_other_backends_refuse_several_devices(backend: str) -> None:
    with pytest.raises(impl.InvalidArgument, match=f"devices is 2; it may be 1, as the {backend} backend"):
        problem(impl.Network(n_in=4, n_regular=2, n_adaptive=2)).learner(backend, "bptt", devices=2)


@pytest.mark.skipif("torch" not in BACKENDS, reason="PyTorch is not installed")
def test_pytorch_wants_its_processes_first() -> None:
    with pytest.raises(impl.InvalidArgument, match="devices is 2; it may be 1, the processes"):
        problem(impl.Network(n_in=4, n_regular=2, n_adaptive=2)).learner("torch", "bptt", devices=2)


@pytest.mark.parametrize("devices", [0, 1.5, True])
def test_the_number_of_devices_is_checked(devices: float) -> None:
    with pytest.raises(impl.InvalidArgument, match="devices is"):
        problem(impl.Network(n_in=4, n_regular=2, n_adaptive=2)).learner("numpy", "bptt", devices=devices)
