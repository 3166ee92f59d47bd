"""Texts inside Markdown, where none of them starts or ends anything."""

import re
from collections.abc import Sequence


def cell(text: str) -> str:
    """Text for a cell of a table or a paragraph: what would end it, or start markup, stands for itself."""
    for character in "\\|`*_<[]":
        text = text.replace(character, f"\\{character}")
    return " ".join(text.split())


def code_block(lines: Sequence[str]) -> str:
    """A block of code for a shell, a line for each text."""
    lines = [" ".join(line.split()) for line in lines]
    longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([f"{fence}sh", *lines, fence])
