"""What XLA says of the programs that this process holds: nothing is run for it."""

import gc
import sys
from typing import Any


def drop() -> None:
    """Let go of all programs, where there are any."""
    if "jax" in sys.modules:
        import jax

        jax.clear_caches()
        gc.collect()


def held() -> list[Any]:
    """The compiled programs of JAX on the CPU; none where JAX was not imported."""
    if "jax" not in sys.modules:
        return []
    from jax.extend.backend import get_backend

    return list(get_backend("cpu").live_executables())


def figures(programs: list[Any]) -> dict[str, Any]:
    """Sums over programs, as `define.counts.COLUMNS` has them; nothing where there are none.

    Flops and bytes are those of XLA's cost analysis, which takes the body of a loop once.
    """
    if not programs:
        return {}
    costs = [program.cost_analysis() for program in programs]
    return {
        "flops": sum(cost.get("flops", 0.0) for cost in costs),
        "bytes_accessed": sum(cost.get("bytes accessed", 0.0) for cost in costs),
        "temp_bytes": sum(program.get_compiled_memory_stats().temp_size_in_bytes for program in programs),
        "fusions": sum(
            module.to_string().count(" fusion(") for program in programs for module in program.hlo_modules()
        ),
    }
