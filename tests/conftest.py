"""Which backends are tested and why others are not, printed first; and what each file leaves behind."""

import sys
from collections.abc import Iterator

import pytest
from cases import LEFT_OUT

import implementations as impl


def pytest_report_header() -> list[str]:
    lines = []
    for backend in impl.BACKENDS:
        reason = impl.unavailable(backend)
        lines.append(f"backend {backend}: " + ("tested" if reason is None else f"not tested, {reason}"))
    lines += [f"not tested: {' '.join(case)}, {reason}" for case, reason in LEFT_OUT.items()]
    return lines


@pytest.fixture(autouse=True, scope="module")
def _programs_of_this_file_alone() -> Iterator[None]:
    """Of hundreds of settings, JAX would keep several gigabytes of compiled programs."""
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
