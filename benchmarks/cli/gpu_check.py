"""`python -m benchmarks gpu-check`: one command for a machine with a card."""

import time
from pathlib import Path

import click
import numpy as np

import implementations as impl
from benchmarks.cli.options import naming_options, results_option
from benchmarks.cli.tune_kernels import EVERY_S, tune_kernels
from benchmarks.define import gpu_plan, reasons
from benchmarks.define.gpu_plan import DEVICE, Item
from benchmarks.judge.agreement import computes_as_numpy, deviates
from benchmarks.judge.gpu_check import Found, exit_status
from benchmarks.run import conformance, interruption, parity, timings
from benchmarks.run.environment import environment
from benchmarks.run.process import Budget
from benchmarks.show import gpu_check as summary
from benchmarks.store.append import RunFile
from benchmarks.store.failures import Failures
from benchmarks.store.files import check_writable

NO_CARD = 3
_FIRST_SHARE = 0.5


@click.command("gpu-check", context_settings={"max_content_width": 100})
@click.option(
    "--minutes",
    type=click.FloatRange(0.1, 60.0),
    default=9.0,
    show_default=True,
    help="Time to keep to; what is left over at its end is named.",
)
@click.option(
    "--limit",
    "limit_s",
    type=click.FloatRange(1.0, 3600.0),
    default=gpu_plan.LIMIT_S,
    show_default=True,
    help="Seconds for a measured process, or for one comparison: what hangs costs no more.",
)
@click.option(
    "--seed", type=click.IntRange(0, 2**62), help="Of the random problems. [default: a new one each time]"
)
@click.option("--batch", type=click.IntRange(1), help="Trials per step. [default: the published size]")
@click.option("--delay-ms", type=click.IntRange(1), help="Time from the last cue to the end of a trial.")
@click.option("--measure/--no-measure", default=True, show_default=True, help="Measure after the checks.")
@click.option("--tune", is_flag=True, help="Time each choice about the kernels beside its default instead.")
@results_option
def command(
    minutes: float,
    limit_s: float,
    seed: int | None,
    batch: int | None,
    delay_ms: int | None,
    measure: bool,
    tune: bool,
    results: Path,
) -> None:
    """Check what every backend computes on a card, then measure time, memory and scaling.

    The most important is first, as time may run out: random problems of the published size in float64 and
    float32 against NumPy; steps at that size, and the backend's own loop of framework operations; memory;
    scaling in batch and neurons; problems of other sizes, the published numbers, other rules. With --tune,
    instead, steps with warps, rows, chunks and the like chosen otherwise: what defaults are set by.

    Every record is on disk as soon as it is measured, in at most eight files under --results; gpu-check/
    has the summary so far, and errors.txt the full text of what failed.

    Exit status 0: all as it should be. 1: something is wrong, or misses its target. 3: no backend can use a
    card here, and why. What is measured is kept when the command is interrupted.
    """
    found_out = {backend: reasons.unavailable(backend, DEVICE) for backend in impl.BACKENDS}
    able = [backend for backend, reason in found_out.items() if reason is None]
    if not able:
        click.echo("no backend can use a card here:", err=True)
        for backend, reason in found_out.items():
            click.echo(f"  {backend}: {reason}", err=True)
        raise SystemExit(NO_CARD)
    check_writable(results / "gpu-check" / "summary.md")
    with naming_options():
        items = gpu_plan.items(able, batch=batch, delay_ms=delay_ms)
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else seed
    click.echo(f"seed {seed}; {minutes:g} minutes; {', '.join(able)}")
    if tune:
        tune_kernels(able, results, Budget(60.0 * minutes), limit_s)
    check = _Check(results, Budget(60.0 * minutes), limit_s, seed, found_out)
    with interruption.terminated_as_interrupted():
        try:
            for step, what in gpu_plan.ORDER:
                if step == "measure" and measure:
                    check.measure([item for item in items if item.part == what])
                elif step == "compare":
                    check.compare(able, what)
                elif step == "published numbers":
                    check.hold_against_published(able)
        except KeyboardInterrupt:
            check.interrupted = True
            click.echo("interrupted: what is measured is kept", err=True)
        check.write()
    click.echo(check.summary.read_text(encoding="utf-8"))
    click.echo(summary.last_lines(check.found, check.failures))
    raise SystemExit(interruption.CTRL_C if check.interrupted else exit_status(check.found))


