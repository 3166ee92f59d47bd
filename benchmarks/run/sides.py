"""The sides of a comparison: commits, each in a folder of its own, so that processes of both can be alive.

Other packages are in an environment of ASV's, `.asv/env`, which is installed by the commands of
asv.conf.json; where the two commits name different versions, there is a second one. The commit itself is
taken from this clone by `git archive`, built as ASV builds it, and unpacked beside the environment: ASV's own
clone has no more objects than this one, which may be a partial clone, and would need them all.
"""

import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from asv import config as asv_config
from asv.environment import get_environments
from asv.util import interpolate_command

from benchmarks.run import asv_command, caches
from benchmarks.run.checkout import ROOT, GitFailed, archive, without_git_variables

_FOLDER = ROOT / ".asv" / "sides"
_KEPT = 8
_MARK = "eprop-bench-installed.json"
_STATUS_OF_ASV = "asv-install-status.json"  # which commit ASV has installed: none, once others were


class NotInstalled(Exception):
    """A commit or its environment can't be installed; the text says why."""


@dataclass(frozen=True)
class Side:
    """A commit that can be run.

    Attributes:
        python: of the environment.
        folder: where its `implementations` is.
        compiled: where Numba keeps what it compiles of it.
        shared: where others keep what they compile, and find by its content what another commit has compiled.
    """

    python: Path
    folder: Path
    compiled: Path
    shared: Path = _FOLDER / "compiled"

    def variables(self, programs: bool = True) -> dict[str, str]:
        """Of the environment of its processes.

        Args:
            programs: whether JAX keeps its programs, too. A process that finds one takes less memory than one
                that compiles it, and both sides are to do the same.
        """
        kept = {**caches.inside(self.shared), "NUMBA_CACHE_DIR": str(self.compiled)}
        if not programs:
            return {name: value for name, value in kept.items() if not name.startswith("JAX_")}
        return {
            **kept,
            **caches.EVERY_PROGRAM,
            "JAX_COMPILATION_CACHE_MAX_SIZE": str(2**30),
        }


def install(commits: tuple[str, str], log: Path) -> tuple[Side, Side]:
    """Base and head.

    Args:
        commits: full hashes of base and head.
        log: what the commands printed.

    Raises:
        NotInstalled: why.
        Interrupted: Ctrl-C or SIGTERM came while ASV made the environment.
    """
    base, head = commits
    log.parent.mkdir(parents=True, exist_ok=True)
    sources = {commit: _source(commit) for commit in commits}
    python = {head: _environment(sources[head], "env", log)}
    other = _requirements(sources[base]) != _requirements(sources[head])
    python[base] = _environment(sources[base], "env-base", log) if other else python[head]
    found = tuple(_unpacked(sources[commit], python[commit], log) for commit in commits)
    _forget_old([source.parent for source in sources.values()])
    return found[0], found[1]


def _unpacked(source: Path, python: Path, log: Path) -> Side:
    """What the wheel of a commit holds; files that are there stay, as Numba's cache goes by their times."""
    home = source.parent
    folder = home / "unpacked"
    if not folder.is_dir():
        wheel = _build(source, python, log)
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        with zipfile.ZipFile(wheel) as file:
            file.extractall(partial)
        os.replace(partial, folder)
    return Side(python, folder, home / "compiled")


def _source(commit: str) -> Path:
    """What a wheel is made of, and the licence and text that it names."""
    folder = _FOLDER / commit / "source"
    folder.parent.mkdir(parents=True, exist_ok=True)
    os.utime(folder.parent)
    if not folder.is_dir():
        partial = folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        try:
            with tarfile.open(fileobj=io.BytesIO(archive(commit))) as file:
                file.extractall(partial, filter="data")
        except (GitFailed, tarfile.TarError) as error:
            raise NotInstalled(f"commit {commit[:8]} can't be taken from this clone: {error}") from None
        os.replace(partial, folder)
    return folder


def _requirements(source: Path) -> str:
    """A digest of which packages a commit needs, in which versions."""
    project = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: of for name, of in project.get("optional-dependencies", {}).items() if name != "dev"}
    digest = hashlib.sha256(json.dumps([project.get("dependencies"), extras], sort_keys=True).encode())
    digest.update((source / "constraints.txt").read_bytes())
    return digest.hexdigest()


def _environment(source: Path, env_dir: str, log: Path) -> Path:
    """The Python of an environment with all that a commit needs; made, or brought up to date."""
    with TemporaryDirectory(prefix="eprop-bench-check-") as folder:
        path = asv_command.config_for(Path(folder), env_dir=ROOT / ".asv" / env_dir)
        config = asv_config.Config.load(str(path))
        # its status says nothing: it ends with a list, which Python takes for a failure
        asv_command.run(["setup"], path, log=log.with_name(f"{log.stem}-{env_dir}{log.suffix}"))
        found = next(iter(get_environments(config, None)), None)
        if found is None or not found.check_presence():
            raise NotInstalled(f"ASV can't make an environment: {log.parent} has what it printed")
    home, python = Path(found._path), Path(found.find_executable("python"))
    mark, status = home / _MARK, home / _STATUS_OF_ASV
    wanted = {"requirements": _requirements(source)}
    if not status.exists() and mark.exists() and json.loads(mark.read_text()) == wanted:
        return python
    mark.unlink(missing_ok=True)
    status.unlink(missing_ok=True)
    wheel = _build(source, python, log)
    variables = {"env_dir": str(home), "build_dir": str(source), "wheel_file": str(wheel)}
    _run(config.install_command or [], variables, python, log)
    mark.write_text(json.dumps(wanted))
    return python


def _build(source: Path, python: Path, log: Path) -> Path:
    """The wheel of a commit."""
    folder = source.parent / "wheel"
    if not list(folder.glob("*.whl")):
        shutil.rmtree(folder, ignore_errors=True)
        variables = {"build_dir": str(source), "build_cache_dir": str(folder), "env_dir": str(folder)}
        command = asv_config.Config.load(str(asv_command.CONFIG)).build_command
        _run(command or [], variables, python, log)
    return next(iter(folder.glob("*.whl")))


def _run(commands: Sequence[str], variables: Mapping[str, str], python: Path, log: Path) -> None:
    """Commands as asv.conf.json has them, of which the first word is "python"."""
    for command in commands:
        words, environment, _, folder = interpolate_command(command, dict(variables))
        with log.open("a", encoding="utf-8") as file:
            done = subprocess.run(
                [str(python), *words[1:]],
                cwd=folder or ROOT.parent,
                env={**without_git_variables(), **environment},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        if done.returncode != 0:
            raise NotInstalled(f"{' '.join(words[:5])} ... fails: {log} has what it printed")


def _forget_old(used: Sequence[Path]) -> None:
    commits = [path for path in _FOLDER.iterdir() if path.name != "compiled"]
    commits.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for old in commits[_KEPT:]:
        if old not in used:
            shutil.rmtree(old, ignore_errors=True)
