"""Which backends are tested and why others are not, printed first; and what is compiled only once."""

import atexit
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def _keep_programs_of_jax() -> None:
    """For the length of this run, so that what several rules and settings have in common is compiled once.

    In a folder that is empty at first and goes at the end. Each worker of pytest-xdist has its own part of
    it, as JAX does not write its files in one go. To be called before JAX is imported, which reads this.
    """
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None:
        folder = tempfile.TemporaryDirectory(prefix="eprop-bench-tests-", ignore_cleanup_errors=True)
        atexit.register(folder.cleanup)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder.name
        os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    else:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = str(Path(os.environ["JAX_COMPILATION_CACHE_DIR"], worker))


def _leave_the_cores_to_others() -> None:
    """Of what waits or compiles, for workers of pytest-xdist that share the cores; no result depends on it.

    OpenMP's threads else spin while they wait: 0.57 of the processor time of Numba's and PyTorch's tests with
    two workers on two cores. XLA else compiles each program in as many parts as it may: 0.82 of JAX's. To be
    called before either is imported, which read this.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    pinned = Path(__file__).parents[1].joinpath("constraints.txt").read_text().splitlines()
    with suppress(PackageNotFoundError):
        # what an XLA does not know ends the process, so that another version is told nothing
        if "XLA_FLAGS" not in os.environ and f"jaxlib=={version('jaxlib')}" in pinned:
            os.environ["XLA_FLAGS"] = "--xla_cpu_parallel_codegen_split_count=1"


_keep_programs_of_jax()
_leave_the_cores_to_others()

import pytest  # noqa: E402
from cases import LEFT_OUT  # noqa: E402

import implementations as impl  # noqa: E402
from benchmarks.run.checkout import without_git_variables  # noqa: E402

# Run by a hook, tests that commit to a repository of their own would else commit to this one.
for _name in set(os.environ) - set(without_git_variables()):
    del os.environ[_name]

# A shell starts what it has in the background with Ctrl-C ignored; what tests start, to interrupt it, would
# inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_report_header() -> list[str]:
    lines = []
    for backend in impl.BACKENDS:
        reason = impl.unavailable(backend)
        lines.append(f"backend {backend}: " + ("tested" if reason is None else f"not tested, {reason}"))
    lines += [f"not tested: {' '.join(case)}, {reason}" for case, reason in LEFT_OUT.items()]
    return lines


@pytest.fixture
def card_packages(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What compiles for a card without one, on the path; and environment variables that find it elsewhere.

    The Makefile installs it into a folder of its own, as numba-cuda takes the place of Numba's simulator.
    """
    if sys.platform != "linux":
        pytest.skip("there are no wheels of it but for Linux")
    aside = Path(sys.prefix, "card")
    if not (aside / "numba_cuda").is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"{aside} is missing: make test installs it")
        pytest.skip(f"needs {aside}, which make test installs")
    monkeypatch.syspath_prepend(str(aside))
    path = os.pathsep.join([str(aside), str(Path(__file__).parent.parent)])
    found = {"PYTHONPATH": path, "CUDA_HOME": str(aside / "nvidia" / "cu13")}
    monkeypatch.setenv("CUDA_HOME", found["CUDA_HOME"])
    return found


@pytest.fixture(autouse=True, scope="module")
def _programs_of_this_file_alone() -> Iterator[None]:
    """Of hundreds of settings, JAX would keep several gigabytes of compiled programs."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
