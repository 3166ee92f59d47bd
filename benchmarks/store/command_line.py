"""The command line that is running: set once, where a command begins, and written into all that it records.

Work that no command began, as in tests or a notebook, has none.
"""

_current: str | None = None


def set_current(text: str | None) -> None:
    """Say which command is running, without paths and addresses, as records are shared; None at its end."""
    global _current
    _current = text


def current() -> str | None:
    """The command that is running; None where none is."""
    return _current
