"""valgrind's callgrind, which counts the instructions that a program executes.

A process that runs under it asks it to begin and to write down what it has counted, by a sequence of
instructions that does nothing elsewhere: "client requests", as valgrind.h and callgrind.h have them.
"""

import ctypes
import mmap
import platform
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path

# __SPECIAL_INSTRUCTION_PREAMBLE of valgrind.h for amd64, in a function of one argument, in rdi, and a result
# in rax: mov rax, rdi; xor edx, edx; rol rdi 3, 13, 61, 51; xchg rbx, rbx; mov rax, rdx; ret
_REQUEST = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")
_RUNNING = 0x1001  # VG_USERREQ__RUNNING_ON_VALGRIND
_DUMP, _ZERO, _START = (0x43540000 + number for number in (0, 1, 4))  # VG_USERREQ_TOOL_BASE('C','T') + enum

_FILE = "counted"
_NUMBERS = count(1)
_ALLOCATING = frozenset(("malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"))
# Eigen's threads, which XLA's programs run on, look for work for as long as it takes to come: nothing of a
# step is in these calls, and the more of them there are, the busier the machine.
_WAITING = re.compile(r"c?fn=.*\bEigen::ThreadPoolTempl<[^>]*>::(MaybeGetTask|WaitForWork)\(")
# XLA's executor hands parts of a program to those threads if one is free just then, and allocates to queue
# them: how often it does is how the threads happen to run.
_QUEUES = re.compile(
    r"fn=.*\b(xla::cpu::(ThunkExecutor|WhileThunk)|tsl::AsyncValue|tsl::internal::ConcreteAsyncValue"
    r"|_ZZN3tsl10AsyncValue|inlined_vector_internal::Storage<int, 8ul,)"
)


@dataclass(frozen=True)
class Counted:
    """What callgrind wrote down: executed instructions, but for those of threads that look for work, and
    calls that allocate memory in the C library, but for those that queue work for threads."""

    instructions: int
    allocations: int


def missing() -> str | None:
    """Why nothing can be counted here, in a sentence; None where it can."""
    if platform.machine() not in ("x86_64", "AMD64") or platform.system() != "Linux":
        return "instructions are counted on x86-64 with Linux alone"
    if shutil.which("valgrind") is None:
        return "valgrind is not installed: apt-get install valgrind"
    if "avx2" not in _flags():
        return "the counts are of programs for AVX2, which this processor lacks"
    return None


def version() -> str:
    """Of valgrind."""
    return subprocess.run(
        ["valgrind", "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()


def under(folder: Path) -> list[str]:
    """The command under which a process is counted; what it asks for is written to `folder`."""
    return [
        *("valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--compress-strings=no"),
        "--vgdb=no",  # whose pipes would stay where it is killed
        "--fair-sched=try",  # threads take turns in an order of their own, and not as the system has it
        f"--callgrind-out-file={folder / _FILE}",
    ]


def start() -> None:
    """Count from here on, what all threads of this process execute.

    Raises:
        RuntimeError: the process does not run under valgrind.
    """
    if not _ask(_RUNNING):
        raise RuntimeError("this process does not run under valgrind")
    _ask(_START)


def forget() -> None:
    """Count from here on again."""
    _ask(_ZERO)


def dump() -> int:
    """Write down what was executed since `forget`; returns the number of the file, as `read` takes it."""
    _ask(_DUMP)
    return next(_NUMBERS)


def read(folder: Path, number: int) -> Counted:
    """What the call `number` of `dump` wrote down, from 1 on.

    The format is that of callgrind's manual: lines `cfn=`, each followed by `calls=`, and that by the line
    and cost of what was called.

    Raises:
        OSError, RuntimeError: there is no such file, or it is not whole.
    """
    path = folder / f"{_FILE}.{number}"
    instructions, calls, costs = None, Counter(), Counter()
    caller = called = ""
    cost_follows = False
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if line.startswith("fn="):
                caller = line
            elif line.startswith("cfn="):
                called = line
            elif line.startswith("calls="):
                calls[caller, called] += int(line[6:].split()[0])
                cost_follows = True
            elif cost_follows:
                costs[caller, called] += int(line.split()[1])
                cost_follows = False
            elif line.startswith("totals:"):
                instructions = int(line.split()[1])
    if instructions is None:
        raise RuntimeError(f"{path} is not whole")
    # a call's cost has that of what is called from there: the outermost ones that wait have it all
    waited = sum(
        cost
        for (caller, called), cost in costs.items()
        if _WAITING.match(called) and not _WAITING.match(caller)
    )
    allocations = sum(number for (_, called), number in calls.items() if _name(called) in _ALLOCATING)
    queued = sum(
        number
        for (caller, called), number in calls.items()
        if called.startswith("cfn=operator new(") and _QUEUES.match(caller)
    )
    return Counted(instructions - waited, allocations - queued)


def _name(called: str) -> str:
    """What a line `cfn=` calls, without its version and depth of recursion."""
    return re.split(r"[\s'@]", called.removeprefix("cfn="), maxsplit=1)[0]


def _flags() -> frozenset[str]:
    found = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def _ask(request: int) -> int:
    arguments = (ctypes.c_ulong * 6)(request, 0, 0, 0, 0, 0)
    return _function()(arguments)


@cache
def _function() -> "ctypes._CFunctionType":  # pyright: ignore[reportPrivateUsage]
    memory = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(_REQUEST)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    found = ctypes.CFUNCTYPE(ctypes.c_ulong, ctypes.POINTER(ctypes.c_ulong))(address)
    found.memory = memory  # type: ignore[attr-defined]  # as long as the function
    return found
