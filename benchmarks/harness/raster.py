"""What a network does in a trial: input spikes, recurrent spikes and readout, one above the other."""

from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.harness.report import style
from implementations import EvidenceAccumulation, Network

# Input group (as the task orders them) and its shade, from the bottom up, as the BrainPy notebook draws them.
_GROUPS = (
    ("noise", 3, None),
    ("recall", 2, None),
    ("left cue", 0, "#e5484d"),
    ("right cue", 1, "#0072b2"),
)
_REGULAR, _ADAPTIVE = style.PALETTE[0][0], style.PALETTE[1][0]
_SIDES = ("left", "right")
_OUTPUTS = ((style.PALETTE[1][0], "-"), (style.PALETTE[0][0], (0, (4, 1.5))))


@dataclass(frozen=True, eq=False)
class Trial:
    """One trial and what a network made of it.

    Attributes:
        inputs: (time, n_in) bool.
        spikes: (time, n_rec) bool.
        readout: (time, n_out) y, before any softmax.
        target: the right answer, 0 for left and 1 for right.
    """

    inputs: np.ndarray
    spikes: np.ndarray
    readout: np.ndarray
    target: int


def draw(trials: list[Trial], network: Network, task: EvidenceAccumulation, title: str) -> Figure:
    """Three panels per trial, trials side by side; time in ms.

    Args:
        trials: at least one.
        network: tells regular from adaptive neurons.
        task: tells the input groups and the recall window, which is shaded.
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
            _inputs(column[0], trial, task)
            _recurrent(column[1], trial, network)
            _readout(column[2], trial, task)
            column[0].set_title(f"target: {_SIDES[trial.target]}", fontweight="normal")
            column[0].set_xlim(0, steps * network.dt_ms)
            column[2].set_xlabel("time (ms)")
        axes[0, 0].set_ylabel("input")
        axes[1, 0].set_ylabel("recurrent neurons")
        axes[2, 0].set_ylabel("softmax of readout")
        figure.align_ylabels(axes[:, 0])
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
        handles, labels = axes[2, 0].get_legend_handles_labels()
        axes[2, 0].legend(
            handles, labels, ncols=2, loc="upper left", borderaxespad=0.1, handlelength=2.2, fontsize=7.5
        )
        return figure


def save(figure: Figure, path: Path) -> None:
    """Write the figure on white; the suffix of `path` says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without a date, the same trial gives the same file.
    metadata = {"Date": None} if path.suffix == ".svg" else None
    with matplotlib.rc_context(style.RC):
        figure.savefig(path, dpi=160, facecolor=style.PAPER, metadata=metadata)


def _inputs(ax: Axes, trial: Trial, task: EvidenceAccumulation) -> None:
    group = task.n_in // 4
    gap = group // 2
    for place, (_, number, shade) in enumerate(_GROUPS):
        bottom = place * (group + gap)
        time, neuron = np.nonzero(trial.inputs[:, number * group : (number + 1) * group])
        _ticks(ax, time, bottom + neuron, style.INK)
        if shade is not None:
            ax.axhspan(bottom - 0.5, bottom + group - 0.5, color=shade, alpha=0.13, linewidth=0)
    middles = [place * (group + gap) + (group - 1) / 2.0 for place in range(len(_GROUPS))]
    ax.set_yticks(middles, [name for name, _, _ in _GROUPS])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-1, len(_GROUPS) * (group + gap) - gap)


def _recurrent(ax: Axes, trial: Trial, network: Network) -> None:
    kinds = (
        ("regular", 0, network.n_regular, _REGULAR),
        ("adaptive", network.n_regular, network.n_rec, _ADAPTIVE),
    )
    kinds = tuple(kind for kind in kinds if kind[2] > kind[1])
    for _, first, end, colour in kinds:
        time, neuron = np.nonzero(trial.spikes[:, first:end])
        _ticks(ax, time, first + neuron, colour)
    for _, first, _, _ in kinds[1:]:
        ax.axhline(first - 0.5, color=style.MUTED, linewidth=0.7)
    ax.set_yticks([(first + end - 1) / 2.0 for _, first, end, _ in kinds], [kind[0] for kind in kinds])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-1, network.n_rec)


def _ticks(ax: Axes, time: np.ndarray, row: np.ndarray, colour: str) -> None:
    ax.plot(time, row, "|", color=colour, markersize=2.6, mew=0.6)


def _readout(ax: Axes, trial: Trial, task: EvidenceAccumulation) -> None:
    steps = len(trial.readout)
    start = steps - task.recall_ms
    ax.axvspan(start, steps, color=style.MUTED, alpha=0.15, linewidth=0)
    probabilities = softmax(trial.readout)
    for output, (colour, line) in enumerate(_OUTPUTS):
        ax.plot(probabilities[:, output], color=colour, linestyle=line, linewidth=1.3, label=_SIDES[output])
    answer = int(trial.readout[start:].mean(axis=0).argmax())
    verdict = "correct" if answer == trial.target else "wrong"
    ax.set_title(f"answer: {_SIDES[answer]} ({verdict})", fontweight="normal", loc="right", pad=3)
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks((0.0, 0.5, 1.0))
    ax.grid(visible=True, axis="y")


def softmax(readout: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    powers = np.exp(readout - readout.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
