"""What a network does in a trial: input spikes, recurrent spikes and readout, one above the other."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.show.figures import style
from benchmarks.store.files import replaced
from implementations import Network
from implementations.tasks import Raster

_REGULAR, _ADAPTIVE = style.PALETTE[0][0], style.PALETTE[1][0]
_ANSWERS = (
    (style.PALETTE[1][0], "-"),
    (style.PALETTE[0][0], (0, (4, 1.5))),
    *((colour, (0, (1, 1.5))) for colour, _ in style.PALETTE[2:]),
)


@dataclass(frozen=True, eq=False)
class Trial:
    """One trial and what a network made of it.

    Attributes:
        inputs: (time, n_in) bool.
        spikes: (time, n_rec) bool.
        readout: (time, n_out) y, before any softmax.
        target: the class, a whole number; or (time, n_out), what the readout is to be.
        mask: (time,) bool, the steps that count; None where the window says it.
    """

    inputs: np.ndarray
    spikes: np.ndarray
    readout: np.ndarray
    target: np.ndarray | int
    mask: np.ndarray | None = None

    def counted(self, window: int) -> np.ndarray:
        """(time,) bool, the steps that count, of a window at the end."""
        inside = np.arange(len(self.inputs)) >= len(self.inputs) - window
        return inside if self.mask is None else inside & self.mask


def draw(trials: list[Trial], network: Network, shown: Raster, title: str) -> Figure:
    """Three panels per trial, trials side by side; time in ms.

    Args:
        trials: at least one.
        network: tells regular from adaptive neurons.
        shown: what there is to see in input and readout.
        title: above all panels.
    """
    with style.settings():
        width = 7.4 if len(trials) == 1 else 1.0 + 4.2 * len(trials)
        figure = Figure(figsize=(width, 6.4), layout="constrained")
        axes = figure.subplots(
            3, len(trials), squeeze=False, sharex=True, sharey="row", height_ratios=(3.0, 4.0, 1.7)
        )
        for column, trial in zip(axes.T, trials, strict=True):
            steps = len(trial.inputs)
            _inputs(column[0], trial, shown)
            _recurrent(column[1], trial, network)
            (_answer if shown.answers else _followed)(column[2], trial, shown)
            told = f"target: {shown.answers[int(trial.target)]}" if shown.answers else ""  # else it is drawn
            column[0].set_title(told, fontweight="normal")
            column[0].set_xlim(0, steps * network.dt_ms)
            column[2].set_xlabel("time (ms)")
        axes[0, 0].set_ylabel("input")
        axes[1, 0].set_ylabel("recurrent neurons")
        axes[2, 0].set_ylabel("softmax of readout" if shown.answers else "readout")
        figure.align_ylabels(axes[:, 0])
        figure.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
        handles, labels = axes[2, 0].get_legend_handles_labels()
        # below all panels: a readout may be anywhere within its own
        figure.legend(handles, labels, ncols=2, loc="outside lower right", handlelength=2.2, fontsize=7.5)
        return figure


def save(figure: Figure, path: Path) -> None:
    """Write the figure on white; the suffix of `path` says the format.

    Raises:
        CannotWrite: an older file stays what it was.
    """
    # Without a date, the same trial gives the same file.
    metadata = {"Date": None} if path.suffix == ".svg" else None
    with style.settings(), replaced(path) as temporary:
        figure.savefig(temporary, dpi=160, facecolor=style.PAPER, metadata=metadata)


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


def _inputs(ax: Axes, trial: Trial, shown: Raster) -> None:
    """Input spikes by group, each with its shade; all in order where there are no groups."""
    if not shown.groups:
        time, neuron = np.nonzero(trial.inputs)
        _ticks(ax, time, neuron, style.INK)
        ax.set_yticks([])
        ax.set_ylim(-1, trial.inputs.shape[1])
        return
    bottom, middles = 0, []
    for group in shown.groups:
        time, neuron = np.nonzero(trial.inputs[:, group.first : group.first + group.count])
        _ticks(ax, time, bottom + neuron, style.INK)
        if group.shade is not None:
            ax.axhspan(bottom - 0.5, bottom + group.count - 0.5, color=group.shade, alpha=0.13, linewidth=0)
        middles.append(bottom + (group.count - 1) / 2.0)
        bottom += group.count + group.count // 2
    ax.set_yticks(middles, [group.name for group in shown.groups])
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(-1, bottom - shown.groups[-1].count // 2)


def _answer(ax: Axes, trial: Trial, shown: Raster) -> None:
    """The probability of each answer over time, shaded where it counts, and the one that is given there."""
    counted = trial.counted(shown.window)
    _shade(ax, counted)
    probabilities = _softmax(trial.readout)
    for output, name in enumerate(shown.answers):
        colour, line = _ANSWERS[output % len(_ANSWERS)]
        ax.plot(probabilities[:, output], color=colour, linestyle=line, linewidth=1.3, label=name)
    answer = int(trial.readout[counted].mean(axis=0).argmax())
    verdict = "correct" if answer == int(trial.target) else "wrong"
    ax.set_title(f"answer: {shown.answers[answer]} ({verdict})", fontweight="normal", loc="right", pad=3)
    ax.set_ylim(-0.03, 1.03)
    ax.set_yticks((0.0, 0.5, 1.0))
    ax.grid(visible=True, axis="y")


def _followed(ax: Axes, trial: Trial, _: Raster) -> None:
    """Readout and target, and how far they are apart."""
    target = np.asarray(trial.target)
    for output, (one, wanted) in enumerate(zip(trial.readout.T, target.T, strict=True)):
        colour = style.PALETTE[output % len(style.PALETTE)][0]
        number = f" {output + 1}" if len(target.T) > 1 else ""
        ax.plot(wanted, color=style.MUTED, linestyle=(0, (4, 1.5)), linewidth=1.3, label=f"target{number}")
        ax.plot(one, color=colour, linewidth=1.3, label=f"readout{number}")
    counted = trial.counted(len(target))
    if trial.mask is not None:
        _shade(ax, counted)
    wanted = target[counted]
    nmse = ((trial.readout[counted] - wanted) ** 2).sum() / ((wanted - wanted.mean(axis=0)) ** 2).sum()
    ax.set_title(f"nMSE {nmse:.3g}", fontweight="normal", loc="right", pad=3)
    ax.grid(visible=True, axis="y")


def _shade(ax: Axes, counted: np.ndarray) -> None:
    """Shade the steps that count, a span for each run of them."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], counted, [False]]).astype(int)))
    for start, stop in edges.reshape(-1, 2):
        ax.axvspan(start, stop, color=style.MUTED, alpha=0.15, linewidth=0)


def _ticks(ax: Axes, time: np.ndarray, row: np.ndarray, colour: str) -> None:
    """Draw spikes: a short line each."""
    ax.plot(time, row, "|", color=colour, markersize=2.6, mew=0.6)


def _softmax(readout: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    powers = np.exp(readout - readout.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
