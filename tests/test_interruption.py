"""A step is all or nothing: whoever ends it with Ctrl-C finds the state before it, or the one after it."""

import subprocess
import sys
from pathlib import Path

import pytest
from cases import BACKENDS


def run(script: str, *arguments: str) -> None:
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "backend",
    # as JAX, whose functions it is made of, and twice as long to compile
    [pytest.param(name, marks=pytest.mark.slow if name == "brainpy" else []) for name in BACKENDS],
)
def test_a_step_that_is_interrupted_anywhere_is_done_or_not_begun(backend: str) -> None:
    run("interrupted_events.py", backend)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "mode"), [("bptt", "adjoint"), ("eprop_adaptive", "online")])
@pytest.mark.parametrize("backend", BACKENDS)
def test_steps_that_ctrl_c_ends_at_random_moments(backend: str, rule: str, mode: str) -> None:
    run("interrupted_steps.py", backend, rule, mode, "250")
