"""The C++ operators of the torch backend: built once, whatever happens meanwhile, and shown when it fails."""

import contextlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from cases import ALIKE, CASES, Problem, assert_gradients, problem
from test_determinism import PROBLEM

import implementations as impl

torch = pytest.importorskip(
    "torch", reason="the torch backend is not installed: pip install 'eprop-bench[torch]'"
)

from implementations.torch.cpp import extension  # noqa: E402
from implementations.torch.cpp.engine import CppEngine, Events  # noqa: E402

HERE = Path(__file__).parent
BASIC = pytest.mark.parametrize(
    ("rule", "mode"),
    [
        pytest.param(rule, mode, marks=[pytest.mark.slow] if rule in ALIKE else [])
        for backend, rule, mode in CASES
        if backend == "torch"
    ],
)
NEEDS_COMPILER = pytest.mark.skipif(
    extension.missing() is not None, reason=f"the operators can't be built here: {extension.missing()}"
)
TRAIN = """
import sys, warnings
warnings.simplefilter("always")
import implementations as impl
from cases import problem
found = problem(impl.Network(n_in=4, n_regular=3, n_adaptive=3))
for _ in range(2):
    learner = found.learner("torch", "bptt")
    learner.step(learner.load(found.batch))
metrics = learner.evaluate(learner.load(found.batch))
print(type(learner._engine).__name__, learner.compilations(), float(metrics.loss))
"""


@pytest.fixture(autouse=True)
def _with_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(extension.SWITCH, raising=False)


def start(folder: Path, **environment: str) -> subprocess.Popen[str]:
    """A fresh process that builds in `folder` and trains."""
    env = {**os.environ, "TORCH_EXTENSIONS_DIR": str(folder), "PYTHONPATH": str(HERE), **environment}
    env.pop(extension.SWITCH, None)
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN], cwd=HERE.parent, env=env, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def run(folder: Path, **environment: str) -> tuple[int, str, str]:
    process = start(folder, **environment)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def compiler_script(path: Path, body: str) -> str:
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@NEEDS_COMPILER
def test_operators_are_what_runs() -> None:
    learner = PROBLEM.learner("torch", "bptt")
    assert isinstance(learner._engine, CppEngine)  # type: ignore[attr-defined]
    assert isinstance(learner.load(PROBLEM.batch), Events)
    assert learner.compilations() == 1


@pytest.mark.slow
@NEEDS_COMPILER
def test_two_processes_build_at_once(tmp_path: Path) -> None:
    """Both train, from one library: the compiler runs once, without optimisation, which takes long."""
    log = tmp_path / "log"
    real = shutil.which(os.environ.get("CXX", "c++"))
    compiler = compiler_script(tmp_path / "compiler", f'echo "$@" >> {log}\nexec {real} "$@" -O0')
    folder = tmp_path / "built"
    ends = [process.communicate(timeout=300) for process in [start(folder, CXX=compiler) for _ in range(2)]]
    outputs = {out.strip() for out, _ in ends}
    assert len(outputs) == 1, ends
    assert outputs.pop().startswith("CppEngine 1 ")
    assert sum("-c " in line for line in log.read_text().splitlines()) == 1
    # a third one, later, finds it built
    assert run(folder, CXX=compiler)[1].startswith("CppEngine 1 ")
    assert sum("-c " in line for line in log.read_text().splitlines()) == 1
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    assert left == {"eprop_bench.so", "eprop_bench.lock"}


@NEEDS_COMPILER
def test_a_compiler_that_fails_shows_what_it_said(tmp_path: Path) -> None:
    """An error with the compiler's words; no silent change to slow code."""
    real = shutil.which(os.environ.get("CXX", "c++"))
    body = f'case "$*" in *" -c "*) echo "out of registers" >&2; exit 1;; esac\nexec {real} "$@"'
    code, _, err = run(tmp_path / "built", CXX=compiler_script(tmp_path / "compiler", body))
    assert code != 0
    assert "BuildError" in err
    assert "out of registers" in err
    assert extension.SWITCH in err
    assert not list((tmp_path / "built").rglob("*.so"))


