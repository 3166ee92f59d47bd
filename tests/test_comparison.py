"""The comparison of rules: its statistics against numbers by hand, what it selects, and its command."""

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from matplotlib.figure import Figure
from record_files import SETTINGS, curve, write
from scipy.stats import PermutationMethod, wilcoxon

import implementations as impl
from benchmarks.__main__ import main
from benchmarks.define import comparison
from benchmarks.define.problem import PROBLEMS, TASK_NAME
from benchmarks.judge import hyperparameters, learning, statistics, tuning
from benchmarks.show import page as report
from benchmarks.show.figures import style
from benchmarks.show.figures.drawing import Drawing
from benchmarks.show.figures.seed_curves import seeds_and_mean
from benchmarks.show.figures.style import Look
from benchmarks.show.material import Material
from benchmarks.show.sections import composed
from benchmarks.show.sections.learning import comparison as comparison_section
from benchmarks.store import records
from implementations import rules

TINY = shlex.split(
    "--backend numpy --rule bptt,eprop_symmetric --n-in 8 --n-regular 4 --n-adaptive 4 --n-cues 1 "
    "--cue-ms 15 --interval-ms 20 --delay-ms 30 --recall-ms 15 --batch 8 --seeds 2"
)


def test_holm_is_the_textbook_example():
    assert statistics.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert statistics.holm([0.9, 0.8]) == [1.0, 1.0]


def test_a_paired_test_counts_all_patterns_of_signs():
    first = np.array([0.9, 0.8, 0.95, 0.7, 0.99])
    found = statistics.paired(first, first - np.array([0.1, 0.2, 0.3, 0.4, 0.5]))
    assert found.p == pytest.approx(2.0 / 2**5)
    assert (found.rank_biserial, found.seeds) == (1.0, 5)
    assert found.difference == pytest.approx(0.3)
    assert 0.1 < found.low < 0.3 < found.high < 0.5
    rng = np.random.default_rng(1)
    differences = rng.normal(0.3, 1.0, 9)
    expected = wilcoxon(differences, method="exact").pvalue  # pyright: ignore[reportAttributeAccessIssue]
    assert statistics.paired(differences, np.zeros(9)).p == pytest.approx(expected)


@pytest.mark.parametrize("seeds", [3, 8, 11])
def test_with_ties_and_zeros_a_paired_test_is_as_all_patterns_of_signs_give_it(seeds: int):
    differences = np.random.default_rng(seeds).integers(-3, 5, seeds) / 7.0
    all_of_them = PermutationMethod(n_resamples=2**seeds)
    expected = wilcoxon(differences, method=all_of_them).pvalue  # pyright: ignore
    assert statistics.paired(differences, np.zeros(seeds)).p == pytest.approx(expected, abs=1e-12)


def test_ties_and_zeros_are_no_evidence():
    nothing = statistics.paired(np.ones(4), np.ones(4))
    assert (nothing.p, nothing.rank_biserial, nothing.low, nothing.high) == (1.0, 0.0, 0.0, 0.0)
    # Ranks 1.5, 1.5, 3 of +, -, +: (4.5 - 1.5)/6. Signs that are as extreme: 6 of 8, two-sided.
    found = statistics.paired(np.array([1.0, -1.0, 2.0, 0.0]), np.zeros(4))
    assert found.rank_biserial == pytest.approx(0.5)
    assert found.p == pytest.approx(0.75)


def test_seeds_that_ended_without_the_criterion_are_censored():
    at, met = np.array([10.0, 20.0, 20.0, 30.0]), np.array([True, False, True, True])
    found = statistics.reached(at, met)
    # 1/4 at 10; of three at risk one at 20, which leaves 3/4 * 2/3; the last one at 30.
    assert dict(zip(found.at, found.share, strict=True)) == pytest.approx({0: 0, 10: 0.25, 20: 0.5, 30: 1.0})
    assert found.median == 20.0
    assert np.isnan(statistics.reached(at, np.zeros(4, bool)).median)


def test_a_fast_seed_that_fails_is_not_dropped_early():
    rows = {"criterion_s": [np.nan, 9.0], "train_s": [3.0, 10.0]}
    found = learning.until(pd.DataFrame(rows), "criterion_s", "train_s")
    assert dict(zip(found.at, found.share, strict=True))[9.0] == 0.5


