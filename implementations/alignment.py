"""How the gradient of a rule lies to another one, that of BPTT at the same weights and on the same trials."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from implementations.types import Gradients


@dataclass(frozen=True)
class Alignment:
    """Cosine of the angle between two gradients, and the length of the first over that of the second.

    A cosine is NaN where either gradient is 0 throughout, a ratio where the second is, and both where either
    is not finite.

    Attributes:
        cosine, norm_ratio: of W_in and W_rec together, as one vector: where rules differ.
        cosine_w_in, norm_ratio_w_in: of W_in alone; and likewise of W_rec and W_out. The last ones are 1, as
            W_out has the same gradient with every rule.
    """

    cosine: float
    norm_ratio: float
    cosine_w_in: float
    norm_ratio_w_in: float
    cosine_w_rec: float
    norm_ratio_w_rec: float
    cosine_w_out: float
    norm_ratio_w_out: float

    @classmethod
    def of(cls, gradients: Gradients, reference: Gradients) -> Self:
        """Of a rule's gradients to those of a reference, both of the same network; computed in float64."""
        found: dict[str, float] = {}
        for suffix, names in (
            ("", ("w_in", "w_rec")),
            ("_w_in", ("w_in",)),
            ("_w_rec", ("w_rec",)),
            ("_w_out", ("w_out",)),
        ):
            one, other = (_vector(each, names) for each in (gradients, reference))
            found[f"cosine{suffix}"], found[f"norm_ratio{suffix}"] = _compared(one, other)
        return cls(**found)

    @classmethod
    def unknown(cls) -> Self:
        """All NaN: of weights with which nothing can be computed."""
        return cls(*[math.nan] * 8)


def _vector(gradients: Gradients, names: tuple[str, ...]) -> np.ndarray:
    return np.concatenate([np.asarray(getattr(gradients, name), np.float64).ravel() for name in names])


def _compared(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """Cosine and ratio of norms."""
    with np.errstate(all="ignore"):
        norms = np.linalg.norm(one), np.linalg.norm(other)
        return float(one @ other / (norms[0] * norms[1])), float(norms[0] / norms[1])
