"""The ASV suite: exactly the intended benchmarks, over what there is, and n/a only with a reason."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asv.results import Results
from asv_runner.discovery import disc_benchmarks

import implementations as impl
from benchmarks import accuracy
from benchmarks.define import asv_parameters as suite
from benchmarks.define.cases import Case, delayed
from benchmarks.define.names import NOTEBOOK
from benchmarks.define.problem import PROBLEMS
from benchmarks.define.systems import SYSTEMS
from benchmarks.run import asv_classes, asv_command, caches, device, quick
from benchmarks.step_time import PatternStepTime, StepTime
from benchmarks.store import asv_files
from implementations import rules
from implementations.registry import DEVICES
from implementations.rules import MODES

ROOT = Path(__file__).parents[1]
TINY = Case("numpy", "eprop_symmetric", "adjoint", delayed(150).sized(n_rec=8), batch=2)

# Name -> type and unit. ASV imports every module of benchmarks/ and takes what is named like a benchmark,
# wherever it comes from: nothing else may be.
INTENDED = {
    "accuracy.Accuracy.track_test_error": ("track", "wrong/trials"),
    "accuracy.Alignment.track_misalignment": ("track", "1-cosine"),
    "accuracy.CopyRecallError.track_nmse": ("track", "error/variance"),
    "accuracy.DelayedMatchError.track_test_error": ("track", "wrong/trials"),
    "accuracy.PatternError.track_nmse": ("track", "error/variance"),
    "accuracy.SequentialDigitsError.track_test_error": ("track", "wrong/trials"),
    "accuracy.StoreRecallError.track_test_error": ("track", "wrong/trials"),
    "accuracy.TemporalXorError.track_test_error": ("track", "wrong/trials"),
    "compilation.Compilation.track_compilation_s": ("track", "seconds"),
    "compilation.ImportTime.timeraw_import": ("time", "seconds"),
    "forward_time.ForwardTime.time_evaluate": ("time", "seconds"),
    "peak_memory.DevicePeakMemory.track_device_peak_bytes": ("track", "bytes"),
    "peak_memory.MemoryGrowth.track_bytes_per_step": ("track", "bytes/step"),
    "peak_memory.NotebookPeakMemory.track_peak_bytes": ("track", "bytes"),
    "peak_memory.PeakMemory.track_peak_bytes": ("track", "bytes"),
    "scaling.BatchMemory.track_peak_bytes": ("track", "bytes"),
    "scaling.BatchTime.time_step": ("time", "seconds"),
    "scaling.LengthMemory.track_peak_bytes": ("track", "bytes"),
    "scaling.LengthTime.time_step": ("time", "seconds"),
    "scaling.SizeMemory.track_peak_bytes": ("track", "bytes"),
    "scaling.SizeTime.time_step": ("time", "seconds"),
    "step_time.NotebookStepTime.time_step": ("time", "seconds"),
    "step_time.PatternStepTime.time_step": ("time", "seconds"),
    "step_time.StepTime.time_step": ("time", "seconds"),
}


@pytest.fixture(scope="module")
def benchmarks() -> dict[str, Any]:
    """What ASV finds, in the way that it looks."""
    return {benchmark.name: benchmark for benchmark in disc_benchmarks(str(ROOT / "benchmarks"))}


def test_exactly_the_intended_benchmarks_are_found(benchmarks: dict[str, Any]):
    assert {name: (found.type, found.unit) for name, found in benchmarks.items()} == INTENDED


def test_asv_imports_all_modules_where_only_its_own_packages_are():
    """Its environments have the extras `all`, `benchmarks` and `digits`; to find them it imports all."""
    code = """
import importlib, pkgutil, sys
for name in ("dask", "distributed", "triton", "jax_triton", "selenium", "pytest"):
    sys.modules[name] = None
