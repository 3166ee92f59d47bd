"""ASV's command line, run on this checkout.

ASV's own name for a machine is its host name. Results are meant to be shared, so the name here is the digest
of the machine's description that all records use.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from types import MappingProxyType
from typing import IO, Any

from asv.machine import MachineCollection
from asv.util import load_json
from filelock import FileLock, Timeout

from benchmarks.run.asv_branches import branches
from benchmarks.run.checkout import ROOT, without_git_variables
from benchmarks.run.environment import environment
from benchmarks.run.interruption import Interrupted, held
from benchmarks.store.files import CannotWrite, writing
from implementations import rules

CONFIG = ROOT / "asv.conf.json"

# Each way that a gradient takes, in each of its modes
_PATH = "|".join(f"'{rule}', '(?:{'|'.join(rules.get(rule).modes)})'" for rule in rules.tracked())
_PATH, _COSTLY = f"(?:{_PATH})", "|".join(rules.tracked())
_LEARNS_ALL = "numba"  # the one that is ready soonest
QUICK = (
    rf"^step_time\.StepTime\..*\('\w+', {_PATH}, 'cpu'",
    r"^forward_time\.ForwardTime\..*'cpu'",
    rf"^peak_memory\.PeakMemory\..*\('\w+', {_PATH}, 'cpu'",
    rf"^accuracy\.(?:Accuracy|PatternError|Alignment)\..*'(?:{_COSTLY})', 'adjoint', 'cpu'",
    rf"^accuracy\.\w+\..*\('{_LEARNS_ALL}', '(?:{_COSTLY})', 'adjoint', 'cpu'",
)
"""Benchmarks that tell in minutes whether a change matters: every code path of a step, on the CPU. Other
feedback matrices run the same code. Whether the published tasks are learned is asked of every backend; of the
other tasks, of one, as what backends have in common is their gradients, which are compared elsewhere."""


def register_machine() -> str:
    """Make this machine known to ASV, in the user's list of machines; returns its name."""
    found = environment()
    memory_bytes = found["memory_bytes"]
    MachineCollection.save(
        found["machine"],
        {
            "machine": found["machine"],
            "os": found["system"].split()[0],
            "arch": found["system"].split()[-1],
            "cpu": found["processor"],
            "num_cpu": str(found["cores"]),
            "ram": "" if memory_bytes is None else str(memory_bytes // 1024),  # ASV counts in kilobytes
        },
    )
    return found["machine"]


def config_for(
    folder: Path, results: Path | None = None, commits: str = "HEAD", env_dir: Path | None = None
) -> Path:
    """Write ASV's configuration to `folder`, with the branches that this clone has; returns its path.

    Environments stay shared with `asv run`, as they take minutes to make.

    Args:
        folder: where nothing else is.
        results: another place for ASV's results.
        commits: what is measured, as `asv_branches.branches` takes it.
        env_dir: another place for environments.

    Raises:
        GitFailed: git can't tell the branches.
        NoBranch: no branch has these commits.
    """
    config: dict[str, Any] = load_json(str(CONFIG), js_comments=True)
    config["branches"] = branches(config["branches"], commits)
    for name in ("repo", "benchmark_dir", "env_dir", "html_dir", "results_dir"):
        config[name] = str((ROOT / config[name]).resolve())
    if results is not None:
        config["results_dir"] = str(results.resolve())
    if env_dir is not None:
        config["env_dir"] = str(env_dir)
    path = folder / "asv.conf.json"
    path.write_text(json.dumps(config))
    return path


class InUse(Exception):
    """Another process runs ASV in this clone."""


@contextmanager
def alone() -> Iterator[None]:
    """Keep other processes from this clone's environments, whose packages change from commit to commit.

    Raises:
        InUse: another process has them.
    """
    path = ROOT / ".asv" / "environments.lock"
    path.parent.mkdir(exist_ok=True)
    lock = FileLock(path, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise InUse("ASV is running in this clone already; two runs would disturb each other") from None
    try:
        yield
    finally:
        lock.release()


def run(
    arguments: Sequence[str],
    config: Path,
    log: Path | None = None,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """Run ASV; returns its exit status.

    Args:
        arguments: a command of ASV and its options.
        config: ASV's configuration, as `config_for` wrote it.
        log: all that ASV prints goes there, and progress alone to this process's output: without the tables
            and the verdict at its end. By default everything goes to the output.
        variables: of the environment, for the benchmarks to read.

    Raises:
        Interrupted: Ctrl-C or SIGTERM came, and ASV has ended; whole rounds that it had done are stored.
        CannotWrite: the log could not be written to its end.
        OSError: the output could not.
    """
    command = [sys.executable, "-m", "asv", "--config", str(config), *arguments]
    output = None if log is None else subprocess.PIPE
    errors = None if log is None else subprocess.STDOUT
    # In a session of its own, a Ctrl-C at the terminal reaches it once, from here
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**without_git_variables(), "PYTHONUNBUFFERED": "1", **variables},
        start_new_session=True,
        preexec_fn=_heed_interrupts,
        text=True,
        errors="replace",
        stdout=output,
        stderr=errors,
    )
    unwritten: list[Exception] = []
    relay = Thread(target=_relay, args=(process.stdout, log, unwritten), daemon=True)
    try:
        relay.start()
        with held() as request:
            while True:
                try:
                    status = process.wait(timeout=0.2)
                    break
                except subprocess.TimeoutExpired:
                    if request.signal_number is None:
                        continue
                    process.send_signal(signal.SIGINT)
                    process.wait()
                    raise Interrupted(request.signal_number, "interrupted") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        relay.join()
    if unwritten:
        raise unwritten[0]
    return status


def _heed_interrupts() -> None:
    """Shells start background jobs with SIGINT ignored, which ASV would inherit and go on to its end."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _relay(stream: IO[str] | None, log: Path | None, unwritten: list[Exception]) -> None:
    """Read to the end, whatever becomes of what is read: ASV would wait for ever for a reader."""
    if stream is None or log is None:
        return
    with stream:
        try:
            with writing(log), log.open("w", encoding="utf-8") as file:
                for line in stream:
                    file.write(line)
                    file.flush()
                    if line.startswith(("[", "\N{MIDDLE DOT}")) and "===" not in line and not unwritten:
                        _print(line, unwritten)
        except CannotWrite as error:
            unwritten.append(error)
            for _ in stream:
                pass


def _print(line: str, unwritten: list[Exception]) -> None:
    try:
        print(line, end="", flush=True)
    except OSError as error:
        unwritten.append(error)
