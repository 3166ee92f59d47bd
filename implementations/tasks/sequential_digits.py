"""Sequential digits: handwriting of scikit-learn, row by row or pixel by pixel."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from implementations import checks
from implementations.network import Network, seed_sequence
from implementations.objective import Objective
from implementations.tasks.measure import ACCURACY, Measure
from implementations.tasks.poisson import add_poisson, check_rates
from implementations.tasks.raster import InputGroup, Raster
from implementations.tasks.task import Quick, Recipe, Reference, Task, of_split, option
from implementations.types import Batch

ORDERS = ("rows", "pixels")
_SIDE, _GREYS, _CLASSES = 8, 16, 10
_COPIES = 5  # inputs of a pixel of a row
_N_IN, _CUE = 48, 8  # inputs in all, and of those the ones that ask for the answer


@dataclass(frozen=True)
class SequentialDigits(Task):
    """The digits that come with scikit-learn, as spikes over time, in steps of 1 ms.

    1797 images of 8 x 8 pixels in 17 shades (Alpaydin & Kaynak 1998, UCI optical recognition of handwritten
    digits, its test part), of which 1257 are for training, 180 for validation and 360 for testing, always the
    same ones. After the image 8 inputs ask for the answer, `recall_ms` long, in which it counts.

    - order "rows": the rows one after the other, `row_ms` each; a pixel is 5 Poisson inputs whose rate is its
      shade's share of `max_rate_hz`, so that 40 inputs show a row.
    - order "pixels": the pixels one after the other, `pixel_ms` each, as in sequential MNIST of Bellec et al.
      2018 (arXiv 1803.09574): for each of 16 thresholds an input spikes where the shade rises over it from
      one pixel to the next, another where it falls below. There, of 28 x 28 pixels of MNIST and by BPTT: 93 %
      with adaptive neurons (94.7 % with rewiring), 63 % without, 98.5 % by an LSTM.

    What `linear_readout` makes of all pixels at once is what these have to be held against.

    Raises:
        InvalidArgument: (a ValueError) for a number out of range, or, when trials are drawn, without
            scikit-learn; the text names the command of pip that installs it.
    """

    name: ClassVar[str] = "sequential_digits"
    measure: ClassVar[Measure] = replace(
        ACCURACY, criterion_error=0.1, criterion_source="ours: nine of ten right"
    )
    network: ClassVar[Network] = Network(n_in=_N_IN, n_out=_CLASSES, tau_adaptation_ms=200.0)
    recipe: ClassVar[Recipe] = Recipe(batch=64, learning_rate=0.005, steps=1500)
    difficulty: ClassVar[Mapping[str, tuple[Any, ...]]] = {"row_ms": (5, 10, 20, 40)}

    n_in: int = option(_N_IN, f"{_N_IN}")
    order: str = option("rows", "How an image is shown: rows or pixels, one after the other.")
    row_ms: int = option(20, "Duration of a row.", "time of a row (ms)")
    pixel_ms: int = option(4, "Duration of a pixel, where these are shown one after the other.")
    recall_ms: int = option(40, "The end of the trial, in which the answer counts.")
    max_rate_hz: float = option(200.0, "Rate of the inputs of a black pixel in a row.")
    cue_rate_hz: float = option(100.0, "Rate of the inputs that ask for the answer.")

    def __post_init__(self) -> None:
        checks.choice("order", self.order, ORDERS)
        if checks.integer("n_in", self.n_in, 1) != _N_IN:
            checks.fail("n_in", self.n_in, f"{_N_IN}, as the images have it")
        for name in ("row_ms", "pixel_ms", "recall_ms"):
            checks.integer(name, getattr(self, name), 1)
        check_rates(self, "max_rate_hz", "cue_rate_hz")

    @property
    def n_out(self) -> int:
        """Ten digits."""
        return _CLASSES

    @property
    def window(self) -> int:
        """The answer counts when the image is over."""
        return self.recall_ms

    @property
    def n_steps(self) -> int:
        """Length of a trial in steps of 1 ms."""
        image_ms = _SIDE * self.row_ms if self.order == "rows" else _SIDE**2 * self.pixel_ms
        return image_ms + self.recall_ms

    @property
    def objective(self) -> Objective:
        """Cross-entropy when the image is over."""
        return Objective("cross_entropy", self.window, rate_cost=0.1)

    @property
    def raster(self) -> Raster:
        """The inputs, and the probability of each digit."""
        groups = (InputGroup("recall", _N_IN - _CUE, _CUE), InputGroup("image", 0, _N_IN - _CUE, "#0072b2"))
        return Raster(groups, tuple(map(str, range(_CLASSES))), self.window)

    @classmethod
    def references(cls) -> tuple[Reference, ...]:
        """A linear readout of these images, and spiking networks that saw others, pixel by pixel."""
        published = "Bellec et al. 2018 (arXiv 1803.09574), by BPTT: 28 x 28 pixels of MNIST, one at a time"
        found = (
            Reference("network with adaptive neurons", 0.93, published),
            Reference("network without", 0.63, published),
        )
        if find_spec("sklearn") is None:
            return found
        linear = "ridge regression on these images, trained and tested on the same splits"
        return Reference("linear readout of all pixels at once", linear_readout(), linear), *found

    @classmethod
    def quick(cls) -> Quick | None:
        """Short rows; None where scikit-learn is missing."""
        if find_spec("sklearn") is None:
            return None
        task = cls(row_ms=8, recall_ms=20)
        return Quick(
            task=task,
            network=replace(cls.network, tau_adaptation_ms=50.0),
            objective=task.objective,
            recipe=Recipe(batch=64, learning_rate=0.01, steps=200, evaluate_every=20),
            counted_from=160,
        )

    def batch(self, size: int, seed: int | np.random.SeedSequence) -> Batch:
        """Draw `size` trials of the images for training; see `trials`."""
        return self.trials(size, seed, "train")

    def trials(self, size: int, seed: int | np.random.SeedSequence, split: str) -> Batch:
        """Draw `size` trials, each of an image of its own as long as there are as many.

        Args:
            size: number of trials, >= 1.
            seed: an integer >= 0, or a SeedSequence; the same seed gives the same trials.
            split: "train", "validation" or "test".

        Returns:
            Spikes (size, n_steps, n_in) and targets (size,), the digits.
        """
        checks.integer("size", size, 1)
        rng = np.random.default_rng(seed_sequence(seed))
        images, digits = _images(split)
        chosen = of_split(rng, len(images), size)
        spikes = np.zeros((size, self.n_steps, _N_IN), np.bool_)
        if self.order == "rows":
            rates = images[chosen] / _GREYS * (self.max_rate_hz / 1000.0)  # (size, rows, columns)
            for row in range(_SIDE):
                p = np.repeat(rates[:, row], _COPIES, axis=1)[:, None]
                shown = rng.random((size, self.row_ms, _SIDE * _COPIES)) < p
                spikes[:, row * self.row_ms : (row + 1) * self.row_ms, : _SIDE * _COPIES] = shown
        else:
            shades = images[chosen].reshape(size, -1, 1)  # (size, pixels, 1)
            before = np.concatenate([np.zeros_like(shades[:, :1]), shades[:, :-1]], axis=1)
            over = np.arange(1, _GREYS + 1)
            rising, falling = (before < over) & (shades >= over), (before >= over) & (shades < over)
            start = slice(0, self.n_steps - self.recall_ms, self.pixel_ms)
            spikes[:, start, : 2 * _GREYS] = np.concatenate([rising, falling], axis=2)
        first = self.n_steps - self.recall_ms
        add_poisson(rng, spikes, self.cue_rate_hz, first, self.recall_ms, _N_IN - _CUE, _CUE)
        return Batch.without_copies(spikes, digits[chosen])


def linear_readout(split: str = "test") -> float:
    """Share of digits that a linear readout of all pixels at once tells, by least squares with ridge 1.

    What a network that sees an image over time has to be compared with.
    """
    images, digits = _images("train")
    shown, expected = _images(split)
    pixels, others = (
        np.pad(part.reshape(len(part), -1), ((0, 0), (0, 1)), constant_values=1.0) for part in (images, shown)
    )
    weights = np.linalg.solve(
        pixels.T @ pixels + np.eye(pixels.shape[1]), pixels.T @ np.eye(_CLASSES)[digits]
    )
    return float(((others @ weights).argmax(axis=1) == expected).mean())


@cache
def _images(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 8, 8), 0 to 16, and digits (n,) of a split."""
    parts = {"train": slice(0, 1257), "validation": slice(1257, 1437), "test": slice(1437, 1797)}
    part = parts[checks.choice("split", split, parts)]
    if find_spec("sklearn") is None:
        checks.fail(
            "task",
            SequentialDigits.name,
            "one of the others where scikit-learn is missing: pip install 'eprop-bench[digits]'",
        )
    from sklearn.datasets import load_digits  # pyright: ignore[reportMissingImports]

    found: Any = load_digits()
    order = np.random.default_rng(0).permutation(len(found.target))
    images, digits = found.images[order][part].astype(np.float64), found.target[order][part].astype(np.int64)
    for array in (images, digits):
        array.setflags(write=False)
    return images, digits
