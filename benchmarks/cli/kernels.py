"""`python -m benchmarks kernels`: what the kernels for cards take of one, compiled where there is none."""

from pathlib import Path

import click

from benchmarks.define.kernels import NEURONS
from benchmarks.judge.kernels import Compiled
from benchmarks.run.environment import environment
from benchmarks.run.kernels import assemble, compiled
from benchmarks.show import kernels as page


@click.command("kernels", context_settings={"max_content_width": 100})
@click.option(
    "--backend",
    "backends",
    type=click.Choice(compiled.BACKENDS),
    multiple=True,
    help="May be given several times. [default: all]",
)
@click.option(
    "--neurons",
    type=click.IntRange(1, 1024),
    multiple=True,
    default=NEURONS,
    show_default=True,
    help="Of the network; may be given several times.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Markdown file to write.")
def command(backends: tuple[str, ...], neurons: tuple[int, ...], out: Path | None) -> None:
    """Compile every kernel for compute capability 9.0, for every rule, mode, dtype and size class.

    Triton's kernels are compiled by Triton as a launch would, JAX's out of its program for a card, Numba's by
    numba-cuda; NVIDIA's assembler says what each takes. No card is needed.

    Exit status 1: one is refused, or can't be compiled here.
    """
    found: list[Compiled] = []
    failed: dict[str, str] = {}
    for backend in backends or compiled.BACKENDS:
        reason = compiled.unavailable(backend)
        if reason is not None:
            failed[backend] = reason
            continue
        for what, learners, outcome in compiled.compile_all(backend, neurons):
            if outcome["status"] != "ok":
                failed[f"{backend} {what}"] = outcome["reason"]
                click.echo(f"{backend} {what}: {outcome['reason']}", err=True)
                continue
            for takes in outcome["kernels"]:
                floors = compiled.floors_ms(takes["kernel"], learners)
                first = learners[0]
                found.append(Compiled(backend, first.dtype, first.n_rec, floors_ms=floors, **takes))
            click.echo(f"{backend} {what}: {len(outcome['kernels'])} compiled")
    text = page.markdown(found, failed, environment()["versions"], assemble.assemblers().values())
    if out is None:
        click.echo(text)
    else:
        out.write_text(text, encoding="utf-8")
    raise SystemExit(1 if failed else 0)
