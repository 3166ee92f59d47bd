"""PTX into machine code by NVIDIA's assembler, which says what the kernel takes."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.define.kernels import CAPABILITY

_USED = re.compile(r"Used (\d+) registers")
_SHARED = re.compile(r"(\d+) bytes smem")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")


class Refused(Exception):
    """The assembler does not take it; the text is what it says."""


@cache
def assemblers() -> dict[str, tuple[int, ...]]:
    """Path -> version of those that are here: on PATH, and those that Triton brings."""
    found = {}
    for path in _candidates():
        try:
            done = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        version = re.search(r"release (\d+)\.(\d+)", done.stdout)
        if version is not None:
            found[path] = tuple(map(int, version.groups()))
    return found


def _candidates() -> Iterator[str]:
    on_path = shutil.which("ptxas")
    if on_path is not None:
        yield on_path
    spec = find_spec("triton")
    if spec is not None and spec.origin is not None:
        yield from map(str, Path(spec.origin).parent.glob("backends/nvidia/bin/ptxas*"))


def of_triton() -> str:
    """The one that Triton assembles with for this card.

    Raises:
        Refused: there is none.
    """
    found = [path for path in assemblers() if Path(path).name == "ptxas" and "triton" in path]
    if not found:
        raise Refused("Triton brings no assembler here")
    return found[0]


def newest() -> str:
    """The newest there is, for PTX of a newer version than Triton's.

    Raises:
        Refused: there is none.
    """
    found = assemblers()
    if not found:
        raise Refused("there is no assembler here: ptxas, of CUDA's compiler or of Triton")
    return max(found, key=lambda path: found[path])


def described(
    name: str, threads: int, dynamic_bytes: int, ptx: str, assembler: str, *options: str
) -> dict[str, Any]:
    """What a kernel takes.

    Args:
        threads: of a program, or block.
        dynamic_bytes: of shared memory, that a launch asks for.
        options: for the assembler.

    Returns:
        kernel, threads; registers: of a thread; spilled_bytes: stored and loaded by a thread, as it has not
        enough of them; stack_bytes: of a thread; shared_bytes: of a program.

    Raises:
        Refused: it is not assembled.
    """
    takes = dict(_assembled(ptx, assembler, *options))
    shared = takes.pop("static_bytes") + dynamic_bytes
    return {"kernel": name, "threads": threads, **takes, "shared_bytes": shared}


@cache
def _assembled(ptx: str, assembler: str, *options: str) -> Mapping[str, int]:
    target = re.search(r"^\.target (sm_\d+a?)", ptx, re.MULTILINE)
    arch = f"sm_{CAPABILITY[0]}{CAPABILITY[1]}" if target is None else target[1]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "kernel.ptx")
        file.write_text(ptx)
        command = [assembler, "-v", f"-arch={arch}", *options, str(file), "-o", str(file.with_suffix(".o"))]
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused((done.stderr or done.stdout).strip() or f"exit status {done.returncode}")
    said = done.stdout + done.stderr
    used = list(map(int, _USED.findall(said)))
    stacks = [tuple(map(int, numbers)) for numbers in _STACK.findall(said)]
    if not used:
        raise Refused(f"the assembler does not say what the kernel takes: {said.strip()}")
    return {
        "registers": max(used),
        "stack_bytes": max((stack for stack, *_ in stacks), default=0),
        "spilled_bytes": max((stores + loads for _, stores, loads in stacks), default=0),
        "static_bytes": max(map(int, _SHARED.findall(said)), default=0),
    }
