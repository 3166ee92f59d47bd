"""What a network does in a trial: input spikes, recurrent spikes and readout, one above the other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.show.figures import style
from implementations import Network

_REGULAR, _ADAPTIVE = style.PALETTE[0][0], style.PALETTE[1][0]


@dataclass(frozen=True, eq=False)
class Trial:
    """One trial and what a network made of it.

    Attributes:
        inputs: (time, n_in) bool.
        spikes: (time, n_rec) bool.
        readout: (time, n_out) y, before any softmax.
        target: the class, a whole number; or (time, n_out), what the readout is to be.
    """

    inputs: np.ndarray
    spikes: np.ndarray
    readout: np.ndarray
    target: np.ndarray | int


class Panels(Protocol):
    """What a task shows of its own: the input above, the readout below."""

    readout_label: str

    def title(self, trial: Trial) -> str:
        """What stands above a trial; may be empty."""
        ...

    def inputs(self, ax: Axes, trial: Trial) -> None:
        """Draw the input spikes."""
        ...

    def readout(self, ax: Axes, trial: Trial) -> None:
        """Draw the readout and what it is held against."""
        ...


def draw(trials: list[Trial], network: Network, panels: Panels, title: str) -> Figure:
    """Three panels per trial, trials side by side; time in ms.

    Args:
        trials: at least one.
        network: tells regular from adaptive neurons.
        panels: draws input and readout as the task has them.
        title: above all panels.
    """
    with matplotlib.rc_context(style.RC):
        width = 7.4 if len(trials) == 1 else 1.0 + 4.2 * len(trials)
        figure = Figure(figsize=(width, 6.4), layout="constrained")
        axes = figure.subplots(
            3, len(trials), squeeze=False, sharex=True, sharey="row", height_ratios=(3.0, 4.0, 1.7)
        )
        for column, trial in zip(axes.T, trials, strict=True):
            steps = len(trial.inputs)
            panels.inputs(column[0], trial)
            _recurrent(column[1], trial, network)
            panels.readout(column[2], trial)
            column[0].set_title(panels.title(trial), fontweight="normal")
            column[0].set_xlim(0, steps * network.dt_ms)
            column[2].set_xlabel("time (ms)")
        axes[0, 0].set_ylabel("input")
        axes[1, 0].set_ylabel("recurrent neurons")
        axes[2, 0].set_ylabel(panels.readout_label)
        figure.align_ylabels(axes[:, 0])
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
        handles, labels = axes[2, 0].get_legend_handles_labels()
        # below all panels: a readout may be anywhere within its own
        figure.legend(handles, labels, ncols=2, loc="outside lower right", handlelength=2.2, fontsize=7.5)
        return figure


def save(figure: Figure, path: Path) -> None:
    """Write the figure on white; the suffix of `path` says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without a date, the same trial gives the same file.
    metadata = {"Date": None} if path.suffix == ".svg" else None
    with matplotlib.rc_context(style.RC):
        figure.savefig(path, dpi=160, facecolor=style.PAPER, metadata=metadata)


def _recurrent(ax: Axes, trial: Trial, network: Network) -> None:
    kinds = (
        ("regular", 0, network.n_regular, _REGULAR),
        ("adaptive", network.n_regular, network.n_rec, _ADAPTIVE),
    )
    kinds = tuple(kind for kind in kinds if kind[2] > kind[1])
    for _, first, end, colour in kinds:
        time, neuron = np.nonzero(trial.spikes[:, first:end])
        ticks(ax, time, first + neuron, colour)
    for _, first, _, _ in kinds[1:]:
        ax.axhline(first - 0.5, color=style.MUTED, linewidth=0.7)
    ax.set_yticks([(first + end - 1) / 2.0 for _, first, end, _ in kinds], [kind[0] for kind in kinds])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-1, network.n_rec)


def ticks(ax: Axes, time: np.ndarray, row: np.ndarray, colour: str) -> None:
    """Draw spikes: a short line each."""
    ax.plot(time, row, "|", color=colour, markersize=2.6, mew=0.6)
