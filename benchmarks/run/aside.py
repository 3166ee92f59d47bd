"""What a machine's own Python lacks for `gpu-check`: gathered as wheels, and installed aside.

    python -m benchmarks.run.aside wheels FOLDER --there LIST   for a machine with the packages of LIST
    python -m benchmarks.run.aside install FOLDER TARGET        into TARGET, which PYTHONPATH then names

A machine with a card comes with PyTorch and JAX as somebody built them for it, often inside a virtual
environment that no second one sees into. So nothing of it is replaced: what is there counts as it is, of
whatever version, and only names that are missing are added. Needs pip, and nothing else.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = ("benchmarks", "torch", "jax", "jax-triton", "brainpy", "numba-cuda")
BESIDE = ("jax[cuda12]", "nvidia-ml-py")
"""JAX's build for CUDA where there is no JAX at all; what tells clocks and power of a card."""

PLATFORMS = (*(f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 26, 24, 17)), "manylinux2014_x86_64")
_THERE = "there"  # local part of the versions that stand for what is there
_READY = "ready.json"
_TESTED = ROOT / "constraints.txt"
# A folder on PYTHONPATH does not run its .pth files by itself; by one of them numba-cuda takes its place. And
# NVIDIA's compiler is looked for in site-packages, or where CUDA_HOME says.
_SITE = """import os, site

folder = os.path.dirname(os.path.abspath(__file__))
site.addsitedir(folder)
if os.path.isdir(os.path.join(folder, "nvidia", "cu13")):
    os.environ.setdefault("CUDA_HOME", os.path.join(folder, "nvidia", "cu13"))
"""


class Failed(Exception):
    """Pip can't do what it was asked for; the text is what it says."""


def canonical(name: str) -> str:
    """A package's name as indices compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirement: str) -> str:
    """The canonical name in a requirement."""
    found = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    if found is None:
        raise ValueError(f"{requirement!r} names no package")
    return canonical(found[1])


def wanted() -> list[str]:
    """All requirements of `gpu-check`: those of the wheel, and of these extras in pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(one for extra in EXTRAS for one in extras[extra]), *BESIDE]


def here() -> dict[str, str]:
    """Canonical name -> version of the packages that this Python finds."""
    return dict(_found(sys.path))


def _found(paths: list[str]) -> Iterator[tuple[str, str]]:
    for one in distributions(path=paths):
        if one.metadata["Name"]:  # of what an uninstallation left behind there is none
            yield canonical(one.metadata["Name"]), one.version.partition("+")[0]


def listed(path: Path) -> dict[str, str]:
    """The same of lines NAME==VERSION, as `pip freeze` writes them; others are comments or have no version.

    Raises:
        ValueError: a line that is neither.
    """
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.partition("#")[0].strip()
        if not text or text.startswith("-") or " @ " in text:
            continue
        name, equal, version = text.partition("==")
        if not equal or not name.strip() or not version.strip():
            raise ValueError(f"{path}: {line!r} is not NAME==VERSION")
        found[canonical(name.strip())] = version.strip().partition("+")[0]
    return found