def sweep(folder: Path) -> records.Records:
    """Rates of 0.005 (published), 0.01 and 0.02: the last is best by even seeds, the first by odd ones."""
    for rate, even, odd in ((0.005, 0.7, 0.9), (0.01, 0.8, 0.85), (0.02, 0.95, 0.6)):
        for seed in range(4):
            accuracy = odd if seed % 2 else even
            settings = {**SETTINGS, "optimizer": {"learning_rate": rate}}
            run = curve("numba", "bptt", seed, (0.5, accuracy), final=accuracy - 0.1, settings=settings)
            write(folder / f"curves/{rate}-{seed}.jsonl", run)
    return records.read(folder)


def test_a_tuned_setting_is_shown_on_seeds_that_did_not_select_it(tmp_path: Path):
    found = sweep(tmp_path)
    (row,) = tuning.tuned(found, learning.judged(found)).to_dict("records")
    assert row["values"]["learning_rate"] == 0.02
    assert (row["tuned"], row["published"]) == pytest.approx((0.5, 0.8))
    assert (row["seeds"], row["tried"], row["is_published"]) == (2, 3, False)


def test_seeds_that_the_published_setting_alone_has_do_not_select(tmp_path: Path):
    sweep(tmp_path)
    for seed in range(4, 44, 2):  # so good that the published setting would be the best with them
        write(tmp_path / f"curves/more-{seed}.jsonl", curve("numba", "bptt", seed, (0.5, 1.0), final=1.0))
    found = records.read(tmp_path)
    (row,) = tuning.tuned(found, learning.judged(found)).to_dict("records")
    assert row["values"]["learning_rate"] == 0.02


def longer(
    folder: Path, rate: float, seed: int, accuracy: float, best: float | None, name: str = "longer"
) -> None:
    """A run of as many points as three of `sweep`, and the network of its best point."""
    settings = {**SETTINGS, "optimizer": {"learning_rate": rate}}
    run = curve("numba", "bptt", seed, (0.5, 0.6, 0.7, accuracy), final=accuracy, settings=settings)
    if best is not None:
        final = next(line for line in run if line["kind"] == "final")
        kept = {**final, "kind": "kept", "network": "best", "after": final["step"], "test_accuracy": best}
        run.insert(run.index(final) + 1, kept)
    write(folder / f"curves/{name}-{rate}-{seed}.jsonl", run)


def test_the_longest_sweep_selects_and_equal_lengths_and_networks_are_shown(tmp_path: Path):
    sweep(tmp_path)
    for rate, accuracy in ((0.005, 0.8), (0.01, 0.9)):
        for seed in (2, 101, 103):
            longer(tmp_path, rate, seed, accuracy, best=0.95)
    found = records.read(tmp_path)
    (row,) = tuning.tuned(found, learning.judged(found)).to_dict("records")
    assert (row["values"]["learning_rate"], row["tried"]) == (0.01, 2)
    assert (row["network"], row["seeds"]) == ("best", 2)  # and not seeds 1 and 3 of the shorter ones
    assert (row["published"], row["tuned"]) == (0.95, 0.95)
    longer(tmp_path, 0.01, 101, 0.9, best=None)  # of a run that kept none
    found = records.read(tmp_path)
    (row,) = tuning.tuned(found, learning.judged(found)).to_dict("records")
    assert (row["network"], row["seeds"]) == ("last", 2)
    assert (row["published"], row["tuned"]) == pytest.approx((0.8, 0.9))
    longer(tmp_path, 0.01, 101, 0.9, best=0.97, name="again")  # its seed, trained again
    found = records.read(tmp_path)
    (row,) = tuning.tuned(found, learning.judged(found)).to_dict("records")
    assert (row["network"], row["seeds"]) == ("best", 2)
    assert (row["published"], row["tuned"]) == pytest.approx((0.95, 0.96))


def test_a_setting_that_makes_a_seed_diverge_is_not_selected(tmp_path: Path):
    sweep(tmp_path)
    settings = {**SETTINGS, "optimizer": {"learning_rate": 0.02}}
    write(tmp_path / "curves/0.02-0.jsonl", curve("numba", "bptt", 0, (), diverged=True, settings=settings))
    found = records.read(tmp_path)
    (row,) = tuning.tuned(found, learning.judged(found)).to_dict("records")
    assert row["values"]["learning_rate"] == 0.01