class _Check:
    """What is found, and written at once: records, and the summary so far."""

    def __init__(
        self, results: Path, budget: Budget, limit_s: float, seed: int, found_out: dict[str, str | None]
    ) -> None:
        self._results, self._budget, self._limit_s, self._seed = results, budget, limit_s, seed
        self._reasons = {backend: reason for backend, reason in found_out.items() if reason is not None}
        self._conformance = RunFile(results / "conformance")
        self._files = timings.PlanFiles(results)
        self._shown_s = time.monotonic()
        self.failures = Failures(results / "gpu-check" / "errors.txt")
        self.found = Found()
        self.interrupted = False

    @property
    def summary(self) -> Path:
        """For people."""
        return self._results / "gpu-check" / "summary.md"

    def compare(self, able: list[str], size: str) -> None:
        """Random problems of one size; the first may take half of the time."""
        share = _FIRST_SHARE if not self.found.compared else 1.0
        share_of = Budget(share * self._budget.left_s())
        wanted = conformance.checks(able, DEVICE, self._seed, ("float64", "float32"), size)
        before = len(self.found.compared)
        for record in conformance.compare_all(
            wanted, self._conformance, self._limit_s, share_of.left_s, self.failures
        ):
            self.found.compared.append(record)
            if record["status"] == "ok" and not computes_as_numpy(record):
                words = " ".join(str(record[name]) for name in ("backend", "rule", "mode", "dtype", "size"))
                click.echo(f"conformance: {words}: deviates (seed {record['seed']})")
            self._so_far()
        missed = len(wanted) - (len(self.found.compared) - before)
        self.found.left_out += [f"conformance, {size}: {missed} of {len(wanted)}"] if missed else []

    def measure(self, items: list[Item]) -> None:
        """Each in a process of its own."""
        for item, record in timings.measure_plan(
            items, self._files, self._limit_s, self._budget.left_s, self.failures
        ):
            if record is None:
                self.found.left_out.append(item.name)
                continue
            self.found.measured.append((item, record))
            click.echo(f"{item.name}: {summary.outcome(record)}")
            self._so_far()

    def hold_against_published(self, able: list[str]) -> None:
        """The numbers of the code published with the paper."""
        wanted = [one for one in parity.checks(DEVICE) if one.backend in able]
        found = list(
            parity.compare_all(
                wanted, self._results, self._budget.left_s, self._limit_s, failures=self.failures
            )
        )
        self.found.published += found
        missed = len(wanted) - len(found)
        self.found.left_out += [f"published numbers: {missed} of {len(wanted)}"] if missed else []
        for record in filter(deviates, found):
            words = " ".join(str(record[name]) for name in ("backend", "rule", "mode"))
            click.echo(f"published numbers: {words}: {record.get('reason') or 'deviates'}")
        self._so_far()

    def write(self) -> None:
        """The summary of what there is."""
        facts = {
            "seed": self._seed,
            "used_s": time.monotonic() - self._budget.start,
            "interrupted": self.interrupted,
            "cards": environment().get("cards"),
            "environment": environment(),
            "reasons": self._reasons,
        }
        summary.write(self.summary.parent, self.found, facts)

    def _so_far(self) -> None:
        """Write, and every few seconds show, what there is."""
        self.write()
        if time.monotonic() - self._shown_s >= EVERY_S:
            used_s = time.monotonic() - self._budget.start
            click.echo(f"--- so far, after {used_s:.0f} s\n{summary.so_far(self.found)}---")
            self._shown_s = time.monotonic()
