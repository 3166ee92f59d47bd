"""docs/kernels.md: what each kernel for a card takes of it, and the least time that it needs."""

from collections.abc import Iterable, Mapping, Sequence

from benchmarks.define.cases import BATCH
from benchmarks.judge.kernels import Compiled, Row, rows

COMMAND = "python -m benchmarks kernels --out docs/kernels.md"
_LEAST_MS = 0.001
_DTYPES = ("float32", "float64")
_VERSIONS = ("triton", "torch", "jax", "jaxlib", "jax-triton", "jax-cuda13-plugin", "numba", "numba-cuda")


def markdown(
    found: Sequence[Compiled],
    failed: Mapping[str, str],
    versions: Mapping[str, str],
    assemblers: Iterable[tuple[int, ...]],
) -> str:
    """The page.

    Args:
        failed: what was not compiled, and why.
        versions: of packages; assemblers: versions of NVIDIA's assembler.
    """
    cards = list(found[0].floors_ms) if found else []
    said = ", ".join(f"{name} {versions[name]}" for name in _VERSIONS if name in versions)
    by = " and ".join(".".join(map(str, version)) for version in sorted(set(assemblers)))
    lines = [
        "# The kernels on a card",
        "",
        f"Written by `{COMMAND}`, without a card: {said}; ptxas {by}.",
        "",
        "Compiled for compute capability 9.0, for every rule, mode, loss, dtype and size class. Of several",
        "editions of a kernel it is the most that one takes, float32 / float64: threads of a program,",
        "registers and spilled bytes of a thread, shared memory of a program; programs, how many a processor",
        f"has room for in float32. Floor: the least time of a step of {BATCH} published trials, float32, by",
        "the rule for which it is least, as benchmarks/define/roofline.py counts what the kernel does.",
        "",
        "| backend | kernel | neurons | threads | registers | spilled bytes | shared KiB | programs |"
        + "".join(f" floor {card} (ms) |" for card in cards),
        "|---|---|---:|---:|---:|---:|---:|---:|" + "---:|" * len(cards),
    ]
    lines += [_line(row, cards) for row in rows(found)]
    if failed:
        lines += ["", "## Not compiled", "", *(f"- {what}: {_first(why)}" for what, why in failed.items())]
    return "\n".join(lines) + "\n"


def _line(row: Row, cards: Sequence[str]) -> str:
    def both(name: str, scale: float = 1.0) -> str:
        values = [getattr(row.of[dtype], name) * scale for dtype in _DTYPES if dtype in row.of]
        texts = [f"{value:.3g}" if value < 100.0 else f"{value:.0f}" for value in values]
        return texts[0] if len(set(texts)) == 1 else " / ".join(texts)

    threads = both("threads")
    programs = str(next(iter(row.of.values())).programs)
    cells = [row.backend, row.kernel, str(row.n_rec), threads, both("registers"), both("spilled_bytes")]
    cells += [both("shared_bytes", 1 / 1024), programs]
    cells += [_milliseconds(row.floors_ms[card]) for card in cards]
    return "| " + " | ".join(cells) + " |"


def _milliseconds(value: float) -> str:
    return f"{value:.2g}" if value >= _LEAST_MS else f"< {_LEAST_MS:g}"


def _first(text: str) -> str:
    return (text.strip().splitlines() or [""])[0]
