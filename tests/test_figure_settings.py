"""Figures are the same whatever Matplotlib is told by a notebook or by a user's own settings."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest
from click.testing import CliRunner
from record_files import curve, measurement, write

from benchmarks.__main__ import main
from benchmarks.show import page as report

ROOT = Path(__file__).parents[1]
SETTINGS = """
text.usetex: True
axes.formatter.limits: -1, 1
axes.formatter.use_locale: True
axes.formatter.useoffset: True
axes.unicode_minus: False
axes.grid: True
axes.prop_cycle: cycler('color', ['red'])
figure.dpi: 40
figure.constrained_layout.h_pad: 0.5
font.sans-serif: Comic Sans MS
legend.fancybox: False
lines.markeredgewidth: 5
savefig.format: pdf
savefig.transparent: True
svg.fonttype: path
svg.id: mine
path.sketch: 1, 100, 2
xtick.direction: in
"""
RASTER = shlex.split(
    "raster --backend numpy --n-in 8 --n-regular 3 --n-adaptive 2 --n-cues 1 --cue-ms 15 --interval-ms 20"
    " --delay-ms 30 --recall-ms 15"
)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    for rule, seed in (("bptt", 0), ("bptt", 1), ("eprop_symmetric", 0), ("eprop_symmetric", 1)):
        write(folder / f"curves/{rule}-{seed}.jsonl", curve(rule=rule, seed=seed, final=0.8 + seed / 10))
    write(folder / "timings/a.jsonl", [measurement(), measurement(rule="eprop_symmetric")])
    return folder


def drawn(folder: Path) -> dict[str, bytes]:
    found = {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix in (".svg", ".png")}
    assert found
    return found


def told_otherwise(folder: Path, *arguments: str) -> None:
    """Run a command as from a notebook's `!`, and with the settings above."""
    (folder / "matplotlibrc").write_text(SETTINGS)
    told = {"MATPLOTLIBRC": str(folder), "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=ROOT,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_report(results: Path, tmp_path: Path) -> None:
    report.build(results, tmp_path / "plain")
    told_otherwise(tmp_path, "report", "--results", str(results), "--out", str(tmp_path / "told"))
    assert drawn(tmp_path / "told") == drawn(tmp_path / "plain")


@pytest.mark.slow
def test_the_raster(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, [*RASTER, "--out", str(tmp_path / "plain/raster.svg")])
    assert done.exit_code == 0, done.output
    told_otherwise(tmp_path, *RASTER, "--out", str(tmp_path / "told/raster.svg"))
    assert drawn(tmp_path / "told") == drawn(tmp_path / "plain")


def test_settings_of_a_process_stay_what_they_are(results: Path, tmp_path: Path) -> None:
    with mpl.rc_context({"text.usetex": True, "axes.formatter.limits": (-1, 1), "font.size": 30.0}):
        before = dict(mpl.rcParams)
        report.build(results, tmp_path / "told")
        assert dict(mpl.rcParams) == before
    report.build(results, tmp_path / "plain")
    assert drawn(tmp_path / "told") == drawn(tmp_path / "plain")


def test_nothing_asks_for_pyplot() -> None:
    """Which would take the user's backend."""
    asking = [path for path in (ROOT / "benchmarks").rglob("*.py") if "pyplot" in path.read_text("utf-8")]
    assert not asking
