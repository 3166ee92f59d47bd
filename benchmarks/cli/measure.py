"""`python -m benchmarks measure`: time and memory of training steps, recorded under results/timings."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from benchmarks.cli import choices
from benchmarks.cli.choices import (
    ALL,
    backend_option,
    chosen,
    exit_if_broken,
    given,
    rule_option,
    systems_option,
)
from benchmarks.cli.options import data_option, machine_options, naming_options, results_option
from benchmarks.cli.output import console
from benchmarks.define import reasons
from benchmarks.define.cases import (
    BATCH,
    LIBRARY_BATCHES,
    LIBRARY_PATIENCE_S,
    LIBRARY_THREADS,
    Case,
    delayed,
    length_cases,
    library_cases,
    scaling_cases,
    step_cases,
)
from benchmarks.define.names import SYSTEM
from benchmarks.define.problem import DEFAULT, PROBLEMS, TASK_NAME
from benchmarks.define.reasons import Broken
from benchmarks.define.systems import SYSTEMS, Peer, System, peers
from benchmarks.run import peer_environments, timings
from implementations import EvidenceAccumulation, checks
from implementations.rules import MODES, costly, ordered


@click.command("measure", context_settings={"max_content_width": 100})
@systems_option
@backend_option
@rule_option
@click.option(
    "--mode",
    "modes",
    type=click.Choice(MODES),
    multiple=True,
    default=MODES,
    help="Form of the rule; may be given twice. [default: both]",
)
@click.option("--batch", type=int, default=BATCH, show_default=True, help="Trials per step.")
@machine_options
@click.option("--rounds", type=int, default=3, show_default=True, help="Fresh processes per timed case.")
@click.option(
    "--delay-ms",
    type=int,
    default=EvidenceAccumulation.delay_ms,
    show_default=True,
    help="Time from the last cue to the end of the trial; the published trial has 2250 steps.",
)
@click.option(
    "--steps/--no-steps", default=True, show_default=True, help="Measure time and memory at the given size."
)
@click.option(
    "--lengths/--no-lengths", default=True, show_default=True, help="Also measure memory in longer trials."
)
@click.option(
    "--scaling/--no-scaling",
    default=False,
    show_default=True,
    help="Also measure time and memory against neurons and batch; takes longer than all the rest.",
)
@data_option
@results_option
def command(systems: tuple[tuple[str, ...], ...], rounds: int, results: Path, **values: Any) -> None:
    """Measure the time and memory of training steps.

    Every case runs in processes of its own, interleaved with the others, so that what else the machine does
    falls on all alike. All that this command measures is one run: figures of two runs are never compared.

    The BrainPy notebook is measured with the rest where its backend and rules are asked for and the size is
    its own: 128 trials of 2250 steps, float32, all cores. What is timed is its trainer's step, Adam included;
    drawing trials is timed for no system.

    Where --system names libraries, or all, the rules that they have are measured, on them and on the
    backends, at 16 and at 128 trials, with one thread and with all, unless options say otherwise.
    """
    if not (values["steps"] or values["lengths"] or values["scaling"]):
        raise click.UsageError("nothing to measure: --no-steps and --no-lengths need --scaling")
    wanted = chosen(systems)
    if DEFAULT != TASK_NAME:
        wanted, values = _of_data(wanted, values)
    values["by_name"] = given("systems") and wanted != (ALL,)
    with naming_options():
        checks.integer("rounds", rounds, 1)
        broken: list[str] = []
        names = tuple(SYSTEMS) if wanted == (ALL,) else wanted
        libraries = _libraries_here(names, values["by_name"])
        names = tuple(name for name in names if not SYSTEMS[name].environment or SYSTEMS[name] in libraries)
        if libraries:
            cases = _beside_libraries(names, libraries, values, broken)
        else:
            cases = [case for name in names for case in _cases(name, values, broken)]
        cases = list(dict.fromkeys(cases))  # a size may belong to more than one of them
    if not cases:
        raise click.UsageError("none of the rules has a mode that --mode asks for")
    failed = _measure(cases, rounds, results, timings.LIBRARIES if libraries else timings.TIMINGS)
    if failed:
        click.echo(f"{failed} of {timings.count(cases, rounds)} measurements failed", err=True)
        raise SystemExit(1)
    exit_if_broken(broken)


def _libraries_here(names: Iterable[str], by_name: bool) -> list[Peer]:
    """Those whose environments are there; others are named, or an error where they were asked for by name."""
    here: list[Peer] = []
    for peer in (peer for name, peer in peers().items() if name in names):
        reason = peer_environments.missing(peer.environment)
        if reason is None:
            here.append(peer)
        elif by_name:
            raise click.UsageError(f"--system {peer.name} can't be measured: {reason}")
        else:
            click.echo(f"leaving out {peer.title}: {reason}")
    return here


def _beside_libraries(
    names: Iterable[str], libraries: list[Peer], values: Mapping[str, Any], broken: list[str]
) -> list[Case]:
    """Those of libraries, and of the other systems at the same sizes, with the same rules."""
    for option in ("lengths", "scaling"):
        if given(option) and values[option]:
            raise click.UsageError(f"--{option} does not apply to libraries: name other systems by --system")
    if not values["steps"]:
        raise click.UsageError("--no-steps leaves out all that is measured of libraries")
    rules = chosen(values["rules"])
    of_libraries = {peer.name: _rules_of(peer, rules) for peer in libraries}
    found = {rule for of in of_libraries.values() for rule in of}
    if not found:
        has = "; ".join(f"{peer.name} has {', '.join(peer.rules)}" for peer in libraries)
        raise click.UsageError(f"none of the libraries has a rule that --rule asks for: {has}")
    cases: list[Case] = []
    for system in (SYSTEMS[name] for name in names if name in of_libraries or not SYSTEMS[name].environment):
        dtype = values["dtype"]
        if isinstance(system, Peer):
            pairs = [(system.name, rule) for rule in of_libraries[system.name]]
            dtype = dtype if dtype in system.dtypes else system.dtypes[0]
        else:
            # of what is a network of its own, the cost has no other beside it
            same = {rule for peer in libraries if not peer.cost_alone for rule in of_libraries[peer.name]}
            wanted = ordered(same or found) if rules == (ALL,) else rules
            pairs = _pairs_beside(system, wanted, values, broken)
        sized = library_cases(
            pairs,
            [mode for mode in system.modes if mode in values["modes"]],
            (values["batch"],) if given("batch") else LIBRARY_BATCHES,
            (values["threads"],) if given("threads") else LIBRARY_THREADS,
            **{"problem": delayed(values["delay_ms"]), "device": values["device"], "dtype": dtype},
            **{"system": system.name, "patience_s": LIBRARY_PATIENCE_S},
        )
        # of what has one size, that alone; whose environment is there is known
        cases += [case for case in sized if system.unavailable(case) is None]
    return cases


def _pairs_beside(
    system: System, rules: tuple[str, ...], values: Mapping[str, Any], broken: list[str]
) -> list[tuple[str, str]]:
    """Backends with rules of a system of this environment."""
    backends = chosen(values["backends"])
    if system.name == SYSTEM:
        pairs = choices.pairs(backends, rules, values["device"], None)
        broken += pairs.broken
        return pairs.able
    return [
        (backend, rule)
        for backend in system.backends
        for rule in system.rules
        if {backend, ALL} & set(backends) and rule in rules
    ]


def _rules_of(peer: Peer, asked: tuple[str, ...]) -> list[str]:
    """Of a library the rules that are asked for; where none is, one for each way that the gradient takes."""
    if asked != (ALL,):
        return [rule for rule in peer.rules if rule in asked]
    return [rule for rule in peer.rules if rule in costly()] or list(peer.rules)


def _of_data(systems: tuple[str, ...], values: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Systems and values where trials are somebody's own, which have one length: steps of the backends."""
    for name in ("delay_ms", "lengths", "scaling"):
        if given(name) and values[name]:
            raise click.BadParameter(
                "does not apply with --data, whose trials have their length",
                param_hint="'--" + name.replace("_", "-") + "'",
            )
    if given("systems") and systems not in ((ALL,), (SYSTEM,)):
        raise click.BadParameter("with --data it may be " + SYSTEM, param_hint="'--system'")
    return (SYSTEM,), {**values, "lengths": False, "scaling": False}


