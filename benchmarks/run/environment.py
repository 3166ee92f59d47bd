"""Where something was measured: machine, versions and commit, as results/README.md describes them.

No user names, host names or paths: the records are meant to be committed and shared.
"""

import hashlib
import os
import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import parent_process
from typing import Any

from cpuinfo import get_cpu_info

from benchmarks.run.cards import cards, nvidia_smi
from benchmarks.run.checkout import ROOT, GitFailed, ask
from implementations.registry import available_cores

# What can change a time or a rounding error. Absent ones are left out of the record.
_PACKAGES = (
    *("eprop-bench", "numpy", "threadpoolctl", "numba", "llvmlite"),
    *("torch", "triton", "jax", "jaxlib", "jax-triton", "jax-cuda12-plugin", "jax-cuda13-plugin", "optax"),
    *("numba-cuda", "cuda-python", "cuda-bindings", "nvidia-ml-py"),
    *("brainpy", "brainstate", "braintools", "brainunit", "brainevent"),
)


@cache
def environment() -> dict[str, Any]:
    """The `environment` of a record. Takes about a second the first time; cached for the process."""
    machine = _machine()
    return {
        "machine": _digest(machine),
        **machine,
        "python": platform.python_version(),
        "versions": _versions(),
        **_commit(),
        **_cards(),
    }


def _machine() -> dict[str, Any]:
    return {
        "processor": get_cpu_info().get("brand_raw") or platform.processor() or platform.machine(),
        "cores": available_cores(),
        "memory_bytes": _memory_bytes(),
        "accelerators": _accelerators(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _digest(machine: dict[str, Any]) -> str:
    # How much memory a kernel keeps to itself depends on its version: whole GiB tell machines apart.
    memory = machine["memory_bytes"]
    described = {**machine, "memory_bytes": None if memory is None else round(memory / 2**30)}
    return hashlib.sha256(repr(sorted(described.items())).encode()).hexdigest()[:8]


def _memory_bytes() -> int | None:
    """Physical memory; None where the system doesn't say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def _accelerators() -> list[str]:
    """Names of the NVIDIA GPUs."""
    names, _ = nvidia_smi("--query-gpu=name", "--format=csv,noheader")
    return [] if names is None else names.strip().splitlines()


def _cards() -> dict[str, Any]:
    """What the cards say of themselves; apart from the machine, whose digest a driver must not change."""
    found, reason = cards()
    return {"cards": found} if found else {"cards": None, "no_cards": reason}


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _commit() -> dict[str, Any]:
    """Commit of the checkout, and whether tracked files, results apart, differ from it; null outside one.

    A clone whose commit git doesn't tell has null too, which is said on the terminal.
    """
    unknown = {"commit": None, "dirty": None}
    if not (ROOT / ".git").exists():
        return unknown
    try:
        commit = ask("rev-parse", "--verify", "HEAD")
        changes = ask("status", "--porcelain", "--untracked-files=no", "--", ".", ":!results")
    except GitFailed as error:
        if parent_process() is None:  # once, and not by each worker that Dask starts here
            print(f"what is recorded now names no commit, as git says: {error}", file=sys.stderr, flush=True)
        return unknown
    return {"commit": commit, "dirty": bool(changes)}
