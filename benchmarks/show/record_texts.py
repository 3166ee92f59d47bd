"""Texts out of records where they can't stand as they are: in names of files and ids, and inside a figure.

What the page and its Markdown print is escaped by their templates.
"""

import hashlib
import re

_LONGEST_STEM = 48
_LONGEST_IN_FIGURE = 80


def stem(name: str) -> str:
    """A name as a part of names of files, of links and of ids.

    Args:
        name: whatever a record holds.

    Returns:
        Letters a-z, digits and "-", 57 of them at most. Different names give different ones: those that are
        not of a-z, digits and single "_" alone, or too long, end with a digest.
    """
    plain = re.sub("[^a-z0-9]+", "-", name.lower())[:_LONGEST_STEM].strip("-")
    if plain and name == plain.replace("-", "_"):
        return plain
    digest = hashlib.sha256(name.encode(errors="backslashreplace")).hexdigest()[:8]
    return f"{plain}-{digest}".lstrip("-")


def in_figure(text: str) -> str:
    """A text as Matplotlib is to print it: on one line of bounded length, and no formula for its "$"."""
    text = " ".join(text.split())
    if len(text) > _LONGEST_IN_FIGURE:
        text = text[: _LONGEST_IN_FIGURE - 1] + "…"
    hidden = text.startswith("_")  # of which Matplotlib's legends would say nothing
    return " " * hidden + text.replace("$", r"\$")
