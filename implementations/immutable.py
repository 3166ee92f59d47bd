"""Objects that never change once they are made: nor do their copies."""

from dataclasses import Field, fields
from typing import Any, ClassVar


class Immutable:
    """Base of frozen dataclasses whose constructor makes arrays read-only: a copy goes through it, too.

    `copy` and `pickle` would else fill in the fields themselves, with arrays that can be written to.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, field.name) for field in fields(self))
