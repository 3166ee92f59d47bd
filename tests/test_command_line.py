"""`python -m benchmarks list` and `train` from end to end, on tiny networks and trials."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from filelock import FileLock

import implementations as impl
from benchmarks.__main__ import main
from benchmarks.cli.shareable import shareable
from benchmarks.define.cases import step_cases
from benchmarks.define.names import SYSTEM
from benchmarks.define.problem import PROBLEMS
from benchmarks.define.reasons import Broken, asked
from benchmarks.define.systems import peers
from benchmarks.run import available
from benchmarks.store import command_line
from benchmarks.store.append import RunFile
from benchmarks.store.records import read
from implementations.rules import MODES, get

ROOT = Path(__file__).parents[1]
TINY = shlex.split(
    "--backend numpy --rule bptt --dtype float64 --n-in 8 --n-regular 4 --n-adaptive 4 "
    "--n-cues 1 --cue-ms 15 --interval-ms 20 --delay-ms 30 --recall-ms 15 --batch 4 --test-trials 8"
)
LONG = [*TINY, "--steps", "800", "--evaluate-every", "20"]
"""Long enough to be interrupted in the middle, about 2 s."""

POINTS = ("step", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "rate_hz")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def train(results: Path, *arguments: str, steps: int = 40) -> Result:
    return run("train", *TINY, "--steps", str(steps), "--results", str(results), *arguments)


def start(results: Path) -> subprocess.Popen[str]:
    """A long run in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks", "train", *LONG, "--results", str(results)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def stop_after_points(results: Path, number: int, how: signal.Signals) -> tuple[int, str]:
    """Start a long run and send it a signal once so many points are recorded: its status and output."""
    process = start(results)
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline and process.poll() is None:
        if sum(b'"point"' in line for path in curves(results) for line in path.open("rb")) >= number:
            process.send_signal(how)
            break
        time.sleep(0.002)
    output, _ = process.communicate(timeout=30)
    return process.returncode, output


def curves(results: Path) -> list[Path]:
    return sorted((results / "curves").glob("*.jsonl"))


def only(results: Path) -> Path:
    (path,) = curves(results)
    return path


def records(path: Path, kind: str | None = None) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [record for record in found if kind in (None, record["kind"])]


