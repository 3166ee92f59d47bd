"""The raster: its panels show the trial that they were given, and the command draws trained networks too."""

import shlex
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure

import implementations as impl
from benchmarks.cli.raster import command
from benchmarks.show.figures import raster

TASK = impl.EvidenceAccumulation(n_in=8, n_cues=1, cue_ms=15, interval_ms=20, delay_ms=30, recall_ms=15)
PANELS = TASK.raster
NETWORK = impl.Network(n_in=8, n_regular=3, n_adaptive=2)
SMALL = shlex.split(
    "--backend numpy --n-in 8 --n-regular 3 --n-adaptive 2 --n-cues 1 --cue-ms 15 --interval-ms 20"
    " --delay-ms 30 --recall-ms 15"
)


def trial(target: int = 1) -> raster.Trial:
    inputs = np.zeros((50, 8), bool)
    inputs[5, 0] = inputs[6, 3] = inputs[7, 7] = True  # left cue, right cue, noise
    spikes = np.zeros((50, 5), bool)
    spikes[10, 0] = spikes[11, 4] = True
    readout = np.zeros((50, 2))
    readout[35:, 1] = 2.0
    return raster.Trial(inputs, spikes, readout, target)


def marks(figure: Figure, row: int) -> set[tuple[float, float]]:
    return {
        (float(x), float(y))
        for line in figure.axes[row].lines
        if line.get_marker() == "|"
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)  # pyright: ignore
    }


def test_panels_show_the_trial():
    figure = raster.draw([trial()], NETWORK, PANELS, "title")
    # From the bottom: noise 0-1, recall 3-4, left 6-7, right 9-10, with a gap of half a group.
    assert marks(figure, 0) == {(5.0, 6.0), (6.0, 10.0), (7.0, 1.0)}
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "noise",
        "recall",
        "left cue",
        "right cue",
    ]
    assert marks(figure, 1) == {(10.0, 0.0), (11.0, 4.0)}
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["regular", "adaptive"]
    left, right = figure.axes[2].lines
    assert left.get_ydata()[-1] == pytest.approx(1.0 / (1.0 + np.exp(2.0)))  # pyright: ignore
    assert right.get_ydata()[0] == 0.5  # pyright: ignore


@pytest.mark.parametrize(
    ("target", "verdict"), [(1, "answer: right (correct)"), (0, "answer: right (wrong)")]
)
def test_the_answer_is_that_of_the_window(target: int, verdict: str):
    figure = raster.draw([trial(target)], NETWORK, PANELS, "title")
    assert figure.axes[2].get_title(loc="right") == verdict


def test_a_network_of_one_kind_of_neuron():
    network = impl.Network(n_in=8, n_regular=5, n_adaptive=0)
    figure = raster.draw([trial(), trial()], network, PANELS, "title")
    assert len(figure.axes) == 6
    assert [label.get_text() for label in figure.axes[2].get_yticklabels()] == ["regular"]


def test_the_command_draws_a_trained_network(tmp_path: Path):
    out = tmp_path / "new" / "raster.svg"
    done = CliRunner().invoke(
        command, [*SMALL, "--train-steps", "2", "--batch", "2", "--trials", "2", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    text = "".join(ElementTree.parse(out).getroot().itertext())
    assert "symmetric e-prop on numpy, after 2 training steps, seed 0" in text


def test_a_pattern_is_drawn_beside_its_target():
    task = impl.PatternGeneration(n_in=3, n_out=2, n_steps=50)
    batch = task.batch(1, seed=0)
    readout = np.zeros((50, 2))
    shown = raster.Trial(batch.spikes[0], np.zeros((50, 5), bool), readout, batch.targets[0])
    figure = raster.draw([shown], NETWORK, task.raster, "title")
    time, neuron = np.nonzero(batch.spikes[0])
    assert marks(figure, 0) == set(zip(time.astype(float), neuron.astype(float), strict=True))
    lines = {str(line.get_label()): line.get_ydata() for line in figure.axes[2].lines}
    assert set(lines) == {"target 1", "readout 1", "target 2", "readout 2"}
    np.testing.assert_array_equal(lines["target 2"], batch.targets[0, :, 1])
    expected = (batch.targets[0] ** 2).mean(axis=0).sum() / batch.targets[0].var(axis=0).sum()
    assert figure.axes[2].get_title(loc="right") == f"nMSE {expected:.3g}"


def test_the_command_draws_a_pattern(tmp_path: Path):
    out = tmp_path / "pattern.svg"
    small = "--task pattern_generation --backend numpy --n-in 6 --n-regular 5 --n-steps 40 --train-steps 2"
    done = CliRunner().invoke(command, [*shlex.split(small), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "nMSE" in "".join(ElementTree.parse(out).getroot().itertext())


def test_the_command_reads_weights(tmp_path: Path):
    weights = impl.Parameters.draw(NETWORK, 3)
    np.savez(tmp_path / "w.npz", w_in=weights.w_in, w_rec=weights.w_rec, w_out=weights.w_out)
    out = tmp_path / "raster.png"
    done = CliRunner().invoke(command, [*SMALL, "--weights", str(tmp_path / "w.npz"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert out.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "raster.pdf"], "neither .png nor .svg"),
        (["--trials", "0"], "--trials"),
        (["--train-steps", "-1"], "--train-steps"),
        (["--n-in", "9"], "multiple of 4"),
        (["--weights", __file__], "no .npz file"),
    ],
)
def test_wrong_arguments_are_named(tmp_path: Path, arguments: list[str], words: str):
    done = CliRunner().invoke(command, [*SMALL, "--out", str(tmp_path / "raster.png"), *arguments])
    assert done.exit_code == 2
    assert words in done.output


def test_weights_that_lack_an_array_are_named(tmp_path: Path):
    np.savez(tmp_path / "w.npz", w_in=np.zeros((8, 5)))
    done = CliRunner().invoke(command, [*SMALL, "--weights", str(tmp_path / "w.npz")])
    assert done.exit_code == 2
    assert "lacks w_rec, w_out" in done.output
