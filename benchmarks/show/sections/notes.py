"""Notes on training runs that need a caution."""


def of_sweeps(shared: int, diverged: int) -> list[str]:
    """What to know of runs on shared workers, and of runs that diverged; nothing where there are none."""
    found = []
    if shared:
        were = "was" if shared == 1 else "were"
        found.append(
            f"{_runs(shared)} {were} trained in a sweep whose runs shared machines: their seconds compare"
            " with nothing and are left out, as are medians over seeds of which one is such a run."
        )
    if diverged:
        found.append(
            f"{_runs(diverged)} diverged, as the loss became NaN or infinite. Such runs count as far as they"
            " went, and have no final trials."
        )
    return found


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