import benchmarks
for module in pkgutil.walk_packages(benchmarks.__path__, "benchmarks."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_parameters_are_those_of_the_registry(benchmarks: dict[str, Any]):
    assert tuple(suite.BACKENDS) == impl.BACKENDS
    assert tuple(suite.LEARNING_RULES) == rules.learning()
    assert tuple(suite.COSTLY_RULES) == rules.tracked()
    assert ("readout_only", *suite.LADDER_RULES, "bptt") == rules.ladder()
    assert tuple(suite.MODES) == MODES
    assert tuple(suite.DEVICES) == DEVICES
    step = benchmarks["step_time.StepTime.time_step"]
    values = dict(zip(step.param_names, step.params, strict=True))
    assert values["backend"] == [repr(name) for name in impl.BACKENDS]
    assert values["rule"] == [repr(name) for name in suite.TIMED_RULES]
    assert set(suite.TIMED_RULES) < set(impl.RULES)
    assert (values["n_steps"], values["n_rec"], values["batch"]) == (["2250"], ["100"], ["128"])
    notebook = SYSTEMS[NOTEBOOK]
    assert (*suite.NOTEBOOK["system"], *suite.NOTEBOOK["backend"]) == (NOTEBOOK, *notebook.backends)
    assert set(suite.NOTEBOOK["rule"]) == set(notebook.rules)


def test_every_combination_is_a_case_or_has_a_reason():
    for values in product(*StepTime.params):
        backend, rule, mode, where, *_ = values
        reason = device.no_driver() if where == "cuda" else None
        reason = reason or impl.unavailable(backend, where, rule, mode)
        if reason is None:
            found = StepTime._case(values)
            assert (found.backend, found.rule, found.mode, found.device) == (backend, rule, mode, where)
            assert (found.problem.task.n_steps, found.problem.network.n_rec) == (2250, 100)
        else:
            with pytest.raises(NotImplementedError) as stop:
                StepTime._case(values)
            assert str(stop.value) == reason


@pytest.mark.parametrize("where", [("online", "cpu"), ("adjoint", "cuda")])
def test_what_cannot_run_is_found_out_without_importing_a_framework(where: tuple[str, str]):
    """Half of all cases on a machine without a card, each of which has a process of its own."""
    code = f"""
        import sys
        from types import SimpleNamespace
        from benchmarks.run import device
        from benchmarks.step_time import StepTime
        def missing(name):
            raise OSError(name)
        device.ctypes = SimpleNamespace(CDLL=missing)
        for backend in StepTime.params[0]:
            try:
                StepTime().setup(backend, "bptt", *{where!r}, 2250, 100, 128)
            except NotImplementedError as error:
                print(error)
        print([name for name in ("torch", "jax", "numba", "brainpy") if name in sys.modules])
    """
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True
    )
    *reasons, imported = out.stdout.splitlines()
    assert len(reasons) == len(impl.BACKENDS), out.stderr
    assert all("online" in reason or "no CUDA driver" in reason for reason in reasons)
    assert imported == "[]"


def test_the_labels_of_the_other_task_are_its_sizes():
    values = ("pattern_generation", "numpy", "bptt", "adjoint", "cpu", 1000, 100, 1)
    assert values in set(product(*PatternStepTime.params))
    found = PatternStepTime._case(values)
    assert found.problem == PROBLEMS["pattern_generation"]
    batch = SYSTEMS[found.system].batch(found)
    assert batch.spikes.shape == (1, 1000, found.problem.network.n_in)
    assert found.problem.network.n_rec == 100


def test_sizes_become_the_case():
    values = ("numpy", "bptt", "adjoint", "cpu", 4500, 50, 8)
    found = StepTime._case(values)
    network = found.problem.network
    assert (found.problem.task.n_steps, network.n_regular, network.n_adaptive, found.batch) == (
        4500,
        25,
        25,
        8,
    )


@pytest.mark.parametrize("where", ["unavailable", "learner"])
def test_a_backend_that_breaks_fails_even_where_it_says_not_implemented(
    where: str, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: Any, **__: Any) -> None:
        raise NotImplementedError("no kernel for this")

    monkeypatch.setattr(impl, where, broken)
    with pytest.raises(RuntimeError, match="no kernel for this"):
        StepTime().setup("numpy", "bptt", "adjoint", "cpu", 300 + 1050, 8, 2)


