"""Backends and rules as options name them: lists, and `all` for what can run here."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import click
from click.core import ParameterSource

import implementations as impl
from benchmarks.define import reasons
from benchmarks.define.names import SYSTEM
from benchmarks.define.reasons import Broken
from benchmarks.define.runs import Run
from benchmarks.define.systems import SYSTEMS
from implementations.rules import ANY_RUNG, MODES, find, get

ALL = "all"

HERE = tuple(name for name, system in SYSTEMS.items() if not system.environment)
"""The systems that need no environment of their own."""

RULE_NAMES = ", ".join((*impl.RULES, ANY_RUNG))
"""What rules may be called, for `--help`."""


class Names(click.ParamType):
    """Names out of a list, separated by commas, or `all`."""

    def __init__(self, singular: str, allowed: tuple[str, ...]) -> None:
        self.name = singular
        self._allowed = allowed

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What `--help` shows as the value."""
        return "NAMES"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names, each of which is allowed."""
        found = []
        for name in (name.strip() for name in str(value).split(",")):
            known = ALL if name == ALL else self._known(name)
            if known is None:
                self.fail(
                    f"{name!r} is no {self.name}; it may be {', '.join((*self._may_be, ALL))}", param, ctx
                )
            found.append(known)
        return tuple(found)

    @property
    def _may_be(self) -> tuple[str, ...]:
        return self._allowed

    def _known(self, name: str) -> str | None:
        """The name as records have it; None for one that is not allowed."""
        return name if name in self._allowed else None


class Rules(Names):
    """Names of rules, separated by commas, or `all`: those of the table, and any rung of the ladder."""

    def __init__(self) -> None:
        super().__init__("rule", impl.RULES)

    @property
    def _may_be(self) -> tuple[str, ...]:
        return *self._allowed, ANY_RUNG

    def _known(self, name: str) -> str | None:
        found = find(name)
        return None if found is None else found.name


class OneRule(Rules):
    """The name of one rule."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """What `--help` shows as the value."""
        return "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name, a str."""
        found = self._known(str(value))
        if found is None:
            self.fail(f"{value!r} is no rule; it may be {', '.join(self._may_be)}", param, ctx)
        return found


def backend_option(command: Any) -> Any:
    """Add `--backend NAMES`, a tuple of tuples of names called `backends`."""
    return click.option(
        "--backend",
        "backends",
        type=Names("backend", impl.BACKENDS),
        multiple=True,
        default=(ALL,),
        help=f"Backends, separated by commas: {', '.join(impl.BACKENDS)}, or all (default): what can run.",
    )(command)


def rule_option(command: Any) -> Any:
    """Add `--rule NAMES`, a tuple of tuples of names called `rules`."""
    return click.option(
        "--rule",
        "rules",
        type=Rules(),
        multiple=True,
        default=(ALL,),
        help=f"Rules, separated by commas: {RULE_NAMES}, or all (default): what of the table can run here.",
    )(command)


def mode_option(command: Any) -> Any:
    """Add `--mode NAME`, one of `rules.MODES`."""
    return click.option(
        "--mode", type=click.Choice(MODES), default=MODES[0], show_default=True, help="Form of the rule."
    )(command)


def system_option(name: str) -> Callable[[Any], Any]:
    """Add `--system NAME`, one of the systems that the command of this name knows."""
    others = {system: kind for system, kind in SYSTEMS.items() if name in kind.options}
    as_they_are = "".join(f", or the {kind.title} as it is" for kind in others.values())
    return click.option(
        "--system",
        type=click.Choice((SYSTEM, *others)),
        default=SYSTEM,
        show_default=True,
        help=f"The network of README.md{as_they_are}.",
    )


def systems_option(command: Any) -> Any:
    """Add `--system NAMES`, a tuple of tuples of names called `systems`."""
    return click.option(
        "--system",
        "systems",
        type=Names("system", tuple(SYSTEMS)),
        multiple=True,
        default=HERE,
        help=f"Systems, separated by commas: {', '.join(SYSTEMS)}, or all. Default: {', '.join(HERE)}, as far"
        " as they fit the options. The others are libraries in environments of their own: make peers.",
    )(command)


def of_system(system: str, kind: str, names: tuple[str, ...]) -> tuple[str, ...]:
    """Which of a system's backends or rules (`kind`) an option asks for; its own where it is not given.

    Args:
        system: one of `systems.SYSTEMS`.
        kind: "backend" or "rule", also the name of the option.
        names: what `chosen` returned.
    """
    found = SYSTEMS[system]
    allowed: tuple[str, ...] = getattr(found, f"{kind}s")
    if not given(f"{kind}s") and not given(kind):
        return found.default_rules if kind == "rule" else allowed
    if ALL in names:
        return allowed
    for name in names:
        if name not in allowed:
            raise click.BadParameter(
                f"{name!r} is no {kind} of --system {system}; it may be {', '.join((*allowed, ALL))}",
                param_hint=f"'--{kind}'",
            )
    return names