def figures(path: Path) -> list[tuple[float, ...]]:
    """The points, without what depends on the speed of the machine."""
    return [tuple(point[name] for name in POINTS) for point in records(path, "point")]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a run of 40 steps that nothing interrupted."""
    results = tmp_path_factory.mktemp("whole")
    result = train(results)
    assert result.exit_code == 0, result.output
    return only(results)


@pytest.fixture(scope="module")
def whole_long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a long run that nothing interrupted."""
    results = tmp_path_factory.mktemp("whole_long")
    assert run("train", *LONG, "--results", str(results)).exit_code == 0
    return only(results)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy of `whole` in `tmp_path`."""
    path = tmp_path / "curves" / whole.name
    path.parent.mkdir()
    shutil.copy(whole, path)
    return path


def test_a_run_is_recorded_as_described(whole: Path):
    kinds = [record["kind"] for record in records(whole)]
    assert kinds == ["run", "session", "point", "point", "point", "point", "final", "kept", "end"]
    header, session, *points, final, kept, end = records(whole)
    assert whole.name.startswith("evidence_accumulation-numpy-bptt-adjoint-float64-cpu-seed0-")
    assert (header["schema"], header["backend"], header["rule"], header["batch"]) == (1, "numpy", "bptt", 4)
    assert header["settings"]["task"]["delay_ms"] == 30
    assert header["settings"]["objective"]["window"] == 15
    assert header["settings"]["network"]["n_adaptive"] == 4
    assert (header["settings"]["evaluate_every"], header["settings"]["test_trials"]) == (10, 8)
    assert session["step"] == 0
    assert [point["step"] for point in points] == [10, 20, 30, 40]
    assert all(set(point) == {"kind", "train_s", *POINTS} for point in points)
    assert 0.0 < points[0]["train_s"] < points[1]["train_s"] < points[2]["train_s"]
    assert (final["step"], final["trials"]) == (40, 512)
    assert set(final) == {"kind", "step", "trials", "test_loss", "test_accuracy", "rate_hz"}
    assert (kept["network"], kept["trials"]) == ("best", 512)
    assert kept["step"] == max(points, key=lambda point: point["test_accuracy"])["step"]
    assert end == {"kind": "end", "step": 40, "reason": "steps"}
    assert [path.name for path in whole.parent.iterdir()] == [whole.name]  # no checkpoint, lock or temporary


def test_the_environment_names_the_machine_but_not_its_owner(whole: Path):
    (session,) = records(whole, "session")
    environment = session["environment"]
    assert environment["cores"] >= 1
    assert environment["versions"]["numpy"]
    assert len(environment["machine"]) == 8
    words = json.dumps(environment).replace('"', " ").split()
    assert os.uname().nodename not in words
    assert not any("/" in word for word in words)


def test_a_recorded_run_is_not_measured_again(copy: Path, tmp_path: Path):
    before = copy.read_bytes()
    for steps in (40, 20):
        result = train(tmp_path, steps=steps)
        assert result.exit_code == 0
        assert "already recorded up to step 40, skipped" in result.output
        assert copy.read_bytes() == before


def test_another_setting_is_another_file(copy: Path, tmp_path: Path):
    for change in (["--learning-rate", "0.01"], ["--seed", "1"], ["--cue-rate-hz", "50"], ["--threads", "1"]):
        before = len(curves(tmp_path))
        assert train(tmp_path, *change, steps=10).exit_code == 0
        assert len(curves(tmp_path)) == before + 1
    assert len(records(copy, "point")) == 4


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_run_that_diverged_is_recorded_so_and_not_trained_again(tmp_path: Path):
    diverging = ["--learning-rate", "1e308"]
    result = train(tmp_path, *diverging)
    assert (result.exit_code, "is not finite" in result.stderr) == (1, True)
    path = only(tmp_path)
    (end,) = records(path, "end")
    assert (end["step"], end["reason"]) == (0, "diverged")
    assert "loss of step 2 is not finite" in end["error"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    before = path.read_bytes()
    for steps in (40, 80):  # more steps are no way around it
        result = train(tmp_path, *diverging, steps=steps)
        assert result.exit_code == 0, result.output
        assert "already recorded, it diverged after step 0, skipped" in result.output
        assert path.read_bytes() == before
    # Interrupted before its end was written, it is trained again, and ends the same.
    path.write_bytes(b"".join(before.splitlines(keepends=True)[:-1]))
    assert train(tmp_path, *diverging).exit_code == 1
    assert records(path, "end") == [end]


def test_a_longer_run_goes_on_in_the_same_file(copy: Path, tmp_path: Path):
    direct = tmp_path / "direct"
    train(direct, steps=60)
    result = train(tmp_path, steps=60)
    assert result.exit_code == 0, result.output
    assert figures(copy) == figures(only(direct))
    assert [record["step"] for record in records(copy, "end")] == [40, 60]
    assert [record["step"] for record in records(copy, "session")] == [0, 40]
    seconds = [point["train_s"] for point in records(copy, "point")]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_goes_on_where_it_was(
    how: signal.Signals, status: int, tmp_path: Path, whole_long: Path
):
    code, output = stop_after_points(tmp_path, 1, how)
    assert code == status, output
    assert "the same command goes on" in output
    path = only(tmp_path)
    recorded = len(records(path, "point"))
    assert 1 <= recorded < 40
    assert path.with_suffix(".checkpoint.npz").exists()

    result = run("train", *LONG, "--results", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "step 0" not in result.output  # the checkpoint was used
    assert figures(path) == figures(whole_long)
    first, second = records(path, "session")
    assert first["step"] == 0
    assert second["step"] == int(output.split("after step ")[1].split()[0])  # no step was lost
    assert not path.with_suffix(".checkpoint.npz").exists()


def test_a_killed_run_goes_on_from_its_last_point(tmp_path: Path, whole_long: Path):
    code, output = stop_after_points(tmp_path, 3, signal.SIGKILL)
    assert code == -signal.SIGKILL, output
    path = only(tmp_path)
    recorded = records(path, "point") if path.read_bytes().endswith(b"\n") else []
    result = run("train", *LONG, "--results", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert figures(path) == figures(whole_long)
    if recorded:
        assert records(path, "session")[1]["step"] == recorded[-1]["step"]
        assert records(path, "point")[: len(recorded)] == recorded


def test_every_half_written_last_line_is_mended(whole: Path, copy: Path, tmp_path: Path):
    text = whole.read_bytes()
    lines = text.splitlines(keepends=True)
    cuts = [
        len(lines[0]) // 2,
        len(lines[0]) + 20,
        len(b"".join(lines[:3])) + 30,
        len(text) - 2,
        len(text) - 1,
    ]
    for cut in (0, *cuts):
        copy.write_bytes(text[:cut])
        result = train(tmp_path)
        assert result.exit_code == 0, result.output
        assert figures(copy) == figures(whole)
        assert len(records(copy, "run")) == len(records(copy, "end")) == 1


class TestCheckpoint:
    """Whatever becomes of the checkpoint, the points are those of a run that nothing interrupted."""

    @pytest.fixture
    def interrupted(self, tmp_path: Path) -> Path:
        """The file of a long run, interrupted after two points or more."""
        assert stop_after_points(tmp_path, 2, signal.SIGINT)[0] == 130
        return only(tmp_path)

    def _resume(self, path: Path, whole_long: Path) -> str:
        kept = records(path, "point")
        result = run("train", *LONG, "--results", str(path.parents[1]))
        assert result.exit_code == 0, result.output
        assert figures(path) == figures(whole_long)
        assert records(path, "point")[: len(kept)] == kept
        seconds = [point["train_s"] for point in records(path, "point")]
        assert seconds == sorted(seconds)
        return result.output

    def test_damaged(self, interrupted: Path, whole_long: Path):
        checkpoint = interrupted.with_suffix(".checkpoint.npz")
        checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
        assert f"{checkpoint} is damaged" in self._resume(interrupted, whole_long)

    def test_lost(self, interrupted: Path, whole_long: Path):
        interrupted.with_suffix(".checkpoint.npz").unlink()
        assert "no checkpoint" in self._resume(interrupted, whole_long)

    def test_ahead_of_the_points(self, interrupted: Path, whole_long: Path):
        lines = interrupted.read_text().splitlines(keepends=True)
        interrupted.write_text("".join(lines[:-1]))
        assert "not recorded" in self._resume(interrupted, whole_long)

    def test_of_another_run(self, interrupted: Path, whole_long: Path, tmp_path: Path):
        other = tmp_path / "other"
        assert stop_after_points(other, 1, signal.SIGINT)[0] == 130
        renamed = other / "curves" / "renamed.checkpoint.npz"
        only(other).with_suffix(".checkpoint.npz").rename(renamed)
        with np.load(renamed) as arrays:
            np.savez(interrupted.with_suffix(".checkpoint.npz"), **{**arrays, "run": np.array("another")})
        assert "of another run" in self._resume(interrupted, whole_long)


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda lines: [lines[0].replace('"numpy"', '"torch"'), *lines[1:]], "is of another run"),
        (lambda lines: ["{}\n", *lines], "line 1 is no record"),
        (lambda lines: [*lines[:3], "points\n", *lines[3:]], "line 4 is no record"),
        (lambda lines: [*lines[:4], *lines[2:]], "the point at line 5"),
        (lambda lines: [*lines, lines[0]], "second run, at line 10"),
        (lambda lines: [*lines[:3], "[" * 100_000 + "\n"], "line 4 is no record"),
        (lambda lines: [*lines[:3], '{"kind": "final", "step": Infinity}\n'], "the final at line 4"),
    ],
)
def test_a_damaged_or_foreign_file_is_named_and_left_alone(spoil: Any, text: str, copy: Path, tmp_path: Path):
    copy.write_text("".join(spoil(copy.read_text().splitlines(keepends=True))))
    before = copy.read_bytes()
    result = train(tmp_path)
    assert result.exit_code == 1
    assert text in result.stderr
    assert str(copy) in result.stderr
    assert copy.read_bytes() == before


def test_a_run_that_another_process_records_is_refused(copy: Path, tmp_path: Path):
    with FileLock(copy.with_name(f".{copy.stem}.lock")):
        result = train(tmp_path, steps=60)
    assert result.exit_code == 1
    assert "in use" in result.stderr
    assert str(copy) in result.stderr
    assert len(records(copy)) == 9


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_not_finite_is_named_and_the_other_runs_go_on(tmp_path: Path):
    result = train(tmp_path, "--rule", "eprop_symmetric", "--learning-rate", "1e308", steps=10)
    assert result.exit_code == 1
    assert "loss of step 2 is not finite: bptt on numpy" in result.stderr
    assert "eprop_symmetric on numpy" in result.stderr
    assert "2 of 2 runs failed" in result.stderr


def test_the_stopping_criterion_is_recorded_and_ends_the_run_if_asked_to(tmp_path: Path):
    easy = [
        "--cue-rate-hz",
        "400",
        "--noise-rate-hz",
        "0",
        "--learning-rate",
        "0.03",
        "--evaluate-every",
        "5",
    ]
    assert train(tmp_path / "stop", *easy, "--stop-early", steps=100).exit_code == 0
    path = only(tmp_path / "stop")
    (criterion,) = records(path, "criterion")
    assert set(criterion) == {"kind", "step", "train_s", "validation_error", "test_error"}
    assert max(criterion["validation_error"], criterion["test_error"]) < 0.07
    assert criterion["step"] < 100
    assert records(path)[-1] == {"kind": "end", "step": criterion["step"], "reason": "criterion"}
    assert "skipped" in train(tmp_path / "stop", *easy, "--stop-early", steps=100).output

    assert train(tmp_path / "go", *easy, steps=100).exit_code == 0
    longer = only(tmp_path / "go")
    assert records(longer, "criterion")[0]["step"] == criterion["step"]
    assert records(longer)[-1] == {"kind": "end", "step": 100, "reason": "steps"}

    # stopped early first, then to go on: the same as never stopped
    assert train(tmp_path / "stop", *easy, steps=100).exit_code == 0
    assert figures(path) == figures(longer)
    assert len(records(path, "criterion")) == 1

    # a criterion whose point was not written any more is measured again with its point
    lines = path.read_text().splitlines(keepends=True)
    cut = next(number for number, line in enumerate(lines) if '"criterion"' in line) + 1
    path.write_text("".join(lines[:cut]))
    assert train(tmp_path / "stop", *easy, steps=100).exit_code == 0
    assert figures(path) == figures(longer)
    assert [record["step"] for record in records(path, "criterion")] == [criterion["step"]]


def test_seeds_rules_and_backends_are_runs_of_their_own(tmp_path: Path):
    assert train(tmp_path, "--rule", "eprop_random", "--seeds", "2", steps=10).exit_code == 0
    found = {(header["rule"], header["seed"]) for path in curves(tmp_path) for header in records(path, "run")}
    assert found == {(rule, seed) for rule in ("bptt", "eprop_random") for seed in (0, 1)}


def test_all_leaves_out_what_cannot_run_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real = impl.unavailable

    def unavailable(backend: str, device: str = "cpu", rule: str | None = None, mode: str | None = None):
        if backend == "numpy":
            return "it is too slow" if rule == "eprop_adaptive" else real(backend, device, rule, mode)
        return f"{backend} is away"

    monkeypatch.setattr(impl, "unavailable", unavailable)
    result = train(tmp_path, "--rule", "all", "--backend", "all", steps=10)
    assert result.exit_code == 0, result.output
    assert "leaving out jax: jax is away" in result.output
    assert "leaving out eprop_adaptive on numpy: it is too slow" in result.output
    assert len(curves(tmp_path)) == len(impl.RULES) - 1


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> str:
    """A backend whose import raises; of the others there is numpy alone."""
    real = impl.unavailable

    def unavailable(backend: str, device: str = "cpu", rule: str | None = None, mode: str | None = None):
        if backend == "torch":
            raise OSError("libtorch.so:\n  cannot open shared object file")
        return real(backend, device, rule, mode) if backend == "numpy" else f"{backend} is away"

    monkeypatch.setattr(impl, "unavailable", unavailable)
    return "torch can't be imported: OSError: libtorch.so: cannot open shared object file"


def test_a_broken_backend_is_said_and_the_others_train(tmp_path: Path, broken: str):
    result = train(tmp_path, "--backend", "all", steps=10)
    assert result.exit_code == 1
    assert f"leaving out torch: {broken}\n" in result.output
    assert result.stderr == "torch is broken here and left out, see above\n"
    assert len(curves(tmp_path)) == 1
    assert records(curves(tmp_path)[0], "end")


def test_a_broken_backend_is_said_and_the_others_are_measured(tmp_path: Path, broken: str):
    tiny = shlex.split("--rule bptt --batch 2 --delay-ms 150 --rounds 1 --no-lengths --system benchmark")
    result = run("measure", *tiny, "--results", str(tmp_path))
    assert result.exit_code == 1
    assert f"leaving out torch: {broken}\n" in result.output
    assert result.stderr == "torch is broken here and left out, see above\n"
    assert set(read(tmp_path).measurements["backend"]) == {"numpy"}


def test_figure_takes_the_next_backend_where_the_fastest_is_broken(monkeypatch: pytest.MonkeyPatch):
    def usable() -> bool:
        raise extension.BuildError("the compiler fails")

    extension = pytest.importorskip("implementations.torch.cpp.extension")
    monkeypatch.setattr(extension, "missing", lambda: None)
    monkeypatch.setattr(extension, "usable", usable)
    backend, reason = available.fastest()
    assert backend == "numba"
    assert isinstance(reason, Broken)
    assert reason == "its C++ operators can't be used: BuildError: the compiler fails"
    assert available.fastest("cuda") == ("torch", None)
    monkeypatch.setattr(extension, "missing", lambda: "there is no compiler")
    assert available.fastest() == ("numba", "there is no compiler")
    real = impl.unavailable
    for answer in ("torch is away", OSError("no library")):

        def unavailable(backend: str, *rest: Any, answer: Any = answer) -> str | None:
            if backend != "torch":
                return real(backend, *rest)
            if isinstance(answer, str):
                return answer
            raise answer

        monkeypatch.setattr(impl, "unavailable", unavailable)
        backend, reason = available.fastest()
        assert backend == "numba"
        assert isinstance(reason, Broken) is not isinstance(answer, str)


def test_a_broken_backend_that_is_asked_for_by_name_is_an_error(tmp_path: Path, broken: str):
    for command in ("train", "measure"):
        result = run(command, "--backend", "numpy,torch", "--results", str(tmp_path))
        assert result.exit_code == 2
        assert broken in result.output
    result = run("figure", "--backend", "torch", "--results", str(tmp_path))
    assert result.exit_code == 2
    assert broken in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


def test_a_backend_that_can_make_no_learner_is_said_and_the_others_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    real = impl.unavailable

    def unavailable(backend: str, *rest: Any) -> str | None:
        return real("numpy", *rest) if backend in ("numpy", "numba") else f"{backend} is away"

    monkeypatch.setattr(impl, "unavailable", unavailable)
    built = impl.learner

    def learner(backend: str, *arguments: Any, **named: Any) -> impl.Learner:
        if backend == "numba":
            raise RuntimeError("no home")
        return built(backend, *arguments, **named)

    monkeypatch.setattr(impl, "learner", learner)
    result = train(tmp_path, "--backend", "all", steps=10)
    assert result.exit_code == 1
    assert "leaving out numba: numba is broken here: RuntimeError: no home\n" in result.output
    assert len(curves(tmp_path)) == 1
    result = train(tmp_path, "--backend", "numba", steps=10)
    assert result.exit_code == 1
    assert result.stderr == "Error: numba is broken here: RuntimeError: no home\n"


def test_a_broken_package_of_one_backend_leaves_the_others(tmp_path: Path):
    """In a process of its own, where numba, torch and jax are found, and can't be imported."""
    for package in ("numba", "torch", "jax"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text(f"raise OSError('{package} is gone')\n")
    search = os.pathsep.join(filter(None, (str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH"))))
    options = [*TINY, "--backend", "all", "--steps", "10", "--results", str(tmp_path / "results")]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "train", *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": search},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    for backend, package in (("numba", "numba"), ("torch", "torch"), ("jax", "jax"), ("brainpy", "jax")):
        reason = f"{backend} can't be imported: OSError: {package} is gone"
        assert f"leaving out {backend}: {reason}\n" in done.stdout
    assert done.stderr.endswith(
        "numba and torch and jax and brainpy are broken here and left out, see above\n"
    )
    assert "Traceback" not in done.stderr
    trained = {header["backend"] for path in curves(tmp_path / "results") for header in records(path, "run")}
    assert trained == {"numpy"}


def test_an_error_without_a_text_says_where_it_arose():
    def imported() -> None:
        raise AssertionError

    reason = asked("jax", imported)
    assert isinstance(reason, Broken)
    where, _, line = reason.partition(", line ")
    assert where == "jax can't be imported: AssertionError in test_command_line"  # its module, and no path
    assert line.endswith(": raise AssertionError")

    def lacking() -> None:
        raise OSError("a\n  b")

    assert asked("jax", lacking) == "jax can't be imported: OSError: a b"


@pytest.mark.parametrize(
    ("arguments", "option", "allowed"),
    [
        (["--backend", "nump"], "--backend", "brainpy, all"),
        (["--backend", "numpy,"], "--backend", "brainpy, all"),
        (["--rule", "eprop"], "--rule", "eprop_symmetric"),
        (["--mode", "offline"], "--mode", "online"),
        (["--mode", "online"], "--rule", "adjoint"),
        (["--device", "tpu"], "--device", "cuda"),
        (["--device", "cuda"], "--backend", "numpy"),
        (["--dtype", "float16"], "--dtype", "float32"),
        (["--seeds", "0"], "--seeds", ">= 1"),
        (["--seeds", "2", "--seed", "1"], "--seed", "one of them"),
        (["--seed", "-1"], "--seed", ">= 0"),
        (["--seed", str(2**63)], "--seed", "2**63 - 1"),
        (["--steps", "0"], "--steps", ">= 1"),
        (["--steps", "15"], "--steps", "multiple of evaluate_every"),
        (["--steps", "ten"], "--steps", "integer"),
        (["--batch", "0"], "--batch", ">= 1"),
        (["--test-trials", "-5"], "--test-trials", ">= 1"),
        (["--evaluate-every", "0"], "--evaluate-every", ">= 1"),
        (["--learning-rate", "nan"], "--learning-rate", "finite"),
        (["--threads", "0"], "--threads", ">= 1"),
        (["--n-cues", "2"], "--n-cues", "odd"),
        (["--n-in", "6"], "--n-in", "multiple of 4"),
        (["--recall-ms", "31"], "--recall-ms", "delay_ms"),
        (["--n-regular", "0", "--n-adaptive", "0"], "--n-regular", ">= 1"),
        (["--threshold", "0"], "--threshold", "> 0"),
    ],
)
def test_bad_input_is_refused_by_the_options_name_before_any_work(
    arguments: list[str], option: str, allowed: str, tmp_path: Path
):
    result = train(tmp_path / "new", *arguments)
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert f"'{option}'" in message or f"{option} " in message.split("Error:")[1]
    assert allowed in message.split("Error:")[1]
    assert not (tmp_path / "new").exists()


PATTERN = shlex.split(
    "--task pattern_generation --backend numpy --rule bptt --n-in 6 --n-regular 5 --n-steps 30"
)


def test_a_second_task_is_trained_by_its_recipe_and_recorded_by_its_measure(tmp_path: Path):
    result = run("train", *PATTERN, "--steps", "20", "--results", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert "nMSE" in result.output
    assert "accuracy" not in result.output
    path = only(tmp_path)
    assert path.name.startswith("pattern_generation-numpy-bptt-")
    header, *_ = records(path)
    settings, recipe = header["settings"], PROBLEMS["pattern_generation"].recipe
    assert (header["batch"], settings["test_trials"], settings["evaluate_every"]) == (1, 1, 10)
    assert settings["optimizer"]["learning_rate"] == recipe.learning_rate
    assert settings["objective"]["window"] == settings["task"]["n_steps"] == 30
    assert settings["objective"]["loss"] == "squared_error"
    assert settings["weights"] == {"readout_std": pytest.approx(5**-0.5)}
    points = records(path, "point")
    assert all(point["nmse"] > 0.0 and point["test_accuracy"] is None for point in points)
    again = run("train", *PATTERN, "--steps", "20", "--results", str(tmp_path))
    assert "already recorded" in again.output
    assert [record["kind"] for record in records(path)].count("session") == 1


def test_both_tasks_in_one_folder_are_told_apart(whole: Path, copy: Path, tmp_path: Path):
    assert run("train", *PATTERN, "--steps", "20", "--results", str(tmp_path)).exit_code == 0
    found = read(tmp_path)
    assert not found.unreadable
    tasks = found.runs.set_index("file")["task"]
    assert sorted(tasks) == ["evidence_accumulation", "pattern_generation"]
    assert found.runs["experiment"].nunique() == 2
    of_task = found.points.assign(task=found.points["file"].map(tasks)).groupby("task")
    assert of_task["nmse"].count().tolist() == [0, 2]
    assert of_task["test_accuracy"].count().tolist() == [4, 0]
    (command,) = [text for text in found.runs["command"] if "pattern_generation" in text]
    words = shlex.split(command)[4:]
    assert words == [*PATTERN, "--steps", "20"]  # without --results, which is a path
    assert run("train", *words, "--results", str(tmp_path)).output.count("already recorded") == 1
    assert run("report", "--results", str(tmp_path)).exit_code == 0


def test_a_record_has_the_command_without_what_is_this_machines_own():
    found = {name: import_module(f"benchmarks.cli.{name}").command for name in ("sweep", "raster")}
    words = ["--scheduler", "tcp://10.0.0.1:8786", "--learning-rate", "0.1,0.2", "--results=/home/me/r"]
    assert shareable("sweep", found["sweep"], words) == "python -m benchmarks sweep --learning-rate 0.1,0.2"
    words = ["--backend", "a b", "--out", "/tmp/raster.png"]
    assert shareable("raster", found["raster"], words) == "python -m benchmarks raster --backend 'a b'"


def test_no_command_is_recorded_where_none_runs(tmp_path: Path):
    assert train(tmp_path / "told").exit_code == 0
    (session,) = records(only(tmp_path / "told"), "session")
    assert session["command"].startswith(
        "python -m benchmarks train --backend numpy --rule bptt --dtype float64"
    )
    assert str(tmp_path) not in session["command"]
    assert command_line.current() is None  # the command has ended
    assert RunFile(tmp_path).append({"kind": "parity"})["command"] is None


@pytest.mark.parametrize("option", ["--n-cues=3", "--recall-ms=15", "--test-trials=8"])
def test_options_of_another_task_are_refused_by_name(option: str, tmp_path: Path):
    result = run("train", *PATTERN, option, "--results", str(tmp_path / "new"))
    assert result.exit_code == 2
    message = " ".join(result.stderr.split())
    assert f"'{option.split('=')[0]}': does not apply to --task pattern_generation" in message
    assert not (tmp_path / "new").exists()
    other = train(tmp_path / "new", "--n-steps", "30")
    assert other.exit_code == 2
    assert "'--n-steps': does not apply to --task evidence_accumulation" in " ".join(other.stderr.split())


def test_help_says_the_defaults_of_each_task():
    text = " ".join(run("train", "--help").output.split())
    batches, rates = (
        text.partition(f"{option} ")[2].partition("[default: ")[2].partition("]")[0]
        for option in ("--batch INTEGER", "--learning-rate FLOAT")
    )
    for said, of in ((batches, "batch"), (rates, "learning_rate")):
        for name, problem in PROBLEMS.items():
            (part,) = [part for part in said.split("; ") if name in part.replace(",", "").split()]
            assert part.split(" for ")[0] == f"{getattr(problem.recipe, of):g}"


def test_list_shows_all_backends_on_100_columns():
    result = run("list")
    assert result.exit_code == 0
    for name in (*impl.BACKENDS, *impl.RULES, *PROBLEMS):
        assert name in result.output
    table = result.output.split("\n[1]")[0]
    assert max(map(len, table.splitlines())) <= 100
    lines = [line.split() for line in table.splitlines()]
    adjoint, both = (line[2:] for line in lines if line[:2] == ["numpy", "cpu"])
    assert adjoint[:2] == ["adjoint", "bptt,"]
    assert both[:3] == ["adjoint", "online", "eprop_symmetric,"]
    assert [line[2:] for line in lines if line[:2] == ["numpy", "cuda"]] == [["[1]", "all"]]
    assert "hops:K for K hops" in result.output


def test_a_rung_without_a_row_is_a_rule_of_every_command(tmp_path: Path):
    """Under the name that records and files have, however it was asked for."""
    for name in ("hops:3", "hops3"):
        assert train(tmp_path, "--rule", name, steps=10).exit_code == 0
    path = next(path for path in curves(tmp_path) if "-hops3-" in path.name)
    assert [header["rule"] for header in records(path, "run")] == ["hops3"]
    assert len(curves(tmp_path)) == 2  # with bptt, of TINY
    assert train(tmp_path, "--rule", "hops:2,hops2", steps=10).output.count("hops2 on numpy") == 3
    drawn = run("raster", "--backend", "numpy", "--rule", "hops:3", *TINY[4:-2], "--out", f"{tmp_path}/a.svg")
    assert drawn.exit_code == 0, drawn.output
    assert "3 hops on numpy" in (tmp_path / "a.svg").read_text()
    assert [case.rule for case in step_cases([("numpy", "hops3")], MODES)] == ["hops3"] * 2
    held = run("parity", "--backend", "numpy", "--rule", "hops:3,snap1", "--results", str(tmp_path))
    assert held.exit_code == 0
    assert "the published numbers have no hops3 and snap1" in " ".join(held.output.split())
    for command in ("train", "figure", "raster", "measure", "sweep", "parity", "devices"):
        refused = run(command, "--rule", "hops:three", "--results", str(tmp_path / "new"))
        assert refused.exit_code == 2


def test_list_as_json_says_what_is_available_and_why_not():
    told = json.loads(run("list", "--json").stdout)
    assert all(entry["available"] == (entry["reason"] is None) for entry in told)
    assert {entry["system"] for entry in told} == {SYSTEM, *peers()}
    for name, peer in peers().items():
        of = [(entry["rule"], entry["mode"]) for entry in told if entry["system"] == name]
        assert of == [(rule, mode) for rule, modes in peer.computes.items() for mode in modes]
    entries = [entry for entry in told if entry["system"] == SYSTEM]
    assert {entry["backend"] for entry in entries} == set(impl.BACKENDS)
    by_key = {(e["backend"], e["device"], e["rule"], e["mode"]): e["available"] for e in entries}
    assert by_key["numpy", "cpu", "bptt", "adjoint"]
    assert not by_key["numpy", "cuda", "bptt", "adjoint"]
    assert ("numpy", "cpu", "bptt", "online") not in by_key
    assert len(by_key) == len(entries) == 5 * 2 * sum(len(get(rule).modes) for rule in impl.RULES)
