"""A rule, a task, a system: each is added by one file of somebody else's, without touching the package."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from record_files import curve, write

from implementations.tasks import TASKS

ROOT = Path(__file__).resolve().parents[1]
LEARNING = "How well each rule learns"

RULE = """
    from implementations.rules import ALL, Rule

    # parts that there are, in a combination that there is not
    RANDOM_BPTT = Rule(
        "bptt_of_mine", "BPTT, random feedback", ALL, True, "fixed", ("adjoint",), costs_like="bptt"
    )
"""

TASK = """
    from dataclasses import dataclass, replace
    from typing import ClassVar

    import numpy as np

    from implementations import Batch, Network, Objective
    from implementations.network import seed_sequence
    from implementations.tasks import ACCURACY, InputGroup, Measure, Quick, Raster, Recipe, Task, option


    @dataclass(frozen=True)
    class FirstOrSecond(Task):
        '''In which half of the trial did the one group of inputs fire?'''

        name: ClassVar[str] = "first_or_second"
        measure: ClassVar[Measure] = ACCURACY
        network: ClassVar[Network] = Network(n_in=6, n_regular=4, n_adaptive=4)
        recipe: ClassVar[Recipe] = Recipe(batch=8, learning_rate=0.01, steps=20)
        difficulty = {"half_ms": (10, 20, 40)}

        n_in: int = 6
        half_ms: int = option(20, "Half of a trial.", "half (ms)")

        n_out = 2
        window = property(lambda self: self.half_ms)
        n_steps = property(lambda self: 2 * self.half_ms)
        objective = property(lambda self: Objective(window=self.window))
        raster = property(lambda self: Raster((InputGroup("cue", 0, 6),), ("first", "second"), self.window))

        def of_length(self, n_steps):
            return replace(self, half_ms=n_steps // 2)

        def batch(self, size, seed):
            rng = np.random.default_rng(seed_sequence(seed))
            targets = rng.integers(0, 2, size)
            spikes = rng.random((size, self.n_steps, self.n_in)) < 0.3
            half = np.arange(self.n_steps) >= self.half_ms
            return Batch(spikes & (half[None, :] == (targets == 1)[:, None])[:, :, None], targets)

        @classmethod
        def quick(cls):
            recipe = replace(cls.recipe, steps=20, evaluate_every=10)
            return Quick(cls(), cls.network, cls().objective, recipe, 10, (0,), ("bptt", "eprop_symmetric"))
"""

SYSTEM = """
    from benchmarks.define.problem import PROBLEMS, TASK_NAME
    from benchmarks.define.systems import SYSTEMS, System


    class Twin(System):
        '''The NumPy backend under another name.'''

        name = "twin"
        title = "twin of NumPy"
        installed_by = "pip install twin"
        same = "All is."
        differs = "Nothing but the name."
        backends = ("numpy",)
        rules = ("eprop_symmetric",)
        modes = ("adjoint",)

        def unavailable(self, case):
            return self._other(case, case.problem, device="cpu")

        def module(self, case):
            return "implementations.numpy.learner"

        def learner(self, case):
            return SYSTEMS["benchmark"].learner(case)

        def batch(self, case, number=0):
            return SYSTEMS["benchmark"].batch(case, number)
"""

FIGURE = """
    from matplotlib.figure import Figure as Canvas

    from benchmarks.show.figures.drawing import Drawing, Figure

    def draw(material, part):
        drawing = Drawing(Canvas(figsize=(4.0, 2.0)))
        axes = drawing.figure.subplots()
        points = material.records.points
        axes.plot(points["step"], points["rate_hz"], "o")
        drawing.tip(axes, points["step"].iloc[0], points["rate_hz"].iloc[0], "the first rate")
        return drawing

    RATES = Figure("rates", "learning", "Rates. {part.lead}", "Plot of firing rates.", draw, ("points",))
    OWN = Figure("own", "mine", "Rates again.", "The same plot.", draw, title="A section of mine")
    UNDRAWN = Figure("undrawn", "mine", "", "", draw, needs=("parity",))
"""


def benchmarks(tmp_path: Path, plugin: str, *commands: str) -> str:
    """What the commands print, one after the other in one process; results are under tmp_path/results."""
    file = tmp_path / "plugin.py"
    file.write_text(textwrap.dedent(plugin))
    code = """
        import shlex, sys
        from benchmarks.__main__ import main
        plugin, *commands = sys.argv[1:]
        for command in commands:
            main(["--plugin", plugin, *shlex.split(command)], standalone_mode=False)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(file), *commands],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in path.glob("*.jsonl") for line in file.read_text().splitlines()]


@pytest.mark.slow
def test_a_rule_is_a_row(tmp_path: Path):
    results = tmp_path / "results"
    out = benchmarks(
        tmp_path,
        RULE,
        "list --json",
        "train --backend numpy --rule bptt_of_mine --n-regular 4 --n-adaptive 4 --n-cues 1 --delay-ms 150"
        f" --batch 4 --steps 10 --test-trials 4 --results {results}",
        f"report --results {results}",
    )
    listed, _ = json.JSONDecoder().raw_decode(out)
    here = [entry for entry in listed if entry["rule"] == "bptt_of_mine" and entry["device"] == "cpu"]
    assert [entry["backend"] for entry in here if entry["available"]] == [
        "numpy",
        "numba",
        "torch",
        "jax",
        "brainpy",
    ]
    assert lines(results / "curves")[0]["rule"] == "bptt_of_mine"
    assert "BPTT, random feedback" in (results / "report" / "report.md").read_text()


