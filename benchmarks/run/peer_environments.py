"""The environments that libraries run in, one each, beside that of the suite: built, and looked at.

    python -m benchmarks.run.peer_environments NAME...    build these, or all of them with `all`

peers.toml, the one file with their versions, says what is in each. They lie in .venv-peers, which git
ignores; `VARIABLE` names another folder. What can't be built leaves pip's reason there, and the others go on.
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.define.systems import peers
from benchmarks.run.checkout import ROOT

VARIABLE = "EPROP_BENCH_PEERS"
"""Environment variable: the folder that they lie in, and the file that names them if it has a peers.toml."""

_READY, _FAILED = "ready.json", "failed.txt"
_TIMEOUT_S = 1800.0
_VERSIONS = """
import json
from importlib.metadata import distributions
print(json.dumps({one.metadata["Name"]: one.version for one in distributions() if one.metadata["Name"]}))
"""


class Wanted(NamedTuple):
    """A section of peers.toml.

    Attributes:
        python: versions of Python that do, the best first.
        packages: requirements, for pip.
    """

    python: tuple[str, ...]
    packages: tuple[str, ...]


class NotBuilt(Exception):
    """An environment can't be built; the text says why, in one line."""


def wanted() -> dict[str, Wanted]:
    """Name -> what is to be in an environment.

    Raises:
        ValueError: peers.toml is not what it may be; the text says where.
    """
    own = folder() / "peers.toml"
    path = own if own.is_file() else ROOT / "peers.toml"
    with path.open("rb") as file:
        sections: dict[str, Any] = tomllib.load(file)
    found = {}
    for name, section in sections.items():
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise ValueError(f"{path.name}: [{name}] may have lower-case letters, digits and underscores")
        for key in ("python", "packages"):
            values = section.get(key) if isinstance(section, dict) else None
            if not isinstance(values, list) or not values or not all(isinstance(one, str) for one in values):
                raise ValueError(f"{path.name}: [{name}] needs {key}, a list of texts")
        found[name] = Wanted(tuple(section["python"]), tuple(section["packages"]))
    return found


def folder() -> Path:
    """That they lie in."""
    return Path(os.environ.get(VARIABLE) or ROOT / ".venv-peers")


def python(name: str) -> Path:
    """The interpreter of an environment."""
    return folder() / name / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def missing(name: str) -> str | None:
    """Why an environment is not there, or is not what peers.toml says, in one sentence; None where it is."""
    try:
        sections = wanted()
    except (OSError, ValueError) as error:
        return f"not available: peers.toml can't be read: {error}"
    if name not in sections:
        return f"not available: peers.toml has no section [{name}]"
    build_it = f"run make peer-{name}"
    failed = folder() / name / _FAILED
    if failed.is_file():
        return f"not available: {failed.read_text(encoding='utf-8').strip()} (to try again, {build_it})"
    ready = _ready(name)
    if ready is None or not python(name).exists():
        return f"not available: {build_it}"
    if ready["packages"] != list(sections[name].packages):
        return f"not available: it was built for other versions than peers.toml has now: {build_it}"
    return None


def versions(name: str) -> dict[str, Any]:
    """Python and packages of an environment that is there, as they were when it was built."""
    ready = _ready(name)
    return {} if ready is None else {"python": ready["python"], "versions": ready["versions"]}


def _ready(name: str) -> dict[str, Any] | None:
    path = folder() / name / _READY
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def build(name: str) -> None:
    """Build an environment, unless it is there already.

    Raises:
        NotBuilt: an interpreter is missing, pip can't install a package, or one can't be imported.
    """
    try:
        sections = wanted()
    except (OSError, ValueError) as error:
        raise NotBuilt(f"peers.toml can't be read: {error}") from error
    if name not in sections:
        raise NotBuilt(f"peers.toml has no section [{name}]; it has {', '.join(sections)}")
    if missing(name) is None:
        return
    there = folder() / name
    shutil.rmtree(there, ignore_errors=True)
    there.mkdir(parents=True)
    try:
        _install(name, sections[name])
    except NotBuilt as error:
        shutil.rmtree(there, ignore_errors=True)  # half of it is worth nothing, and may be large
        there.mkdir(parents=True)
        (there / _FAILED).write_text(f"{error}\n", encoding="utf-8")
        raise


def _install(name: str, section: Wanted) -> None:
    run = str(python(name))
    _run([_interpreter(section.python), "-m", "venv", str(folder() / name)])
    pip = [run, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, *section.packages])
    imported = sorted({peer.imports for peer in peers().values() if peer.environment == name})
    _run([run, "-I", "-c", "; ".join(f"import {module}" for module in ("numpy", *imported))])
    told = _run([run, "-I", "-c", "import platform; print(platform.python_version())"]).strip()
    state = {
        "packages": list(section.packages),
        "python": told,
        "versions": json.loads(_run([run, "-I", "-c", _VERSIONS])),
    }
    (folder() / name / _READY).write_text(json.dumps(state, indent=1) + "\n", encoding="utf-8")


def _interpreter(allowed: tuple[str, ...]) -> str:
    """The first that there is of these versions; this one before others of its version."""
    for version in allowed:
        if ".".join(platform.python_version_tuple()[:2]) == version:
            return str(Path(sys.base_prefix) / "bin" / "python3") if os.name != "nt" else sys.executable
        found = _of_version(version)
        if found is not None:
            return found
    raise NotBuilt(f"it needs Python {' or '.join(allowed)}, of which there is none on PATH")


@cache
def _of_version(version: str) -> str | None:
    """An interpreter on PATH, by what it says itself: a name may stand for one that is not installed."""
    tell = "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"
    names = (f"python{version}", "python3")
    parts = os.environ.get("PATH", "").split(os.pathsep)
    paths = [str(Path(part) / name) for name in names for part in parts]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    paths += [str(one / "bin" / "python3") for one in sorted(pyenv.glob(f"{version}.*"))]
    for path in paths:
        if not os.access(path, os.X_OK):
            continue
        done = subprocess.run([path, "-I", "-c", tell], capture_output=True, text=True, check=False)
        said = done.stdout.split("\n")
        if done.returncode == 0 and said[0] == version:
            return said[1]
    return None


def _run(command: list[str]) -> str:
    """What a command prints.

    Raises:
        NotBuilt: with the last that it says of an error.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, env=_environment()
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBuilt(" ".join(str(error).split())) from error
    if done.returncode == 0:
        return done.stdout
    lines = [" ".join(line.split()) for line in done.stderr.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    raise NotBuilt((errors or lines or [f"{command[0]} ended with exit status {done.returncode}"])[-1])


def _environment() -> Mapping[str, str]:
    """Without what would have one Python look for modules of another."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run.peer_environments")
    parser.add_argument("names", nargs="+", metavar="NAME", help="sections of peers.toml, or all")
    names = parser.parse_args().names
    every = names == ["all"]
    try:
        names = list(wanted()) if every else names
    except (OSError, ValueError) as error:
        raise SystemExit(f"peers.toml can't be read: {error}") from error
    failed = 0
    for name in names:
        try:
            build(name)
        except NotBuilt as error:
            failed += 1
            print(f"{name}: not available: {error}", file=sys.stderr, flush=True)
        else:
            print(f"{name}: {python(name)}", flush=True)
    # of all, those that can be built are what was asked for
    raise SystemExit(1 if failed and (not every or failed == len(names)) else 0)


if __name__ == "__main__":
    main()
