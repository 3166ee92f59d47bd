"""What each task shows of its own in a raster: its input, and its readout with what that is held against."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from benchmarks.show.figures import style
from benchmarks.show.figures.raster import Panels, Trial, ticks
from implementations import EvidenceAccumulation, PatternGeneration

# Input group (as the task orders them) and its shade, from the bottom up, as the BrainPy notebook draws them.
_GROUPS = (
    ("noise", 3, None),
    ("recall", 2, None),
    ("left cue", 0, "#e5484d"),
    ("right cue", 1, "#0072b2"),
)
_SIDES = ("left", "right")
_OUTPUTS = ((style.PALETTE[1][0], "-"), (style.PALETTE[0][0], (0, (4, 1.5))))


class AnswerPanels:
    """Evidence accumulation: inputs in groups, the probability of each side."""

    readout_label = "softmax of readout"

    def __init__(self, task: EvidenceAccumulation) -> None:
        self._task = task

    def title(self, trial: Trial) -> str:
        """The right answer."""
        return f"target: {_SIDES[int(trial.target)]}"

    def inputs(self, ax: Axes, trial: Trial) -> None:
        """Draw the input spikes by group."""
        group = self._task.n_in // 4
        gap = group // 2
        for place, (_, number, shade) in enumerate(_GROUPS):
            bottom = place * (group + gap)
            time, neuron = np.nonzero(trial.inputs[:, number * group : (number + 1) * group])
            ticks(ax, time, bottom + neuron, style.INK)
            if shade is not None:
                ax.axhspan(bottom - 0.5, bottom + group - 0.5, color=shade, alpha=0.13, linewidth=0)
        middles = [place * (group + gap) + (group - 1) / 2.0 for place in range(len(_GROUPS))]
        ax.set_yticks(middles, [name for name, _, _ in _GROUPS])
        ax.tick_params(axis="y", length=0)
        ax.set_ylim(-1, len(_GROUPS) * (group + gap) - gap)

    def readout(self, ax: Axes, trial: Trial) -> None:
        """Draw the answer over time, its window shaded."""
        steps = len(trial.readout)
        start = steps - self._task.recall_ms
        ax.axvspan(start, steps, color=style.MUTED, alpha=0.15, linewidth=0)
        probabilities = softmax(trial.readout)
        for output, (colour, line) in enumerate(_OUTPUTS):
            ax.plot(
                probabilities[:, output], color=colour, linestyle=line, linewidth=1.3, label=_SIDES[output]
            )
        answer = int(trial.readout[start:].mean(axis=0).argmax())
        verdict = "correct" if answer == int(trial.target) else "wrong"
        ax.set_title(f"answer: {_SIDES[answer]} ({verdict})", fontweight="normal", loc="right", pad=3)
        ax.set_ylim(-0.03, 1.03)
        ax.set_yticks((0.0, 0.5, 1.0))
        ax.grid(visible=True, axis="y")


class PatternPanels:
    """Pattern generation: all inputs alike, each output beside its target."""

    readout_label = "readout"

    def __init__(self, task: PatternGeneration) -> None:
        self._task = task

    def title(self, trial: Trial) -> str:
        """Nothing: the target is drawn."""
        return ""

    def inputs(self, ax: Axes, trial: Trial) -> None:
        """Draw the input spikes."""
        time, neuron = np.nonzero(trial.inputs)
        ticks(ax, time, neuron, style.INK)
        ax.set_yticks([])
        ax.set_ylim(-1, self._task.n_in)

    def readout(self, ax: Axes, trial: Trial) -> None:
        """Draw readout and target, and say how far they are apart."""
        target = np.asarray(trial.target)
        for output, (one, wanted) in enumerate(zip(trial.readout.T, target.T, strict=True)):
            colour = style.PALETTE[output % len(style.PALETTE)][0]
            number = f" {output + 1}" if len(target.T) > 1 else ""
            ax.plot(
                wanted, color=style.MUTED, linestyle=(0, (4, 1.5)), linewidth=1.3, label=f"target{number}"
            )
            ax.plot(one, color=colour, linewidth=1.3, label=f"readout{number}")
        nmse = ((trial.readout - target) ** 2).sum() / ((target - target.mean(axis=0)) ** 2).sum()
        ax.set_title(f"nMSE {nmse:.3g}", fontweight="normal", loc="right", pad=3)
        ax.grid(visible=True, axis="y")


PANELS: dict[str, Callable[[Any], Panels]] = {
    EvidenceAccumulation.name: AnswerPanels,
    PatternGeneration.name: PatternPanels,
}
"""Name of the task -> its panels."""


def softmax(readout: np.ndarray) -> np.ndarray:
    """Softmax over the last axis."""
    powers = np.exp(readout - readout.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)