@pytest.mark.slow
def test_a_task_is_a_file(tmp_path: Path):
    results = tmp_path / "results"
    out = benchmarks(
        tmp_path,
        TASK,
        "list",
        "train --task first_or_second --backend numpy --rule bptt,eprop_symmetric --half-ms 15"
        f" --results {results}",
        "sweep --task first_or_second --preset difficulty --backend numpy --rule bptt --seeds 1 --dry-run"
        f" --results {results}",
        f"raster --task first_or_second --backend numpy --train-steps 10 --out {results}/raster.svg",
        f"report --results {results}",
    )
    assert f"tasks: {', '.join(TASKS)}, first_or_second" in " ".join(out.split())
    run = lines(results / "curves")[0]
    assert (run["task"], run["settings"]["task"]["half_ms"], run["batch"]) == ("first_or_second", 15, 8)
    assert "half_ms 40" in out
    assert "3 of 3 runs to do" in out  # 20, as published, is no further one
    assert "target: " in (results / "raster.svg").read_text()
    assert "first or second" in (results / "report" / "report.md").read_text()


@pytest.mark.slow
def test_a_task_is_tracked_by_asv(tmp_path: Path):
    file = tmp_path / "plugin.py"
    file.write_text(textwrap.dedent(TASK))
    code = """
        import sys
        from pathlib import Path
        from benchmarks.define import plugins
        plugins.use([Path(sys.argv[1])])
        from asv_runner.discovery import disc_benchmarks
        for benchmark in disc_benchmarks("benchmarks"):
            if "FirstOrSecond" in benchmark.name:
                print(benchmark.name, benchmark.params[1])
        from benchmarks.accuracy import FirstOrSecondError
        found = FirstOrSecondError().track_test_error("numpy", "bptt", "adjoint", "cpu")
        print(len(found["samples"]))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(file)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "accuracy.FirstOrSecondError.track_test_error [\"'bptt'\", \"'eprop_symmetric'\"]",
        "1",
    ], done.stderr


@pytest.mark.slow
def test_a_system_is_a_file(tmp_path: Path):
    results = tmp_path / "results"
    benchmarks(
        tmp_path,
        SYSTEM,
        "measure --system benchmark,twin --backend numpy --rule eprop_symmetric --mode adjoint --batch 2"
        f" --delay-ms 150 --no-lengths --rounds 1 --results {results}",
        f"report --results {results}",
    )
    measured = [(line["system"], line["status"]) for line in lines(results / "timings")]
    assert measured.count(("twin", "ok")) == 2  # time, and memory
    assert "twin of NumPy" in (results / "report" / "report.md").read_text()


def test_a_figure_is_a_file(tmp_path: Path):
    results = tmp_path / "results"
    write(results / "curves/a.jsonl", curve())
    benchmarks(tmp_path, FIGURE, f"report --results {results}")
    text = (results / "report" / "report.md").read_text()
    learning, mine = (
        text.split(f"## {title}\n")[1].split("\n## ")[0] for title in (LEARNING, "A section of mine")
    )
    assert "![Plot of firing rates.](rates.svg)\n\n*Rates. Task evidence accumulation" in learning
    assert "![The same plot.](own.svg)" in mine
    assert "For the figure 'undrawn' the records have no parity." in mine
    assert "python -m benchmarks parity" in mine
    assert (results / "report" / "own.png").exists()
    page = (results / "report" / "index.html").read_text()
    assert page.count("the first rate") == 2
    assert '<a href="#mine">A section of mine</a>' in page


@pytest.mark.parametrize(
    ("plugin", "text"),
    [
        ("raise RuntimeError('broken')", "plugin.py can't be imported: RuntimeError: broken"),
        (
            "from implementations.rules import Rule\nR = Rule('bptt', '', 3, True, 'fixed', ('adjoint',))",
            "rule.name is 'bptt'; it may be any but those of the rules there are",
        ),
        (
            "from implementations import EvidenceAccumulation\nclass Again(EvidenceAccumulation): ...",
            "a plug-in has a task named 'evidence_accumulation', and there is one already: rename it",
        ),
    ],
)
def test_what_cannot_be_added_is_named(tmp_path: Path, plugin: str, text: str):
    file = tmp_path / "plugin.py"
    file.write_text(plugin)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--plugin", str(file), "list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert text in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "section", "text"),
    [
        ("start", "learning", "a plug-in has a figure named 'start', and there is one already: rename it"),
        ("mine", "none", "the figure 'mine' belongs to the section 'none', which is none of speed, memory"),
    ],
)
@pytest.mark.slow
def test_a_figure_that_has_no_place_is_named(tmp_path: Path, name: str, section: str, text: str):
    write(tmp_path / "results/curves/a.jsonl", curve())
    file = tmp_path / "plugin.py"
    figure = f"FIGURE = Figure({name!r}, {section!r}, '', '', lambda material, part: None)"
    file.write_text(f"from benchmarks.show.figures.drawing import Figure\n{figure}\n")
    command = ["--plugin", str(file), "report", "--results", str(tmp_path / "results")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *command], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert text in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_an_installed_package_adds_by_an_entry_point(tmp_path: Path):
    (tmp_path / "their_tasks.py").write_text(textwrap.dedent(TASK))
    package = tmp_path / "their_tasks-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: their-tasks\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[eprop_bench.tasks]\nfirst_or_second = their_tasks\n")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "raster", "--help"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), str(tmp_path)))},
        capture_output=True,
        text=True,
    )
    assert "first_or_second" in done.stdout, done.stderr
