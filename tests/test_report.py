"""The report: numbers that equal those computed by hand, and pages that open anywhere."""

import re
import shlex
import shutil
import xml.etree.ElementTree as ElementTree
from base64 import b64encode
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from matplotlib.figure import Figure
from record_files import SETTINGS, curve, everything, measurement, memory, parity, write

from benchmarks.cli.report import command
from benchmarks.define.metrics import METRICS, significant
from benchmarks.judge import costs
from benchmarks.judge.statistics import interval
from benchmarks.show import page as report
from benchmarks.show.commands import EXPORT, MEASURE, PARITY, REPORT
from benchmarks.show.material import Material
from benchmarks.show.page import datatables
from benchmarks.show.sections import composed
from benchmarks.show.sections.provenance import reproduce
from benchmarks.show.sections.trial import trial
from benchmarks.store import records

VOID = {"meta", "link", "br", "hr", "img", "input"}


class Page(HTMLParser):
    """Checks that tags are closed in their order, and collects ids, links, tables and figures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.cell: str | None = None
        self.text = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.ids.append(found["id"] or "")
        if tag == "a":
            self.links.append(found["href"] or "")
        else:
            self.loaded += [
                found[name] or "" for name in ("src", "href", "xlink:href", "srcset") if name in found
            ]
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.cell = ""
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag in ("td", "th"):
            self.tables[-1][-1].append(self.cell or "")
            self.cell = None

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.cell is not None:
            self.cell += data

    def table(self, heading: str) -> list[dict[str, str]]:
        """The rows of the first table with this column."""
        rows = next(rows for rows in self.tables if heading in rows[0])
        return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def built(folder: Path) -> Page:
    return Page(report.build(folder, folder / "report").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two backends and rules, trained and timed, and memory in both modes at two lengths."""
    tmp_path = tmp_path_factory.mktemp("both")
    for seed, accuracies in enumerate([(0.5, 0.7, 0.9), (0.5, 0.8, 1.0), (0.5, 0.6, 0.7)]):
        met = 30 if seed < 2 else None
        write(tmp_path / f"curves/b{seed}.jsonl", curve(seed=seed, accuracies=accuracies, criterion=met))
        write(
            tmp_path / f"curves/e{seed}.jsonl",
            curve("jax", "eprop_symmetric", seed, accuracies, seconds_per_point=20.0),
        )
    rows = [
        measurement(step_s=(0.1, 0.2, 0.3)),
        measurement(step_s=(0.4, 0.5), round=1, first_step_s=7.0),
        measurement("jax", step_s=(0.6,)),
        measurement("jax", "eprop_symmetric", (0.05,)),
        measurement("torch", status="unavailable", reason="no torch: pip | install", step_s=()),
        *(memory("numba", "adjoint", n, n / 100.0) for n in (1000, 3000)),
        *(memory("numba", "online", n, 4.0) for n in (1000, 3000)),
    ]
    write(tmp_path / "timings/t.jsonl", rows)
    return tmp_path


@pytest.fixture(scope="module")
def of_both(both: Path) -> Result:
    """The command's output when it wrote the report of `both`, to the folder beside its records."""
    done = CliRunner().invoke(command, ["--results", str(both)])
    assert done.exit_code == 0
    return done