def test_a_knob_changes_alone(tmp_path: Path):
    sweep(tmp_path)
    two = {**SETTINGS, "optimizer": {"learning_rate": 0.04}, "task": {"n_cues": 3}}
    write(tmp_path / "curves/two.jsonl", curve(final=0.5, settings=two))
    found = records.read(tmp_path)
    rows = tuning.along(found, learning.judged(found), "learning_rate")
    assert sorted(set(rows["value"])) == [0.005, 0.01, 0.02]
    assert tuning.along(found, learning.judged(found), "n_cues").empty
    # Members of a sweep are no experiments of their own in the report.
    assert len(hyperparameters.swept(found.runs)) == 3


def test_only_runs_that_are_equally_long_and_judged_at_their_end_are_compared(tmp_path: Path):
    for seed in range(3):
        for rule in ("bptt", "eprop_symmetric"):
            write(tmp_path / f"curves/{rule}{seed}.jsonl", curve("numba", rule, seed, final=0.5 + 0.1 * seed))
    write(tmp_path / "curves/short.jsonl", curve("numba", "bptt", 3, (0.5,), final=0.1))
    write(tmp_path / "curves/unjudged.jsonl", curve("numba", "bptt", 4))
    on = curve("numba", "bptt", 5, (0.5,), final=0.1, end=False)
    on += curve("numba", "bptt", 5)[3:]  # it went on after it had been judged
    write(tmp_path / "curves/on.jsonl", on)
    found = records.read(tmp_path)
    (rows,) = learning.main(learning.judged(found))
    assert sorted(rows["seed"]) == [0, 0, 1, 1, 2, 2]
    (pair,) = learning.pairs(rows, [("bptt", "eprop_symmetric"), ("bptt", "snap1")]).to_dict("records")
    assert (pair["seeds"], pair["difference"], pair["adjusted"]) == (3, 0.0, 1.0)


def test_only_rules_that_are_compared_everywhere_are_drawn_and_tested(tmp_path: Path):
    """With all thirteen rules trained; ablations are in a table of their own, rungs in another section."""
    for rule in (*impl.RULES, "hops3", "theirs"):
        for seed in range(2):
            write(tmp_path / f"curves/{rule}{seed}.jsonl", curve("numba", rule, seed, final=0.5 + 0.1 * seed))
    found = records.read(tmp_path)
    (rows,) = learning.main(learning.judged(found))
    assert set(learning.drawn(rows)["rule"]) == {*rules.learning(), "theirs"}
    rungs = rows[rows["rule"].isin(["snap1", "hops1"])]
    assert len(learning.drawn(rungs)) == len(rungs) == 4
    (section,) = composed(comparison_section, Material(found, tmp_path))
    first, others, references, tests = section.tables
    assert len(first.rows) == len(rules.learning()) + 1
    assert others.folded == "Other rules, trained on the same seeds"
    assert [row[0].text for row in others.rows] == ["BPTT, detached reset", "OTTT", "SLTT", "DRTP"]
    assert [row[0].text for row in references.rows] == ["BPTT", "e-prop"]
    assert len(tests.rows) == 15
    text = (tmp_path / "compared-evidence-accumulation.svg").read_text()
    assert "readout only" in text
    assert not re.search("SnAp|hop|OTTT", text)


def test_the_floor_is_a_thin_grey_line():
    look = Look(("bptt", "readout_only"), ("adjoint",), {}, frozenset({"readout_only"}))
    assert (look.colour("readout_only"), look.rule_line("readout_only")) == (style.MUTED, "-")
    assert look.width("readout_only", style.LINE) < look.width("bptt", style.LINE) == style.LINE
    drawing = Drawing(Figure())
    ax = drawing.figure.subplots()
    points = pd.DataFrame({"file": ["a", "a", "b", "b"], "step": [1, 2, 1, 2], "criterion_step": np.nan})
    points["test_accuracy"] = [0.5, 0.6, 0.5, 0.7]
    seeds_and_mean(drawing, ax, points, "step", "test_accuracy", look, ("readout_only", "adjoint"))
    visible = [line for line in ax.lines if line.get_alpha() != 0.0 and len(line.get_xdata())]  # pyright: ignore
    assert [line.get_color() for line in visible] == [style.MUTED]
    assert not ax.collections  # no band