def test_steps_do_not_drift_between_samples():
    prepared = asv_classes.Prepared(TINY)
    prepared.warm(prepared.step)
    before = {name: array.copy() for name, array in prepared._learner.state().items()}
    for _ in range(3):
        prepared.step()
        assert any(not np.array_equal(before[name], now) for name, now in prepared._learner.state().items())
        prepared.restore()
        for name, now in prepared._learner.state().items():
            np.testing.assert_array_equal(before[name], now)


def test_setup_builds_once(monkeypatch: pytest.MonkeyPatch):
    built = []
    real = impl.learner
    monkeypatch.setattr(impl, "learner", lambda *a, **k: built.append(a[0]) or real(*a, **k))
    asv_classes._prepared.cache_clear()
    benchmark = StepTime()
    for _ in range(3):
        benchmark.setup("numpy", "eprop_symmetric", "adjoint", "cpu", 1200, 8, 2)
        benchmark.time_step()
    assert built == ["numpy"]
    asv_classes._prepared.cache_clear()


@pytest.mark.slow
@pytest.mark.alone
def test_compilation_is_measured_with_nothing_compiled_before(tmp_path: Path):
    """In a fresh process, as ASV has it; a cache that is full already makes no difference."""
    code = """
        import sys
        from benchmarks.compilation import Compilation
        from benchmarks.run.measure import measure
        from benchmarks.define.cases import Case, delayed
        if sys.argv[1] == "cold":
            benchmark = Compilation()
            benchmark.setup("numba", "eprop_symmetric", "adjoint", "cpu", 1200, 100, 2)
            print(benchmark.track_compilation_s())
        else:
            case = Case("numba", "eprop_symmetric", "adjoint", delayed(150), batch=2)
            print(measure(case)["first_step_s"])
        """
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    times = [
        float(
            subprocess.run(
                [sys.executable, "-c", textwrap.dedent(code), how],
                cwd=ROOT,
                env=environment,
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for how in ("fill", "warm", "cold")
    ]
    assert times[2] > 0.5 * times[0] > times[1]


def test_what_was_compiled_is_forgotten_in_time_or_not_at_all(monkeypatch: pytest.MonkeyPatch):
    code = """
        import os
        from pathlib import Path
        from benchmarks.run import caches
        caches.forget()
        folder = Path(os.environ["NUMBA_CACHE_DIR"])
        folder.mkdir()
        assert "JAX_COMPILATION_CACHE_DIR" not in os.environ  # it keeps nothing unless asked to
        print(folder)
        """
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not Path(done.stdout.strip()).parent.exists()

    monkeypatch.setitem(sys.modules, "numba", sys)
    with pytest.raises(RuntimeError, match="numba"):
        caches.forget()


def test_commits_that_are_measured_in_turns_keep_what_they_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "before")
    monkeypatch.delenv("ASV_COMMIT", raising=False)
    caches.per_commit()
    assert os.environ["NUMBA_CACHE_DIR"] == "before"

    monkeypatch.setenv("ASV_ENV_DIR", str(tmp_path))
    folders = {}
    for number, commit in enumerate(("a", "b", "a", "c", "d", "e")):
        monkeypatch.setenv("ASV_COMMIT", commit)
        caches.per_commit()
        folder = Path(os.environ["NUMBA_CACHE_DIR"])
        assert folders.setdefault(commit, folder) == folder
        os.utime(tmp_path / "compiled" / commit, (number, number))
    assert {path.name for path in (tmp_path / "compiled").iterdir()} == {"a", "c", "d", "e"}
    for name in caches._ALWAYS:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param("eprop_symmetric", marks=pytest.mark.slow),
        pytest.param("bptt", marks=pytest.mark.slow),
        pytest.param("eprop_random", marks=pytest.mark.slow),
    ],
)
def test_the_easy_task_tells_learning_from_not_learning(rule: str, monkeypatch: pytest.MonkeyPatch):
    wanted = quick.quick("evidence_accumulation")
    errors = quick.errors("evidence_accumulation", "numba", rule, "cpu")
    assert len(errors) == len(wanted.seeds)
    assert np.mean(errors) < 0.15
    monkeypatch.setattr(quick, "quick", lambda _: replace(wanted, seeds=wanted.seeds[:1]))
    assert quick.errors("evidence_accumulation", "numba", rule, "cpu") == errors[:1]

    real = impl.learner

    def forgetful(*arguments: Any, **options: Any) -> impl.Learner:
        learner = real(*arguments, **options)
        monkeypatch.setattr(learner, "step", learner.evaluate)
        return learner

    monkeypatch.setattr(impl, "learner", forgetful)
    assert np.mean(quick.errors("evidence_accumulation", "numba", rule, "cpu")) > 0.35


