"""What is free to choose about the kernels, which changes no more than rounding; imports no Numba.

The defaults are estimates: `gpu-check --tune` times others beside them on a card.
"""

from dataclasses import dataclass, fields

from implementations import checks
from implementations.choices import InForce


@dataclass(frozen=True)
class Choices:
    """Whole numbers, each at least 1.

    Attributes:
        blocks: of threads that a batch is summed up by at most, whatever the card: the same bits come out.
        stage_steps: of psi and spikes, that wait in shared memory on the way back at most.
        carry_steps: steps between carries of the online form.

    Raises:
        InvalidArgument: (a ValueError) for what is no such number.
    """

    blocks: int = 384
    stage_steps: int = 32
    carry_steps: int = 128

    def __post_init__(self) -> None:
        for field in fields(self):
            checks.integer(field.name, getattr(self, field.name), 1)


IN_FORCE = InForce(Choices())