def _cases(name: str, values: Mapping[str, Any], broken: list[str]) -> list[Case]:
    """Those of a system that the options ask for; adds to `broken` what is left out because it is."""
    if name != SYSTEM:
        return _cases_as_it_is(SYSTEMS[name], values, broken)
    pairs = choices.pairs(chosen(values["backends"]), chosen(values["rules"]), values["device"], None)
    broken += pairs.broken
    return _of_sizes(pairs.able, values)


def _of_sizes(pairs: list[tuple[str, str]], values: Mapping[str, Any], **of: Any) -> list[Case]:
    """Steps at the given size, memory in longer trials, and scaling, as the options ask for them."""
    modes = values["modes"]
    beyond = {name: values[name] for name in ("dtype", "device", "threads")} | of
    problem = delayed(values["delay_ms"]) if DEFAULT == TASK_NAME else PROBLEMS[DEFAULT]
    given_size = {**beyond, "batch": values["batch"], "problem": problem}
    cases = step_cases(pairs, modes, **given_size) if values["steps"] else []
    cases += length_cases(pairs, modes, **beyond) if values["lengths"] else []
    cases += scaling_cases(pairs, modes, **beyond) if values["scaling"] else []
    return cases


def _cases_as_it_is(system: System, values: Mapping[str, Any], broken: list[str]) -> list[Case]:
    """Of a system that is what it is: none, with a line that says why, where something else is asked for."""
    backends, rules = chosen(values["backends"]), chosen(values["rules"])
    pairs = [
        (backend, rule)
        for backend in system.backends
        for rule in system.rules
        if {backend, ALL} & set(backends) and {rule, ALL} & set(rules)
    ]
    sizes = {**values, "lengths": False, "scaling": False} if system.one_size else values
    asked = {**sizes, "modes": system.modes}
    cases = _of_sizes(pairs, asked, system=system.name)
    found = [reasons.asked(f"the {system.title}", partial(system.unavailable, case)) for case in cases]
    if not set(system.modes) & set(values["modes"]):
        found.append(f"the {system.name}'s mode is {' or '.join(system.modes)}")
    if not pairs:
        found.append(f"the {system.name} has none of the backends and rules that are asked for")
    if system.one_size and not values["steps"]:
        found.append(f"the {system.name} has one size, and --no-steps leaves it out")
    reason = next((reason for reason in found if reason is not None), None)
    if reason is None:
        return [case for case in cases if case.mode in values["modes"]]
    if values["by_name"]:
        raise click.UsageError(f"--system {system.name} can't be measured: {reason}")
    if pairs:
        click.echo(f"leaving out the {system.title}: {reason}")
        broken += [f"the {system.title}"] if isinstance(reason, Broken) else []
    return []


def _measure(cases: list[Case], rounds: int, results: Path, folder: str) -> int:
    """Measure and show; returns how many measurements failed."""
    failed = 0
    out = console()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, disable=not out.is_interactive) as progress:
        task = progress.add_task("measuring", total=timings.count(cases, rounds))
        for record in timings.measure_all(cases, rounds, results, folder):
            progress.advance(task)
            progress.console.print(_line(record), markup=False, highlight=False, soft_wrap=True)
            failed += record["status"] == "failed"
    return failed


def _line(record: dict[str, Any]) -> str:
    case = " ".join(str(record[name]) for name in ("backend", "rule", "mode", "n_steps", "batch", "n_rec"))
    if record["system"] != SYSTEM:
        case = f"{record['system']} {case}"
    if record["status"] != "ok":
        return f"{case}: {record['status']}: {record['reason']}"
    middle = sorted(record["step_s"])[len(record["step_s"]) // 2]
    memory = f", {record['peak_bytes'] / 2**20:.1f} MiB" if "peak_bytes" in record else ""
    return f"{case}: {middle * 1e3:.1f} ms per step{memory}"