def given(parameter: str) -> bool:
    """Whether the running command was given a value for this parameter."""
    source = click.get_current_context().get_parameter_source(parameter)
    return source not in (None, ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)


def refuse_other_options(system: str, command: str) -> None:
    """Fail if the running command was given an option that does not apply to a system.

    Args:
        system: one of `systems.SYSTEMS`.
        command: name of the running command.
    """
    context = click.get_current_context()
    for parameter in context.command.params:
        if given(parameter.name or "") and parameter.name not in (
            *SYSTEMS[system].options[command],
            "system",
        ):
            raise click.BadParameter(
                f"does not apply to --system {system}, which is what it is: leave it out",
                context,
                parameter,
            )


def chosen(groups: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    """The names of all uses of an option, each once, or `all` alone."""
    names = tuple(dict.fromkeys(name for group in groups for name in group))
    return (ALL,) if ALL in names else names


class Pairs(NamedTuple):
    """Backends with rules that can run, and those backends that should and are broken."""

    able: list[tuple[str, str]]
    broken: tuple[str, ...]


def pairs(
    backends: tuple[str, ...],
    rules: tuple[str, ...],
    device: str,
    mode: str | None,
    unavailable: Callable[..., str | None] = reasons.unavailable,
    say: Callable[[str], None] = click.echo,
) -> Pairs:
    """Backends with rules that can run here, in `mode` or, where it is None, in any.

    What was asked for by name and can't run is an error. What `all` stands for and can't run is left out,
    with a line that says why; of what is broken the command says so again at its end, by
    `exit_if_broken`. `unavailable` is asked: by default of this machine.
    """
    found = []
    left_out: list[str] = []
    broken: dict[str, None] = {}
    for backend in impl.BACKENDS if backends == (ALL,) else backends:
        reason = unavailable(backend, device)
        if isinstance(reason, Broken):
            broken[backend] = None
        if reason is not None:
            if backends != (ALL,):
                raise click.BadParameter(
                    f"{backend!r} with --device {device} can't run here: {reason}", param_hint="'--backend'"
                )
            left_out.append(f"leaving out {backend}: {reason}")
            continue
        for rule in impl.RULES if rules == (ALL,) else rules:
            if mode is not None and mode not in get(rule).modes:
                reason = f"it has no mode {mode}, only {' and '.join(get(rule).modes)}"
            else:
                reason = unavailable(backend, device, rule)
            if isinstance(reason, Broken):
                broken[backend] = None
            if reason is None:
                found.append((backend, rule))
            elif rules == (ALL,) or backends == (ALL,):
                left_out.append(f"leaving out {rule} on {backend}: {reason}")
            else:
                raise click.BadParameter(f"{rule!r} can't run here: {reason}", param_hint="'--rule'")
    if not found:
        raise click.UsageError(
            "nothing of what --backend and --rule ask for can run here: " + "; ".join(left_out)
        )
    for line in left_out:
        say(line)
    return Pairs(found, tuple(broken))


def without_broken(runs: Sequence[Run], first: int, backends: tuple[str, ...]) -> tuple[list[Run], list[str]]:
    """Those runs whose backend can make a learner, and the backends that can't though they should.

    Args:
        runs: those of one seed first, with every backend among them.
        first: how many these are.
        backends: as the option has them: one that was asked for by name, and is broken, is an error.

    Raises:
        InvalidArgument: (a ValueError) for an argument that doesn't fit a backend.
    """
    broken: dict[str, None] = {}
    for run in runs[:first]:
        if run.backend in broken:
            continue
        try:
            run.learner()
        except impl.InvalidArgument:
            raise
        except Exception as error:
            reason = reasons.broken(f"{run.backend} is broken here", error)
            if backends != (ALL,):
                raise click.ClickException(reason) from error
            click.echo(f"leaving out {run.backend}: {reason}")
            broken[run.backend] = None
    return [run for run in runs if run.backend not in broken], list(broken)


def exit_if_broken(backends: Iterable[str]) -> None:
    """Exit status 1 where backends were left out because they are broken; each was said."""
    names = tuple(dict.fromkeys(backends))
    if names:
        verb = "is" if len(names) == 1 else "are"
        click.echo(f"{' and '.join(names)} {verb} broken here and left out, see above", err=True)
        raise SystemExit(1)