@pytest.mark.slow
@NEEDS_COMPILER
def test_a_compiler_that_does_not_run_shows_what_it_said(tmp_path: Path) -> None:
    compiler = compiler_script(tmp_path / "compiler", 'echo "no licence" >&2; exit 1')
    code, _, err = run(tmp_path / "built", CXX=compiler)
    assert code != 0
    assert "BuildError" in err
    assert "no licence" in err


@pytest.mark.parametrize("missing", ["compiler", "ninja"])
def test_missing_tools_warn_once(tmp_path: Path, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extension, "_loaded", False)
    monkeypatch.setattr(extension, "_warned", False)
    if missing == "compiler":
        monkeypatch.setenv("CXX", "no-such-compiler")
    else:
        monkeypatch.setenv("CXX", sys.executable)  # something that is there
        monkeypatch.setattr(extension, "_ninja_folder", lambda: None)
    with pytest.warns(RuntimeWarning, match=rf"no .*{missing}.*install") as caught:
        learners = [PROBLEM.learner("torch", "eprop_symmetric") for _ in range(2)]
    assert len(caught) == 1
    for learner in learners:
        assert type(learner._engine).__name__ == "LoopEngine"  # type: ignore[attr-defined]
        learner.step(learner.load(PROBLEM.batch))
        assert learner.compilations() == 0


@pytest.mark.slow
def test_missing_compiler_in_a_fresh_process(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, CXX="no-such-compiler")
    assert code == 0, err
    assert out.startswith("LoopEngine 0 ")
    assert err.count("RuntimeWarning") == 1
    assert "no-such-compiler" in err
    assert not list(tmp_path.iterdir())