@pytest.fixture(scope="module")
def page(both: Path, of_both: Result) -> Page:
    return Page((both / "report/index.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def full_page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of `everything`, and of a drawn trial."""
    folder = everything(tmp_path_factory.mktemp("everything"))
    (folder / "report").mkdir()
    (folder / "report" / "raster.png").write_bytes(b"picture")
    return built(folder)


def test_numbers_equal_those_computed_by_hand(page: Page):
    times = page.table("quartiles (ms)")
    numba = next(row for row in times if (row["rule"], row["backend"]) == ("BPTT", "numba"))
    assert numba["median (ms)"] == "300"
    assert numba["quartiles (ms)"] == "200 – 400"
    assert numba["range (ms)"] == "100 – 500"
    assert (numba["samples"], numba["processes"]) == ("5", "2")
    assert (numba["× fastest of its rule"], numba["× fastest of all"]) == ("1.0", "6.0")
    jax = next(row for row in times if (row["rule"], row["backend"]) == ("BPTT", "jax"))
    assert (jax["× fastest of its rule"], jax["× fastest of all"]) == ("2.0", "12")
    # Median over seeds of the median over points: 70, 80 and 60 % for each.
    final = page.table("final test accuracy (%)")
    assert [row["final test accuracy (%)"] for row in final] == ["70.0", "70.0"]
    assert final[0]["range"] == "60.0 – 80.0"
    met = page.table("seeds that met it")
    assert [row["seeds that met it"] for row in met] == ["2 of 3", "0 of 3"]
    assert (met[0]["median training steps"], met[0]["median seconds"]) == ("30", "6.00")
    assert met[1]["median seconds"] == "–"
    first = page.table("first step (s)")
    assert first[0]["first step (s)"] == "6.00"  # the median of 5 and 7
    grown = {row["mode"]: row["growth per step of a trial (KiB)"] for row in page.table("steps of a trial")}
    assert grown == {"adjoint": "10.2", "online": "0"}  # 20 MiB in 2000 steps


def test_headlines_come_from_the_data(page: Page):
    text = page.text
    assert "BPTT: numba is the fastest of 2, with 300\u00a0ms per training step" in text
    assert "jax takes 2.0 times as long" in text
    assert "BPTT on numba meets the stopping criterion after the fewest training steps: 30" in text
    assert "by a factor of 3.0 in adjoint mode and by a factor of 1.0 in online mode" in text


def test_the_page_stands_alone(both: Path, page: Page):
    assert all(link.startswith("#") or "doi.org" in link for link in page.links)
    assert all(target.startswith(("#", "data:")) for target in page.loaded)
    assert len(page.ids) == len(set(page.ids))
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    source = (both / "report/index.html").read_text(encoding="utf-8")
    source = source.replace(datatables.bundle().css, "")
    assert "&lt;" not in source  # no markup of ours shows as text
    assert source.count("<svg ") == source.count('role="img"') == source.count("<figcaption>") == 6
    assert not re.search(r"url\((?!#)", source)
    assert not re.search(r"@import|<script[^>]+src", source)
    assert not re.search(r"url\((?!data:)|@import|https?:", datatables.bundle().css)
    assert len(source) < 1_000_000


@pytest.mark.usefixtures("of_both")
def test_figures_are_files_too_and_the_markdown_links_them(both: Path):
    text = (both / "report/report.md").read_text(encoding="utf-8")
    linked = re.findall(r"!\[.+\]\((.+?)\)", text)
    assert sorted(linked) == [
        *("criterion.svg", "learning.svg", "memory-growth.svg", "memory.svg", "start.svg", "step-time.svg")
    ]
    for name in linked:
        ElementTree.parse(both / "report" / name)
        assert (both / "report" / name).with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "| BPTT | numba | adjoint | **300** | 200 – 400 |" in text
    assert "pip \\| install" in text  # a bar in a reason does not end its cell
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.usefixtures("of_both")
def test_the_same_records_give_the_same_report(both: Path):
    first = {path.name: path.read_bytes() for path in (both / "report").iterdir()}
    built(both)
    assert first == {path.name: path.read_bytes() for path in (both / "report").iterdir()}


def test_curves_alone(tmp_path: Path):
    write(tmp_path / "curves/a.jsonl", curve(end=False))
    page = built(tmp_path)
    assert "No step was timed" in page.text
    assert "python -m benchmarks measure" in page.text
    assert "None of the 1 training runs met the stopping criterion" in page.text
    assert "1 of 1 runs have no end" in page.text


def test_timings_alone_with_one_backend(tmp_path: Path):
    write(tmp_path / "timings/t.jsonl", [measurement(threads=1)])
    page = built(tmp_path)
    assert "No training run is recorded" in page.text
    assert "BPTT: numba takes 200\u00a0ms per training step." in page.text
    assert "1 thread" in page.text
    assert "No memory was measured" in page.text


def test_nothing_but_parity(tmp_path: Path):
    rows = [
        parity("numba"),
        parity("jax", "eprop_symmetric", w_rec=3e-7),
        parity("torch", status="unavailable", reason="no torch"),
        parity("brainpy", status="failed", reason="ValueError: no", spikes=None, loss=None, w_in=None),
    ]
    write(tmp_path / "parity/p.jsonl", rows)
    page = built(tmp_path)
    table = page.table("verdict")
    assert {row["backend"]: row["verdict"] for row in table} == {
        "numba": "agrees",
        "jax": "deviates",
        "brainpy": "failed: ValueError: no",
    }
    assert table[0]["dW rec"] == "3.0e-16"
    assert "1 of 3 cases compute the same" in page.text
    assert "Not so: jax eprop_symmetric adjoint, brainpy bptt adjoint; their costs do not compare" in (
        re.sub(r"\s+", " ", page.text)
    )
    assert "Not compared: no torch." in page.text
    assert "python -m benchmarks train --seeds 3" in page.text
    assert "python -m benchmarks measure --no-steps --no-lengths --scaling" in page.text


def test_a_newer_comparison_of_a_case_replaces_the_older(tmp_path: Path):
    rows = [parity("numba", w_in=1.0), parity("numba", started="2026-02-01T00:00:00Z", run="parity-2")]
    write(tmp_path / "parity/p.jsonl", rows)
    assert [row["verdict"] for row in built(tmp_path).table("verdict")] == ["agrees"]


@pytest.fixture
def figures_unwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn, and empty when they are saved: that takes half of a report's time."""

    def save(_: Figure, target: Any, **__: Any) -> None:
        empty = '<svg viewBox="0 0 1 1"></svg>'
        target.write(empty) if isinstance(target, StringIO) else target.write_text(empty)

    monkeypatch.setattr(Figure, "savefig", save)


@pytest.mark.usefixtures("figures_unwritten")
@pytest.mark.parametrize(
    "missing",
    [
        *("curves", "timings"),
        *(
            pytest.param(path, marks=pytest.mark.slow)
            for path in ("parity", "curves/notebook.jsonl", "timings/b.jsonl")
        ),
    ],
)
def test_what_is_missing_is_said_with_the_command_that_adds_it(tmp_path: Path, missing: str):
    folder = everything(tmp_path)
    path = folder / missing
    path.unlink() if path.is_file() else shutil.rmtree(path)
    expected = {
        "curves": ["No training run is recorded", "benchmarks train --seeds 3"],
        "timings": ["No step was timed", "No memory was measured", "benchmarks measure"],
        "parity": ["held against the published numbers here. This does it", "benchmarks parity"],
        "curves/notebook.jsonl": ["No training run of the notebook", "train --system notebook"],
        "timings/b.jsonl": ["against the size of the network or of the batch", "--scaling"],
    }
    page = built(folder)
    for text in expected[missing]:
        assert text in page.text
    for name, texts in expected.items():
        if not name.startswith(missing):
            assert texts[0] not in page.text, name


def test_nothing_is_missing_where_everything_is(full_page: Page):
    text = full_page.text
    assert "missing" not in text.split("Contents")[1].split("function pointable")[0]
    assert text.count("This does it") == text.count("This adds") == 0


def test_a_sweep_does_not_hide_the_run_with_all_cases(full_page: Page):
    """The sweep of `everything` is the newer run, and has the published size too, of fewer cases."""
    times = full_page.table("quartiles (ms)")
    assert {row["backend"] for row in times} == {"numpy", "numba", "BrainPy notebook"}
    assert "run-2" in full_page.text
    neurons = full_page.table("recurrent neurons")
    assert {row["recurrent neurons"] for row in neurons} == {"50", "100", "200"}
    assert len(neurons) == 2 * 3 * 3


def test_the_notebook_is_shown_apart(full_page: Page):
    """Its ratio is of its own run and size, and it takes part in no other."""
    times = {(row["rule"], row["backend"], row["mode"]): row for row in full_page.table("quartiles (ms)")}
    notebook = times["BPTT", "BrainPy notebook", "adjoint"]
    assert (notebook["median (ms)"], notebook["× fastest of all"]) == ("1\u202f000", "–")
    assert notebook["as fast as the notebook"] == "–"
    assert times["BPTT", "numpy", "adjoint"]["median (ms)"] == "30.8"
    assert times["BPTT", "numpy", "adjoint"]["as fast as the notebook"] == "×32"
    # It was not timed with e-prop: that has nothing to be compared with.
    assert times["symmetric e-prop", "numpy", "online"]["as fast as the notebook"] == "–"
    assert "BrainPy notebook is the fastest" not in full_page.text
    log = full_page.table("median seconds")
    assert any(row["run"] == "published" for row in full_page.table("at the last (%)")), log


def test_picks_are_careful(tmp_path: Path):
    for seed, accuracies in enumerate([(0.9, 0.9), (0.8, 0.8), (0.85, 0.85)]):
        write(tmp_path / f"curves/b{seed}.jsonl", curve(seed=seed, accuracies=accuracies))
        write(tmp_path / f"curves/e{seed}.jsonl", curve("numba", "eprop_symmetric", seed, accuracies))
    rows = [measurement(step_s=(0.10, 0.20, 0.30)), measurement("jax", step_s=(0.15, 0.21, 0.28))]
    write(tmp_path / "timings/t.jsonl", rows)
    picked = built(tmp_path).text.split("Contents")[0]
    assert "BPTT, but not clearly" in picked
    assert "the range over seeds overlaps that of symmetric e-prop" in picked
    assert "BPTT 200\u00a0ms (jax is within the spread)" in picked


@pytest.mark.parametrize(("samples", "text"), [(5, "jax is within the spread"), (10, "next jax, ×1.9")])
def test_few_samples_tell_less(tmp_path: Path, samples: int, text: str):
    """One slow sample of ten is beyond the quartiles; of five, nobody knows."""
    rows = [
        measurement(step_s=(*[0.10] * (samples - 1), 0.30)),
        measurement("jax", step_s=(*[0.19] * (samples - 1), 0.2)),
    ]
    write(tmp_path / "timings/t.jsonl", rows)
    assert f"BPTT 100\u00a0ms ({text})" in built(tmp_path).text.split("Contents")[0]


def test_a_band_is_the_bootstrap_of_the_mean(tmp_path: Path):
    rng = np.random.default_rng(0)
    values = rng.normal(0.8, 0.05, (40, 3))
    low, high = interval(values, 1999)
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(40)
    np.testing.assert_allclose(low, mean - 1.96 * error, atol=0.3 * error.max())
    np.testing.assert_allclose(high, mean + 1.96 * error, atol=0.3 * error.max())
    low, high = interval(np.full((3, 2), 0.5))
    assert low.tolist() == high.tolist() == [0.5, 0.5]


def test_nothing_but_failures(tmp_path: Path):
    write(tmp_path / "timings/t.jsonl", [measurement(status="failed", reason="out of memory", step_s=())])
    page = built(tmp_path)
    assert page.table("reason")[0]["reason"] == "out of memory"
    assert "No step was timed" in page.text


def test_names_that_the_package_does_not_know(tmp_path: Path):
    write(tmp_path / "curves/a.jsonl", curve("newcomer", "three_factor"))
    write(tmp_path / "timings/t.jsonl", [measurement("newcomer", "three_factor"), measurement()])
    page = built(tmp_path)
    assert [row["rule"] for row in page.table("quartiles (ms)")] == ["BPTT", "three_factor"]


def test_broken_files_are_named_on_the_page(tmp_path: Path):
    write(tmp_path / "curves/a.jsonl", curve())
    write(tmp_path / "curves/empty.jsonl", [])
    assert {"file": "curves/empty.jsonl", "what": "empty"} in built(tmp_path).table("what")


def test_text_from_records_is_not_markup(tmp_path: Path):
    write(tmp_path / "timings/t.jsonl", [measurement("<script>x</script>"), measurement(rule="<b>")])
    source = report.build(tmp_path, tmp_path / "report").read_text(encoding="utf-8")
    assert "<script>x" not in source
    assert "<b>" not in source
    Page(source)


def test_runs_and_machines_are_not_mixed_in_a_ratio(tmp_path: Path):
    rows = [
        measurement("numba", step_s=(0.1,), run="old", machine="aaaa1111"),
        measurement("jax", step_s=(0.4,), run="old", machine="aaaa1111"),
        measurement("numba", step_s=(8.0,), run="new", machine="bbbb2222", started="2026-02-01T00:00:00Z"),
        measurement("jax", step_s=(4.0,), run="new", machine="bbbb2222", started="2026-02-01T00:01:00Z"),
        # The same name on another machine is another run.
        measurement("jax", step_s=(0.001,), run="new", machine="cccc3333", started="2025-02-01T00:01:00Z"),
    ]
    write(tmp_path / "timings/t.jsonl", rows)
    found = costs.costs(records.read(tmp_path))
    ratios = found.set_index(["machine", "run", "backend"])["ratio_rule"]
    assert ratios["aaaa1111", "old", "jax"] == pytest.approx(4.0)
    assert ratios["bbbb2222", "new", "numba"] == pytest.approx(2.0)
    assert ratios["cccc3333", "new", "jax"] == 1.0
    page = built(tmp_path)
    times = page.table("quartiles (ms)")
    assert [(row["backend"], row["× fastest of all"]) for row in times] == [("numba", "2.0"), ("jax", "1.0")]
    assert "Other runs are recorded too and not shown" in page.text
    assert "old (machine A)" in page.text


def test_seconds_of_several_machines_are_rows_of_their_own(tmp_path: Path):
    write(tmp_path / "curves/a.jsonl", curve(criterion=20))
    write(tmp_path / "curves/b.jsonl", curve(seed=1, criterion=20, machine="bbbb2222", seconds_per_point=9.0))
    page = built(tmp_path)
    assert {row["backend"]: row["median seconds"] for row in page.table("median seconds")} == {
        "numba, machine A": "4.00",
        "numba, machine B": "18.0",
    }
    assert "their seconds do not compare" in page.text


@pytest.mark.parametrize("final", [None, 0.9])  # shown by itself, or as part of the comparison
def test_seconds_of_a_sweep_that_shared_machines_are_compared_with_nothing(
    tmp_path: Path, final: float | None
):
    for rule, seconds in (("bptt", 0.03), ("eprop_symmetric", 0.05)):
        for seed in range(2):
            timing = "shared" if rule == "bptt" and seed == 0 else "alone"
            run = curve(
                "numba", rule, seed, seconds_per_point=seconds, criterion=20, final=final, timing=timing
            )
            write(tmp_path / f"curves/{rule}{seed}.jsonl", run)
    found = records.read(tmp_path)
    assert dict(zip(found.runs["file"], found.runs["timing"], strict=True))["curves/bptt0.jsonl"] == "shared"
    for table in (found.runs, found.points, found.criteria):
        of_shared = table["file"] == "curves/bptt0.jsonl"
        assert table.loc[of_shared, "train_s"].isna().all()
        assert table.loc[~of_shared, "train_s"].notna().all()
    page = built(tmp_path)
    table = page.table("median seconds")
    assert [row["median seconds"] for row in table] == ["–", "0.100"]
    assert [row.get("median training steps", row.get("median steps")) for row in table] == ["20", "20"]
    assert "In seconds of training" not in page.text  # one rule alone has seconds
    assert page.text.count("1 run was trained in a sweep whose runs shared machines") == 1


@pytest.mark.parametrize(
    ("timed", "estimate", "final"),  # shown by itself, or as part of the comparison
    [(2, None, 0.9), (3, 0.009, 0.9), (4, 0.0095, None)],
)
def test_seconds_per_step_of_seeds_that_had_the_machine_alone_stand_for_those_that_shared_it(
    tmp_path: Path, timed: int, estimate: float | None, final: float | None
):
    for seed, seconds in enumerate((0.08, 0.1, 0.09, 0.12)):
        for rule in ("bptt", "eprop_symmetric"):
            alone = rule == "eprop_symmetric" or seed < timed
            run = curve(
                *("numba", rule, seed),
                seconds_per_point=seconds if alone else 9.0,
                criterion=20,
                final=final,
                timing="alone" if alone else "shared",
            )
            write(tmp_path / f"curves/{rule}{seed}.jsonl", run)
    # one of another size, alone: no measure of the others
    for seed in range(3):
        run = curve("numba", "bptt", seed, seconds_per_point=50.0, criterion=20, final=final, batch=8)
        write(tmp_path / f"curves/other{seed}.jsonl", run)
    shared = curve("numba", "bptt", 4, seconds_per_point=9.0, criterion=20, final=final, timing="shared")
    write(tmp_path / "curves/bptt4.jsonl", shared)
    read = records.read(tmp_path)
    found = Material(read, tmp_path).records
    names = {"runs": "last_step", "points": "step", "criteria": "step"}
    for table, steps in names.items():
        before, after = getattr(read, table), getattr(found, table)
        of_shared = before["train_s"].isna()
        assert of_shared.any()
        assert before.loc[~of_shared, "train_s"].equals(after.loc[~of_shared, "train_s"])
        filled = after.loc[of_shared]
        if estimate is None:
            assert filled["train_s"].isna().all()
        else:
            assert filled["train_s"].to_numpy() == pytest.approx(filled[steps].to_numpy(float) * estimate)
    text = built(tmp_path).text
    said = "that had the machine alone" in text
    assert said == (estimate is not None)
    assert ("their seconds compare with nothing" in text) == (estimate is None)


def test_a_run_that_diverged_is_named_so(tmp_path: Path):
    for rule in ("bptt", "eprop_symmetric"):
        for seed in range(3):
            lost = rule == "bptt" and seed == 2
            run = curve(
                "numba",
                rule,
                seed,
                (0.5,) if lost else (0.5, 0.8),
                final=None if lost else 0.8,
                diverged=lost,
            )
            write(tmp_path / f"curves/{rule}{seed}.jsonl", run)
    for rate, accuracies in ((0.02, ()), (0.01, (0.5, 0.9))):
        for seed in range(2):
            settings = {**SETTINGS, "optimizer": {"learning_rate": rate}}
            lost = not accuracies
            run = curve(
                "numba",
                "bptt",
                seed,
                accuracies,
                final=None if lost else 0.9,
                diverged=lost,
                settings=settings,
            )
            write(tmp_path / f"curves/{rate}-{seed}.jsonl", run)
    page = built(tmp_path)
    assert "no point yet" not in page.text
    assert page.text.count("1 run diverged, as the loss became NaN or infinite") == 2
    assert "learning rate 0.02: 2 seeds" in page.text
    assert "have no end" not in page.text


def test_different_workloads_are_not_mixed_in_a_ratio(tmp_path: Path):
    rows = [measurement(step_s=(0.2,)), measurement("jax", step_s=(0.1,), batch=32)]
    write(tmp_path / "timings/t.jsonl", rows)
    assert costs.costs(records.read(tmp_path))["ratio_all"].tolist() == [1.0, 1.0]


def test_a_process_that_measures_memory_does_not_count_as_a_timed_one(tmp_path: Path):
    write(tmp_path / "timings/t.jsonl", [measurement(step_s=(0.1,)), memory("numba", "adjoint", 2250, 7.0)])
    found = costs.costs(records.read(tmp_path)).set_index("rule")
    assert found["samples"].to_dict() == {"bptt": 1, "eprop_symmetric": 0}
    assert found.loc["eprop_symmetric", "peak_bytes"] == 7 * 2**20


def test_the_command_prints_the_paths(both: Path, of_both: Result):
    assert f"{both}/report/index.html" in of_both.output
    assert f"{both}/report/report.md" in of_both.output


def test_the_command_says_what_makes_records(tmp_path: Path):
    write(tmp_path / "curves/empty.jsonl", [])
    done = CliRunner().invoke(command, ["--results", str(tmp_path)])
    assert done.exit_code == 1
    assert "python -m benchmarks train" in done.output
    assert "curves/empty.jsonl: empty" in done.output
    assert not (tmp_path / "report").exists()


AWKWARD = "my results; 'of' $HOME"
"""A folder as people may have one, and a shell would take it apart."""


def test_commands_to_copy_are_quoted_for_a_shell(tmp_path: Path):
    folder = tmp_path / AWKWARD
    done = CliRunner().invoke(command, ["--results", str(folder)])
    named = [shlex.split(line) for line in done.output.splitlines() if "python -m benchmarks" in line]
    assert named == [
        ["python", "-m", "benchmarks", name, "--results", str(folder)] for name in ("train", "measure")
    ]
    (section,) = composed(trial, Material(records.read(folder), folder))
    (shown,) = section.commands
    assert shlex.split(shown)[-2:] == ["--out", str(folder / "raster.png")]


@pytest.mark.parametrize(
    ("recorded", "shown"),
    [
        ("python -m benchmarks train --backend 'a b'", "python -m benchmarks train --backend 'a b'"),
        ("python -m benchmarks train; rm -rf ~", "python -m benchmarks 'train;' rm -rf '~'"),
        ("python -m benchmarks train $(rm -rf ~)", "python -m benchmarks train '$(rm' -rf '~)'"),
        ("python -m benchmarks train\nrm -rf ~", "python -m benchmarks train rm -rf '~'"),
        ("rm -rf ~", None),
        ("python -m benchmarks 'train", None),
        ("", None),
    ],
)
def test_recorded_commands_run_nothing_but_what_they_name(tmp_path: Path, recorded: str, shown: str | None):
    """Whoever copies one has a record that they did not write."""
    run, session, *rest = curve()
    write(tmp_path / "curves/a.jsonl", [run, {**session, "command": recorded}, *rest])
    (part,) = composed(reproduce, Material(records.read(tmp_path), tmp_path))
    assert part.commands == ([] if shown is None else [shown]) + [MEASURE, PARITY, REPORT, EXPORT]
    assert bool(part.notes) == (shown is None)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0412345, "0.0412"),
        (9.999, "10.0"),
        (41.23, "41.2"),
        (999.9, "1\u202f000"),
        (0.0, "0"),
        (123456.0, "123\u202f456"),
    ],
)
def test_significant_digits(value: float, text: str):
    assert significant(value) == text


def test_a_missing_figure_is_a_dash():
    assert METRICS["step_s"].format(float("nan")) == METRICS["step_s"].format(None) == "–"


def test_a_drawn_trial_is_in_the_page(tmp_path: Path) -> None:
    material = Material(records.read(tmp_path), tmp_path)
    found = composed(trial, material)
    assert found[0].commands
    assert str(tmp_path / "raster.png") in found[0].commands[0]
    (tmp_path / "raster.png").write_bytes(b"no picture")
    assert composed(trial, material)[0].commands == found[0].commands
    picture = b"\x89PNG\r\n\x1a\n and the rest"
    (tmp_path / "raster.png").write_bytes(picture)
    section = composed(trial, material)[0]
    assert not section.commands
    assert b64encode(picture).decode() in section.pictures[0].inline
    assert section.pictures[0].suffix == ".png"