def test_the_command_trains_once_and_compares(tmp_path: Path):
    command = ["figure", *TINY, "--steps", "20", "--results", str(tmp_path)]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    files = sorted((tmp_path / "curves").glob("*.jsonl"))
    assert len(files) == 4
    before = [path.read_bytes() for path in files]
    for path in files:
        (final,) = (r for r in map(json.loads, path.read_text().splitlines()) if r["kind"] == "final")
        assert (final["step"], final["trials"]) == (20, 512)
    assert (tmp_path / "report/compared-evidence-accumulation.svg").exists()
    text = (tmp_path / "report/report.md").read_text()
    assert "| BPTT | symmetric e-prop | 2 |" in text
    assert CliRunner().invoke(main, command).exit_code == 0
    assert before == [path.read_bytes() for path in files]


def test_tuned_settings_are_trained_on_seeds_of_their_own(tmp_path: Path):
    tiny = [*TINY, "--steps", "20", "--results", str(tmp_path)]
    done = CliRunner().invoke(main, ["figure", *tiny, "--tuned"])
    assert done.exit_code == 2
    assert "python -m benchmarks sweep" in done.output


def test_a_run_at_other_values():
    (run,) = comparison.of(PROBLEMS["evidence_accumulation"], "numpy", ["bptt"], [100], steps=10)
    changed = comparison.at(
        run, {"learning_rate": 0.02, "rate_cost": 0.5, "tau_adaptation_ms": 500.0, "batch": 32}
    )
    assert (changed.optimizer.learning_rate, changed.plan.batch) == (0.02, 32)
    assert changed.problem.objective.rate_cost == 0.5
    assert changed.problem.network.tau_adaptation_ms == 500.0
    assert comparison.at(run, {"rate_cost": None}) == run


def test_an_interrupted_run_loses_only_its_judgement(tmp_path: Path):
    """What was cut off after the last point is judged again, with the same figures."""
    command = ["figure", *TINY, "--steps", "20", "--results", str(tmp_path)]
    assert CliRunner().invoke(main, command).exit_code == 0
    path = min((tmp_path / "curves").glob("*.jsonl"))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-2]))  # without final and end, and there is no checkpoint any more
    assert CliRunner().invoke(main, command).exit_code == 0
    again = path.read_text().splitlines(keepends=True)
    assert again[: len(lines) - 2] == lines[:-2]
    assert [line for line in again if '"final"' in line] == [line for line in lines if '"final"' in line]


def test_what_is_missing_names_its_command(tmp_path: Path):
    write(tmp_path / "curves/a.jsonl", curve())
    text = (report.build(tmp_path, tmp_path / "report").parent / "report.md").read_text()
    assert "python -m benchmarks figure" in text


@pytest.mark.parametrize("task", ["evidence_accumulation", "pattern_generation"])
def test_committed_runs_have_the_names_that_their_settings_give_now(task: str):
    """Else nothing that is recorded would be known again: a setting that is off is in no name."""
    problem, then = PROBLEMS[task], ("bptt", "eprop_symmetric")
    planned = comparison.of(problem, "torch", then, range(10), steps=600)
    if task == TASK_NAME:
        others = ("eprop_random", "eprop_adaptive")
        planned += comparison.of(problem, "torch", others, range(100, 105), steps=600)
    planned += comparison.of(problem, "torch", rules.learning(), range(20), steps=600, threads=1)
    curves = Path(__file__).parents[1] / "results" / "reference" / "curves"
    for run in planned:
        with (curves / f"{run.name}.jsonl").open() as file:
            assert json.loads(file.readline()) == json.loads(json.dumps(run.header))


@pytest.mark.parametrize(("timing", "axes"), [(None, 5), ("shared", 3)])
def test_seconds_that_do_not_compare_have_no_axes(tmp_path: Path, timing: str | None, axes: int):
    for rule in ("bptt", "eprop_symmetric"):
        for seed in range(3):
            write(
                tmp_path / f"curves/{rule}-{seed}.jsonl",
                curve("numba", rule, seed, (0.5, 0.8), final=0.8, timing=timing),
            )
    (section,) = composed(comparison_section, Material(records.read(tmp_path), tmp_path))
    text = (tmp_path / "compared-evidence-accumulation.svg").read_text()
    assert len(set(re.findall(r'id="(axes_\d+)"', text))) == axes
    assert (">seconds of training<" in text) == (timing is None)
    assert section.pictures
