"""The C++ operators of csrc/: built with torch's extension tools, kept on disk, loaded once per process.

Environment variables:
    EPROP_BENCH_TORCH_EXTENSION: "0" does without the operators, and without a warning.
    EPROP_BENCH_TORCH_MARCH: for which processor they are built, as the compiler's -march takes it; by default
        for this one.
    TORCH_EXTENSIONS_DIR, CXX: as everywhere in torch: where built libraries are kept, and the compiler.
"""

import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path

import torch
from filelock import FileLock  # torch itself depends on it

from implementations import private_folder

SWITCH = "EPROP_BENCH_TORCH_EXTENSION"
MARCH = "EPROP_BENCH_TORCH_MARCH"
_NAME = "eprop_bench"
_SOURCES = Path(__file__).parent / "csrc"
# Everything that lets the compiler reorder and fuse, but NaN and infinity stay what they are: a diverged
# network has to show. Denormals are seen to in the kernels, for their threads only.
_MATH = (
    "-fno-math-errno", "-fno-trapping-math", "-fno-signed-zeros", "-fassociative-math",
    "-freciprocal-math", "-ffp-contract=fast",
)  # fmt: skip

_lock = threading.Lock()
_loaded = False
_warned = False


class BuildError(RuntimeError):
    """The compiler is there, but could not build the operators; the text has what it said."""


def compilations() -> int:
    """Libraries that this process built or loaded."""
    return int(_loaded)


def usable() -> bool:
    """Whether the operators are there, after building and loading them if need be.

    Where there is no compiler the answer is False, with a warning once per process.

    Raises:
        BuildError: the compiler fails.
    """
    global _loaded, _warned
    if os.environ.get(SWITCH) == "0":
        return False
    with _lock:
        if _loaded:
            return True
        reason = missing()
        if reason is None:
            _load()
            _loaded = True
        elif not _warned:
            _warned = True
            warnings.warn(
                f"{reason}; until then the torch backend takes torch operations: the same results in many "
                f"times the time ({SWITCH}=0 asks for that, without this warning)",
                RuntimeWarning,
                stacklevel=5,  # whoever asked for a learner
            )
        return _loaded


def missing() -> str | None:
    """What to install before the operators can be built; None where all is there."""
    if sys.platform == "win32":
        return "the C++ operators are built on Linux and macOS only: use one of them"
    compiler = _compiler()
    if shutil.which(compiler[0]) is None:
        install = "install g++ or clang, or name one in CXX"
        return f"there is no C++ compiler {compiler[0]!r}: {install}"
    if _ninja_folder() is None:
        return "there is no ninja, which torch builds with: pip install ninja"
    return None


def flags() -> list[str]:
    """Of the compiler."""
    native = "-mcpu=native" if platform.machine() in ("aarch64", "arm64") else "-march=native"
    if processor := os.environ.get(MARCH):
        native = f"-march={processor}"
    found = ["-O3", native, *_MATH]
    if torch.backends.cpu.get_cpu_capability() == "AVX512":
        found.append("-mprefer-vector-width=512")
    if sys.platform == "linux":
        found.append("-fopenmp")
    return found


def _load() -> None:
    """From the first folder that takes a library, and from which one can be loaded."""
    name, reasons = _build_name(), []
    for root in _roots(reasons):
        folder = root / "eprop-bench" / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _load_from(folder)
            return
        except OSError as error:
            reasons.append(f"{root}: {error.strerror or error.__cause__ or error}")
    raise BuildError(f"no folder to keep the C++ operators in: {'; '.join(reasons)}")


def _load_from(folder: Path) -> None:
    """Load the library of a folder; build it first where there is none, or one that is damaged."""
    if os.name == "posix" and os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0):
        raise OSError("no program may be loaded from there (noexec)")
    library = folder / f"{_NAME}.so"
    # a lock that ends with its process, unlike torch's own, for which the next build would wait forever
    with FileLock(library.with_suffix(".lock")):
        if library.exists():
            with suppress(OSError):
                torch.ops.load_library(str(library))
                return
        _build(library)


def _build(library: Path) -> None:
    """Build in a folder beside it, and move it there when it is whole. This loads it too."""
    from torch.utils import cpp_extension  # takes its time, and only a build needs it

    with tempfile.TemporaryDirectory(dir=library.parent) as folder, _ninja_on_path():
        try:
            cpp_extension.load(
                _NAME,
                [str(_SOURCES / "operators.cpp")],
                extra_cflags=flags(),
                extra_ldflags=_openmp_library(),
                build_directory=folder,
                is_python_module=False,
            )
        except OSError:  # the disk is full, or what was built can't be loaded: another folder may do
            raise
        except Exception as error:
            raise BuildError(
                f"the C++ operators of the torch backend can't be built: {error}\n"
                f"({SWITCH}=0 does without them, in many times the time)"
            ) from error
        os.replace(next(Path(folder).glob("*.so")), library)


def _openmp_library() -> list[str]:
    """The OpenMP that torch brings, whose threads are there already, rather than the compiler's."""
    folder = Path(torch.__file__).parent / "lib"
    found = sorted(folder.glob("libgomp*.so*"))
    if found:
        return [f"-L{folder}", f"-l:{found[0].name}"]
    return ["-fopenmp"] if "-fopenmp" in flags() else []


def _build_name() -> str:
    """After all that the library depends on, the CPU included."""
    digest = hashlib.sha256()
    for source in sorted(_SOURCES.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    digest.update("\0".join((torch.__version__, *_compiler(), *flags(), *_openmp_library())).encode())
    digest.update(_target())
    return digest.hexdigest()[:16]


def _roots(reasons: list[str]) -> Iterator[Path]:
    """Folders for libraries, in their order; why one is left out is added to `reasons`."""
    configured = os.environ.get("TORCH_EXTENSIONS_DIR")
    try:
        root = Path(configured) if configured else Path.home() / ".cache" / "torch_extensions"
    except RuntimeError:
        reasons.append("this user has no home")
    else:
        yield root
    try:
        root = private_folder.in_temporary_files("torch_extensions")
    except private_folder.NotPrivate as reason:
        reasons.append(str(reason))
    else:
        yield root


def _target() -> bytes:
    """What the compiler makes of these flags here: its version, and the instructions of this CPU."""
    done = subprocess.run(
        [*_compiler(), *flags(), "-dM", "-E", "-x", "c++", os.devnull], capture_output=True, check=False
    )
    if done.returncode != 0:
        raise BuildError(f"{shlex.join(done.args)} fails: {done.stderr.decode(errors='replace')}")
    return done.stdout


def _compiler() -> list[str]:
    """The command that torch compiles with."""
    return shlex.split(os.environ.get("CXX", "")) or ["c++"]


def _ninja_folder() -> str | None:
    """Where ninja is: on the path, or in the package of that name."""
    found = shutil.which("ninja")
    if found is not None:
        return str(Path(found).parent)
    if find_spec("ninja") is None:
        return None
    import ninja

    return ninja.BIN_DIR


@contextmanager
def _ninja_on_path() -> Iterator[None]:
    """For torch, which only looks there: an environment that isn't activated has it elsewhere."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join(filter(None, (before, _ninja_folder())))
    try:
        yield
    finally:
        os.environ["PATH"] = before
