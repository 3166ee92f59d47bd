"""Which code a process runs, so that client and workers can be held against each other."""

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

from benchmarks.define import plugins
from benchmarks.run.checkout import ROOT
from benchmarks.run.environment import environment

_FOLDERS = ("implementations", "benchmarks")
_SOURCES = frozenset((".py", ".cpp", ".h", ".cu"))


@cache
def fingerprint() -> dict[str, str]:
    """Python, Dask, and a digest of all sources that training runs through; taken once per process.

    A digest and not the commit alone: images of a cluster often have no git, and a checkout may have changes.
    """
    sources = hashlib.sha256()
    for folder in _FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in _SOURCES:
                sources.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    sources.update(plugins.digest().encode())
    here = environment()
    commit = str(here["commit"] or "no commit")[:10] + ("+changes" if here["dirty"] else "")
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "distributed": version("distributed"),
        "eprop-bench": version("eprop-bench"),
        "sources": sources.hexdigest()[:10],
        "commit": commit,
    }


def difference(here: Mapping[str, str], there: Mapping[str, str]) -> str | None:
    """How a worker differs from the client, in words; None where it does not.

    Equal sources are the same code, whatever the commits are called.
    """
    differ = [name for name in here if name != "commit" and here[name] != there.get(name)]
    if not differ:
        return None
    shown = [*differ, "commit"] if "sources" in differ else differ
    return ", ".join(f"{name} {there.get(name)} instead of {here[name]}" for name in shown)
