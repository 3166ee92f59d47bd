"""A command line as records carry it: what repeats the work elsewhere, without what is this machine's own."""

import shlex
from collections.abc import Sequence

import click

_ADDRESSES = ("scheduler",)


def shareable(name: str, command: click.Command, words: Sequence[str]) -> str:
    """A command and its options, quoted for a shell, without those whose value is a path or an address.

    Args:
        name: of the command.
        command: says which of its options are paths.
        words: that follow the name.
    """
    left_out = {
        option
        for parameter in command.params
        if isinstance(parameter.type, click.Path | click.File) or parameter.name in _ADDRESSES
        for option in parameter.opts
    }
    kept: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in left_out:
            next(rest, None)
        elif word.partition("=")[0] not in left_out:
            kept.append(word)
    return shlex.join(["python", "-m", "benchmarks", name, *kept])
