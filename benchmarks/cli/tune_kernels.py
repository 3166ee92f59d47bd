"""What `gpu-check --tune` does."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from benchmarks.define.kernel_choices import Variant, variants
from benchmarks.run import interruption, kernel_choices
from benchmarks.run.process import Budget
from benchmarks.show.kernel_choices import table
from benchmarks.store.append import RunFile
from benchmarks.store.failures import Failures

EVERY_S = 5.0
"""Between two tables of what there is so far."""


def tune_kernels(able: list[str], results: Path, budget: Budget, limit_s: float) -> NoReturn:
    """Time all variants; exit status 1 where the defaults themselves fail."""
    failures = Failures(results / "gpu-check" / "errors.txt")
    groups = variants(able)
    timed: list[tuple[Variant, Mapping[str, Any]]] = []
    left_out: list[str] = []
    interrupted, shown_s = False, time.monotonic()
    with interruption.terminated_as_interrupted():
        try:
            file = RunFile(results / "choices")
            for variant, record in kernel_choices.measure_all(groups, file, limit_s, budget.left_s, failures):
                if record is None:
                    left_out.append(variant.name)
                    continue
                timed.append((variant, record))
                if time.monotonic() - shown_s >= EVERY_S:
                    click.echo(f"--- so far\n{table(timed)}\n---")
                    shown_s = time.monotonic()
        except KeyboardInterrupt:
            interrupted = True
    click.echo(table(timed))
    if left_out:
        click.echo(f"no time left for {len(left_out)}, the first of them {left_out[0]}")
    if failures.found:
        click.echo(f"full text of {len(failures.found)} failures: {failures.path}")
    failed = any(record["status"] == "failed" and not variant.change for variant, record in timed)
    raise SystemExit(interruption.CTRL_C if interrupted else int(failed))