@NEEDS_COMPILER
def test_the_library_is_named_after_all_it_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above all after the CPU: its instructions may be missing on the next one."""
    names = {extension._build_name()}
    target = extension._target()
    assert b"__VERSION__" in target  # the compiler
    assert b"__SSE2__" in target or b"__ARM_NEON" in target  # the CPU
    for name, value in (
        ("_target", lambda: target + b"#define __NEW_INSTRUCTIONS__ 1\n"),
        ("flags", lambda: ["-O1"]),
        ("_compiler", lambda: ["c++", "-DOTHER"]),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(extension, name, value)
            names.add(extension._build_name())
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "0.0")
        names.add(extension._build_name())
    assert len(names) == 5


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The two that a library may be in: the user's, and their part of the one for temporary files."""
    monkeypatch.delenv("TORCH_EXTENSIONS_DIR", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(extension, "_build_name", lambda: "name")
    user = os.getuid() if hasattr(os, "getuid") else ""
    return tmp_path / "home/.cache/torch_extensions", tmp_path / f"torch_extensions-{user}"


def built(monkeypatch: pytest.MonkeyPatch, unusable: tuple[Path, ...] = ()) -> list[Path]:
    """In which folders a library is built, from now on; what is in the unusable ones can't be loaded."""
    found = []

    def load(library: str) -> None:
        if any(folder in Path(library).parents for folder in unusable) or not Path(library).read_bytes():
            raise OSError(f"Could not load this library: {library}") from OSError("failed to map segment")

    def build(library: Path) -> None:
        found.append(library.parents[2])
        library.write_bytes(b"a library")
        load(str(library))

    monkeypatch.setattr(extension, "_build", build)
    monkeypatch.setattr(torch.ops, "load_library", load)
    return found


def test_the_next_folder_where_nothing_can_be_loaded(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a folder without execution, which is seen before a build, or where the system says so after it."""
    first, second = folders
    real = os.statvfs
    noexec = os.statvfs_result((*real("/")[:8], getattr(os, "ST_NOEXEC", 8), 255))
    with monkeypatch.context() as patch:
        patch.setattr(os, "statvfs", lambda path: noexec if first in path.parents else real(path))
        tried = built(patch)
        extension._load()
        assert tried == [second]
        patch.setattr(os, "statvfs", lambda _: noexec)
        with pytest.raises(extension.BuildError) as caught:
            extension._load()
        assert f"{first}: no program may be loaded from there (noexec); {second}: no" in str(caught.value)
    with monkeypatch.context() as patch:
        tried = built(patch, unusable=(first,))
        extension._load()  # the second one has a library already
        assert tried == [first]
        shutil.rmtree(second)
        extension._load()
        assert tried == [first, first, second]


def test_a_damaged_library_is_built_again(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = built(monkeypatch)
    extension._load()
    extension._load()
    assert tried == [folders[0]]
    (library,) = folders[0].rglob("*.so")
    library.write_bytes(b"")
    extension._load()
    assert tried == [folders[0]] * 2


def test_a_user_without_a_home(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    tried = built(monkeypatch)
    extension._load()
    assert tried == [folders[1]]


@pytest.mark.skipif(
    not hasattr(os, "getuid"), reason="temporary files are everybody's where users have numbers"
)
def test_nothing_is_loaded_from_a_folder_that_somebody_else_made(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = folders
    first.parent.mkdir(parents=True)
    first.write_text("in the way")
    second.mkdir()
    second.chmod(0o777)
    tried = built(monkeypatch)
    with pytest.raises(extension.BuildError, match=f"{first}: .*; others can write to {second}"):
        extension._load()
    assert not tried
    assert not list(second.iterdir())
    second.chmod(0o700)
    extension._load()
    assert tried == [second]


def settings() -> list[Any]:
    denormal = torch.full((1,), 1e-40, dtype=torch.float32)
    return [
        torch.get_num_threads(),
        torch.get_num_interop_threads(),
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_float32_matmul_precision(),
        bool((denormal * 1.0).item() > 0),  # denormal numbers are kept
        float(np.float32(1e-40) * np.float32(1.0)) > 0,
        torch.get_rng_state().tolist(),
        os.environ.get("PATH"),
    ]


@pytest.mark.parametrize("switch", ["0", "1"])
@pytest.mark.parametrize("threads", [None, 1])
@BASIC
def test_settings_of_the_process_stay(
    rule: str, mode: str, threads: int | None, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(extension.SWITCH, switch)
    before = settings()
    assert before[9:11] == [True, True]
    learner = PROBLEM.learner("torch", rule, mode, threads=threads)
    loaded = learner.load(PROBLEM.batch)
    calls = (learner.step, learner.gradients, learner.evaluate, learner.simulate)
    for call in calls:
        call(loaded)
        assert settings() == before
    learner.restore(learner.state())
    learner.parameters()
    learner.synchronize()
    assert settings() == before


@pytest.mark.parametrize("switch", ["0", "1"])
@pytest.mark.parametrize("mode", ["adjoint", "online"])
def test_settings_of_the_caller_change_nothing(
    mode: str, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another default dtype and device, inside and outside of inference mode, with and without gradients."""
    monkeypatch.setenv(extension.SWITCH, switch)
    expected = PROBLEM.learner("torch", "eprop_symmetric", mode, dtype="float32")
    expected.step(expected.load(PROBLEM.batch))
    torch.set_default_dtype(torch.float64)
    torch.set_default_device("meta")  # whose tensors hold nothing
    try:
        with torch.inference_mode():
            learner = PROBLEM.learner("torch", "eprop_symmetric", mode, dtype="float32")
        with torch.enable_grad():
            loaded = learner.load(PROBLEM.batch)
        with torch.inference_mode():
            learner.gradients(loaded)
        learner.step(loaded)
        learner.evaluate(loaded)
        learner.simulate(loaded)
        learner.restore(learner.state())
        with torch.no_grad():
            found, _ = learner.gradients(loaded)
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
    assert_gradients(found, expected.gradients(expected.load(PROBLEM.batch))[0], 0.0)
    assert learner.parameters().w_in.dtype == np.float32


@pytest.mark.parametrize("switch", ["0", "1"])
@pytest.mark.parametrize("precision", ["autocast", "medium", "high"])
@pytest.mark.parametrize(("rule", "mode"), [("bptt", "adjoint"), ("eprop_adaptive", "online")])
def test_products_have_all_their_bits_whatever_the_caller_does_with_fewer(
    rule: str, mode: str, precision: str, switch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under autocast, and with products of float32 in bfloat16 (on CPUs that have those) or TF32."""
    monkeypatch.setenv(extension.SWITCH, switch)
    found = problem(impl.Network(n_in=40, n_regular=20, n_adaptive=20), n_batch=8, n_steps=60)
    results = []
    for coarse in (False, True):
        with contextlib.ExitStack() as stack:
            if coarse and precision == "autocast":
                stack.enter_context(torch.autocast("cpu", dtype=torch.bfloat16))
            elif coarse:
                torch.set_float32_matmul_precision(precision)
                stack.callback(torch.set_float32_matmul_precision, "highest")
            learner = found.learner("torch", rule, mode, dtype="float32")
            loaded = learner.load(found.batch)
            before = settings()
            results.append([learner.gradients(loaded)[0], learner.simulate(loaded)])
            learner.step(loaded)
            results[-1] += [learner.parameters(), float(learner.evaluate(loaded).loss)]
            assert settings() == before
    (gradients, activity, weights, loss), coarse_ones = results
    assert_gradients(coarse_ones[0], gradients, 0.0)
    np.testing.assert_array_equal(coarse_ones[1].spikes, activity.spikes)
    np.testing.assert_array_equal(coarse_ones[2].w_in, weights.w_in)
    assert coarse_ones[3] == loss


@NEEDS_COMPILER
@BASIC
def test_same_bits_with_any_number_of_threads(rule: str, mode: str) -> None:
    if impl.registry.available_cores() < 2:
        pytest.skip("this process may use a single core, so there are no two threads to compare")
    found = problem(impl.Network(n_in=8, n_regular=9, n_adaptive=8), n_batch=37, n_steps=150, window=40)
    results = []
    for threads in (1, 2):
        learner = found.learner("torch", rule, mode, threads=threads, dtype="float32")
        results.append(learner.gradients(learner.load(found.batch))[0])
    assert_gradients(results[0], results[1], 0.0)


def check_against_numpy(found: Problem, rule: str, mode: str) -> np.ndarray:
    """Gradients and spikes; returns the spikes."""
    learner, other = found.learner("torch", rule, mode), found.learner("numpy", rule, mode)
    loaded, loaded_too = learner.load(found.batch), other.load(found.batch)
    assert_gradients(learner.gradients(loaded)[0], other.gradients(loaded_too)[0], 1e-10)
    expected = other.simulate(loaded_too).spikes
    np.testing.assert_array_equal(learner.simulate(loaded).spikes, expected)
    return expected


@NEEDS_COMPILER
@pytest.mark.parametrize("n_regular", [0, 1, 15, 16, 17, 40, 70])
@BASIC
def test_vectors_with_regular_and_adaptive_neurons(rule: str, mode: str, n_regular: int) -> None:
    """Whole vectors of regular neurons are computed apart; more than 64 neurons take two words of spikes."""
    network = impl.Network(n_in=5, n_regular=n_regular, n_adaptive=70 - n_regular)
    found = problem(network, n_batch=5, n_steps=60, input_scale=2.0)
    assert check_against_numpy(found, rule, mode)[:, :, 64:].any()


@NEEDS_COMPILER
@pytest.mark.parametrize("n_rec", [7, 15, 23, 31, 39, 47, 55, 63, 71, 130])
@pytest.mark.parametrize(
    ("rule", "mode"), [("bptt", "adjoint"), ("hops2", "adjoint"), ("hops:5", "adjoint"), ("snap1", "online")]
)
def test_neurons_in_registers_and_in_memory(rule: str, mode: str, n_rec: int) -> None:
    """Of one to nine vectors of 512 bits, up to eight of them in registers; and of more than two words."""
    network = impl.Network(n_in=5, n_regular=n_rec // 2, n_adaptive=n_rec - n_rec // 2)
    found = problem(network, n_batch=2, n_steps=40, input_scale=2.0)
    assert check_against_numpy(found, rule, mode)[:, :, n_rec // 2 :].any()


@NEEDS_COMPILER
@pytest.mark.parametrize("refractory_steps", [0, 1, 2, 3, 7, 50])
def test_as_many_spikes_as_there_can_be(refractory_steps: int) -> None:
    """Lists of spikes are made for so many and no more."""
    network = impl.Network(
        n_in=3, n_regular=9, n_adaptive=0, threshold=0.1, refractory_steps=refractory_steps
    )
    found = problem(network, n_batch=40, n_steps=43, input_rate=1.0)
    parameters = impl.Parameters(
        np.full((3, 9), 10.0), 0.1 * found.parameters.w_rec, found.parameters.w_out, found.parameters.feedback
    )
    found = Problem(network, found.objective, parameters, found.batch)
    for rule in ("bptt", "eprop_symmetric"):
        spikes = check_against_numpy(found, rule, "adjoint")
        assert spikes[:, :: max(refractory_steps, 1)].all()


@NEEDS_COMPILER
@pytest.mark.parametrize("rule", ["bptt", "hops1", "hops2", "hops4"])
def test_all_neurons_within_reach_of_their_threshold(rule: str) -> None:
    """What they send back is a sum of all rows of W_rec^T."""
    network = impl.Network(n_in=6, n_regular=20, n_adaptive=0, threshold=2.0, refractory_steps=0)
    found = problem(network, n_batch=3, n_steps=30, input_rate=1.0)
    parameters = impl.Parameters(
        np.full((6, 20), 0.05),
        0.05 * found.parameters.w_rec,
        found.parameters.w_out,
        found.parameters.feedback,
    )
    found = Problem(network, found.objective, parameters, found.batch)
    psi = reference.forward(network, parameters, found.batch.spikes).psi
    assert (psi != 0).all()
    check_against_numpy(found, rule, "adjoint")


EVERY_RULE = """
import sys
import reference
from cases import CASES, assert_gradients
from implementations.torch.cpp import extension
from test_oracle import PUBLISHED_CASES, TOLERANCE, Expected, check_metrics, oracle
native = extension.flags()
extension.flags = lambda: [flag for flag in native if "prefer" not in flag] + sys.argv[1:]
found = oracle()
batch = found.batch.spikes, found.batch.targets
for case in CASES:
    backend, rule, mode = case
    if backend == "torch":
        learner = found.learner("torch", rule, mode)
        gradients, metrics = learner.gradients(learner.load(found.batch))
        if case in PUBLISHED_CASES:
            expected = Expected(rule)
            check_metrics(metrics, rule)
        else:
            expected, _ = reference.gradients(rule, found.network, found.objective, found.parameters, *batch)
        assert_gradients(gradients, expected, TOLERANCE)
        print(rule, mode, type(learner._engine).__name__)
"""


@pytest.mark.slow
@NEEDS_COMPILER
@pytest.mark.skipif(platform.machine() != "x86_64", reason="vectors are 128 bits on all of these CPUs")
@pytest.mark.parametrize("without", ["-mno-avx512f", "-mno-avx"])
def test_shorter_vectors(tmp_path: Path, without: str) -> None:
    """Of CPUs without the longest ones: 256 and 128 bits."""
    done = subprocess.run(
        [sys.executable, "-c", EVERY_RULE, without],
        capture_output=True, text=True, check=False, timeout=300, cwd=HERE.parent,
        env={**os.environ, "TORCH_EXTENSIONS_DIR": str(tmp_path), "PYTHONPATH": str(HERE)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("CppEngine") == sum(backend == "torch" for backend, _, _ in CASES)