def gather(folder: Path, there: Mapping[str, str], options: Sequence[str] = ()) -> list[str]:
    """Fill `folder` with wheels of all that is wanted and not `there`, and of what these need.

    Pip sees what is there as packages without a content, in exactly those versions: it neither downloads one
    of them nor settles on another version. Returns a line for each requirement that can't be met.

    Args:
        options: for `pip download`, such as of another Python.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [one for one in dict.fromkeys(wanted()) if named(one) not in there]
    with tempfile.TemporaryDirectory() as scratch:
        stand_ins = Path(scratch, "there")
        stand_ins.mkdir()
        pins = Path(scratch, "pins.txt")
        # of what is missing, the versions that are tested
        lines = [f"{name}=={version}" for name, version in listed(_TESTED).items() if name not in there]
        lines += [f"{name}=={version}+{_THERE}" for name, version in there.items()]
        pins.write_text("\n".join(lines))
        for name, version in there.items():
            _stand_in(stand_ins, name, f"{version}+{_THERE}")

        def download(*requirements: str) -> None:
            _pip(
                *("download", "--dest", str(folder), "--constraint", str(pins)),
                *("--find-links", str(stand_ins), *options, *requirements),
            )

        left_out = _all_or_each(download, missing)
    for path in folder.glob(f"*+{_THERE}-*.whl"):
        path.unlink()
    return left_out


def install(folder: Path, target: Path) -> list[str]:
    """Install into `target` what this Python has no package of; returns a line for each that can't be.

    From `folder`; where it has no wheels, from what an index has. Nothing is done where that was done before,
    for the same Python and wheels.
    """
    wheels = sorted(path.name for path in folder.glob("*.whl"))
    state = {"python": sys.version, "prefix": sys.prefix, "wheels": wheels, "wanted": wanted()}
    ready = target / _READY
    if ready.exists() and json.loads(ready.read_text()) == state:
        return []
    target.mkdir(parents=True, exist_ok=True)
    there = dict(_found([path for path in sys.path if Path(path).resolve() != target.resolve()]))
    if wheels:
        left_out = _add(folder, target, there)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            left_out = gather(Path(scratch), there)
            left_out += _add(Path(scratch), target, there)
    (target / "sitecustomize.py").write_text(_SITE)
    if not left_out:
        ready.write_text(json.dumps(state))
    return left_out


def _add(folder: Path, target: Path, there: Mapping[str, str]) -> list[str]:
    """In one call of pip: a second one would replace a folder that two packages share."""
    install = ("install", "--no-index", "--no-deps", "--no-compile", "--upgrade", "--target", str(target))
    install = (*install, "--find-links", str(folder))
    names = sorted({canonical(path.name.partition("-")[0]) for path in folder.glob("*.whl")} - set(there))
    left_out = _all_or_each(lambda *some: _pip(*install, "--dry-run", *some), names)
    failed = {line.partition(":")[0] for line in left_out}
    found = [name for name in names if name not in failed]
    if found:
        _pip(*install, *found)
    return left_out


def _all_or_each(do: Callable[..., None], names: Iterable[str]) -> list[str]:
    """Do it for all names at once, else for each by itself; a line for each with which it fails."""
    names = list(names)
    if not names:
        return []
    try:
        do(*names)
        return []
    except Failed as error:
        if len(names) == 1:
            return [f"{names[0]}: {error}"]
    failed = []
    for name in names:
        try:
            do(name)
        except Failed as error:
            failed.append(f"{name}: {error}")
    return failed


def _stand_in(folder: Path, name: str, version: str) -> None:
    """A wheel of this name and version with nothing in it, which needs nothing."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or [
            *done.stderr.splitlines(),
            f"pip ended with exit status {done.returncode}",
        ]
        raise Failed(errors[-1].removeprefix("ERROR: "))


def main() -> None:
    """The two commands."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run.aside")
    commands = parser.add_subparsers(dest="command", required=True)
    wheels = commands.add_parser("wheels", help="fill a folder with wheels of what is missing")
    wheels.add_argument("folder", type=Path)
    wheels.add_argument(
        "--there", type=Path, required=True, help="lines NAME==VERSION: what that machine has"
    )
    wheels.add_argument("--python", default="3.12", help="of that machine, which is x86-64 Linux")
    adds = commands.add_parser("install", help="install aside what is missing, from FOLDER or else an index")
    adds.add_argument("folder", type=Path)
    adds.add_argument("target", type=Path)
    given = parser.parse_args()
    if given.command == "install":
        _tell(install(given.folder, given.target))
        return
    options = [*("--only-binary", ":all:", "--implementation", "cp", "--python-version", given.python)]
    options += [word for platform in PLATFORMS for word in ("--platform", platform)]
    left_out = gather(given.folder, listed(given.there), options)
    found = list(given.folder.glob("*.whl"))
    print(f"{len(found)} wheels, {sum(path.stat().st_size for path in found) / 1e6:.1f} MB: {given.folder}")
    _tell(left_out)
    raise SystemExit(1 if left_out else 0)


def _tell(left_out: Iterable[str]) -> None:
    for line in left_out:
        print(f"left out: {line}", file=sys.stderr)


if __name__ == "__main__":
    main()