@pytest.mark.slow
def test_the_figure_of_alignment_is_of_gradients_alone():
    """The same each time, the same on another backend, and less with each rung."""
    found = [quick.misalignment("evidence_accumulation", "numpy", rule, "cpu") for rule in suite.LADDER_RULES]
    assert found[1:] == sorted(found[1:], reverse=True)  # from the reset kept on
    assert 0.0 < found[-1] < found[1] < 0.5
    for backend in ("numpy", "numba"):
        again = quick.misalignment("evidence_accumulation", backend, "eprop_symmetric", "cpu")
        assert again == pytest.approx(found[0], rel=1e-5)
    benchmark = accuracy.Alignment()
    benchmark.setup("numpy", "snap1", "adjoint", "cpu")
    tracked = benchmark.track_misalignment("numpy", "snap1", "adjoint", "cpu")
    assert tracked == {"samples": [found[1]], "number": 1}


def test_stored_results_are_read_as_they_were_written(tmp_path: Path):
    folder = tmp_path / "m"
    folder.mkdir()
    (tmp_path / "benchmarks.json").write_text(
        json.dumps({"a.B.time_c": {"unit": "seconds", "version": "1"}, "version": 2})
    )
    columns = ["result", "params", "version", "started_at", "duration", "stats_ci_99_a", "stats_ci_99_b"]
    columns += ["stats_q_25", "stats_q_75", "stats_number", "stats_repeat", "samples", "profile"]
    result = [[0.2, math_nan(), None], [["'numba'", "'jax'", "'torch'"], ["2250"]], "1", 0, 1.0]
    result += [None] * 6 + [[[0.1, 0.2, 0.3], None, None]]
    content = {
        **{"version": 2, "commit_hash": "f" * 40, "env_name": "e", "date": 0, "params": {"machine": "m"}},
        **{"python": "3.11", "requirements": {}, "env_vars": {}, "result_columns": columns},
        **{"results": {"a.B.time_c": result}, "durations": {}},
    }
    (folder / "ffffffff-e.json").write_text(json.dumps(content))
    (folder / "ffffffff-half.json").write_text(json.dumps(content)[:100])
    found = list(asv_files.cases(Results.load(str(folder / "ffffffff-e.json"), "m"), "a.B.time_c"))
    assert [case.told for case in found] == [("'numba'",), ("'jax'",), ("'torch'",)]
    assert [case.status for case in found] == ["ok", "unavailable", "failed"]
    assert [case.samples for case in found] == [[0.1, 0.2, 0.3], [], []]
    assert found[0].selector == "a.B.time_c('numba', 2250)"
    (row,) = asv_files.over_commits(tmp_path).to_dict("records")  # what is half written is left out
    assert row == {
        **{"machine": "m", "environment": "e", "benchmark": "a.B.time_c", "case": "numba", "unit": "seconds"},
        **{"commit": "f" * 40, "date": 0, "value": 0.2},
    }
    assert asv_files.over_commits(tmp_path / "elsewhere").empty


def math_nan() -> float:
    return float("nan")


def test_the_machine_has_no_name_of_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    name = asv_command.register_machine()
    text = (tmp_path / ".asv-machine.json").read_text()
    machine = json.loads(text)[name]
    assert machine["machine"] == name
    assert int(machine["num_cpu"]) >= 1
    assert os.uname().nodename not in text.replace('"', " ").split()


def test_asv_runs_as_configured():
    config = asv_command.load_json(str(asv_command.CONFIG), js_comments=True)
    assert config["launch_method"] == "spawn"
    assert config["results_dir"] == "results/asv"
    pinned = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if "asv_runner" in line]
    assert pinned == [f"asv_runner=={config['matrix']['req']['pip+asv_runner'][0]}"]
