"""Libraries in environments of their own: built, measured and compared there, shown, and left out where not
there.

The environment here has an interpreter and NumPy, and nothing else, so that what runs in it needs no more.
"""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from plain_library import Plain

import implementations as impl
from benchmarks.__main__ import main
from benchmarks.cli.measure import _rules_of
from benchmarks.define import asv_parameters
from benchmarks.define.cases import LIBRARY_BATCHES, Case
from benchmarks.define.systems import SYSTEMS, peers
from benchmarks.judge import libraries
from benchmarks.run import measure, peer_environments, process, timings
from benchmarks.run import peers as run_peers
from benchmarks.run.agreement import deviations
from benchmarks.run.oracle import oracle
from benchmarks.show import readme
from benchmarks.store import records
from implementations import rules
from implementations.interface import Setting

ROOT = Path(__file__).parents[1]
PLAIN = Path(__file__).with_name("plain_library.py")
TINY = "--rule eprop_symmetric --batch 2 --delay-ms 150 --rounds 1"


def numpy_alone(folder: Path) -> Path:
    """A folder with NumPy, and what it needs, for a path."""
    folder.mkdir()
    site = Path(np.__file__).parents[1]
    for name in ("numpy", "numpy.libs", f"numpy-{np.__version__}.dist-info"):
        if (site / name).exists():
            (folder / name).symlink_to(site / name)
    return folder


def site_packages(environment: Path) -> Path:
    (found,) = environment.glob("lib/python*/site-packages")
    return found


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the environment `plain`, as `build` would leave it."""
    folder = tmp_path_factory.mktemp("peers")
    (folder / "peers.toml").write_text('[plain]\npython = ["3"]\npackages = ["numpy"]\n')
    environment = folder / "plain"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (site_packages(environment) / "numpy.pth").write_text(str(numpy_alone(folder / "numpy_alone")))
    state = {"packages": ["numpy"], "python": "3", "versions": {"numpy": np.__version__}}
    (environment / "ready.json").write_text(json.dumps(state))
    return folder


def benchmarks(environments: Path, *commands: str) -> str:
    """What commands print in a process that has the plain library, and its environment."""
    code = """
import shlex, sys
from benchmarks.__main__ import main
plugin, *commands = sys.argv[1:]
for command in commands:
    main(["--plugin", plugin, *shlex.split(command)], standalone_mode=False)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(PLAIN), *commands],
        cwd=ROOT,
        env={**os.environ, peer_environments.VARIABLE: str(environments)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for file in path.glob("*.jsonl") for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def told(environments: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Results of comparing and measuring the plain library beside NumPy, with what was printed."""
    results = tmp_path_factory.mktemp("results")
    out = benchmarks(
        environments,
        f"parity --system plain --results {results}",
        f"measure --system plain,benchmark --backend numpy,numba {TINY} --results {results}",
        f"report --results {results}",
        "list",
    )
    return results, out


@pytest.mark.slow
def test_its_gradients_are_the_published_ones(told: tuple[Path, str]):
    (record,) = [line for line in lines(told[0] / "libraries") if line["kind"] == "parity"]
    assert (record["status"], record["against"], record["spikes"]) == ("ok", "published", 0)
    assert all(0.0 <= record[name] <= 1e-12 for name in ("loss", "w_in", "w_rec", "w_out"))
    assert record["w_in"] > 0.0  # computed, not copied
    assert record["cosine"] == pytest.approx(1.0)
    assert len(set(record["losses"])) == len(record["losses"]) == 10
    assert record["training"] <= 1e-9  # ten steps through Adam


@pytest.mark.slow
def test_it_is_measured_in_its_own_environment_by_the_same_clock_and_meters(told: tuple[Path, str]):
    found = [line for line in lines(told[0] / "libraries") if line["kind"] == "measurement"]
    plain = [line for line in found if line["system"] == "plain"]
    # one thread and all, and memory with all
    cases = [(line["threads"], "peak_bytes" in line) for line in plain]
    assert cases == [(1, False), (None, False), (None, True)]
    assert {line["status"] for line in found} == {"ok"}
    assert {line["library"]["version"] for line in plain} == {np.__version__}
    assert all(len(line["step_s"]) >= 3 for line in plain)
    assert {"import_s", "first_step_s", "build_s", "load_s"} <= set(plain[0])
    assert plain[-1]["peak_bytes"] > 0
    own = [line for line in found if line["system"] == "benchmark"]
    assert {(line["backend"], line["threads"], line["batch"]) for line in own} == {
        (backend, threads, 2) for backend in ("numpy", "numba") for threads in (1, None)
    }
    assert len({line["run"] for line in found}) == 1
    assert not (told[0] / "timings").exists()  # whose runs are of the suite's own systems


@pytest.mark.slow
def test_the_report_says_how_many_times(told: tuple[Path, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SYSTEMS, "plain", Plain())  # as the plug-in does in the processes of commands
    text = (told[0] / "report" / "report.md").read_text()
    section = text.split("## The libraries\n")[1].split("\n## ")[0]
    assert "**Libraries: ×" in text
    assert "A step of plain NumPy takes ×" in section
    assert "It cannot do anything but e-prop with symmetric feedback." in section
    assert "agrees" in section
    assert "synapse-steps per second" in section
    frame = libraries.shown(records.read(told[0]))
    assert frame is not None
    row = frame.same[(frame.same["system"] == "plain") & (frame.same["threads"] == "all")].iloc[0]
    own = frame.same[(frame.same["system"] == "benchmark") & (frame.same["threads"] == "all")]
    fastest = own["median_s"].min()
    assert row["library_times"] == pytest.approx(row["median_s"] / fastest)
    synapses = 100 * (40 + 99 + 2)
    assert row["synapse_steps_per_s"] == pytest.approx(synapses * 2 * row["n_steps"] / row["median_s"])
    assert row["peak_bytes"] > 0.0


@pytest.mark.slow
def test_readme_has_them_in_one_table(told: tuple[Path, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(SYSTEMS, "plain", Plain())
    block = "<!-- libraries -->\n|\n<!-- end of libraries -->\n"
    table = readme.fill(block, told[0]).splitlines()
    headings = ["library", "version", "rule", "gradient within", "2 trials, ms", "2 trials, ×", "memory, MiB"]
    assert table[1] == f"| {' | '.join(headings)} |"
    assert table[3].startswith("| **fastest backend** |  | symmetric e-prop |")
    (plain,) = (line for line in table if line.startswith("| plain NumPy |"))
    assert "×" in plain
    assert "e-1" in plain  # how near its gradient is
    with_nothing = readme.fill(block, told[0] / "report")
    assert "No library is recorded yet" in with_nothing


@pytest.mark.slow
def test_list_shows_it_and_those_that_are_not_there(told: tuple[Path, str]):
    state = {line.split()[0]: line.split()[-1] for line in told[1].splitlines() if line.strip()}
    assert state["plain"] == "available"
    assert state["norse_lsnn"] != "available"  # of which this peers.toml has no section
    assert "not available:" in told[1]


@pytest.mark.slow
def test_records_are_read_whole_and_exported(told: tuple[Path, str], tmp_path: Path):
    found = records.read(told[0])
    assert found.unreadable == []
    assert len(found.library_parity) == 1
    assert set(found.libraries["system"]) == {"plain", "benchmark"}
    assert found.measurements.empty
    assert found.samples["measurement"].isin(found.libraries["measurement"]).all()
    done = CliRunner().invoke(main, ["export", "--results", str(told[0]), "--out", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "libraries.csv").read_text().count("\n") == len(found.libraries) + 1


def test_what_runs_there_needs_numpy_alone(environments: Path):
    """Whatever else is imported is the suite's own, or Python's."""
    code = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
import benchmarks.run.peer_worker
tops = {{name.partition(".")[0] for name in sys.modules}}
ours = {{"numpy", "cython_runtime", "implementations", "benchmarks"}}  # NumPy's random is of Cython
print(sorted(top for top in tops - set(sys.stdlib_module_names) - ours if not top.startswith("_")))
"""
    python = environments / "plain" / "bin" / "python"
    done = subprocess.run([str(python), "-I", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_asv_runs_none_of_them():
    constants = vars(asv_parameters).items()
    lists = {name: value for name, value in constants if name.isupper() and name != "SYSTEMS"}
    assert "notebook" in str(lists)
    assert not [name for name in peers() if name in str(lists)]


# What several of them share


def by_autograd(rule: str) -> dict[str, Any]:
    """In a fresh process, as PyTorch's precision is the process's: a module of PyTorch beside NumPy."""
    import torch

    from benchmarks.define.systems.learners import autograd

    known = oracle()
    c = known.network
    setting = Setting(
        *(rules.get(rule), "adjoint", c, known.objective, impl.Adam(), np.dtype("float64"), "cpu", 1)
    )

    class Net(torch.nn.Module):
        def __init__(self, weights: dict[str, torch.nn.Parameter]) -> None:
            super().__init__()
            self.weights, self.beta = torch.nn.ParameterDict(weights), torch.as_tensor(c.beta.copy())

        def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            z = v = a = silent = torch.zeros(inputs.shape[1], c.n_rec)
            spikes = []
            for current in (inputs @ self.weights["w_in"].T).unbind(0):
                a = c.rho * a + z
                v = c.alpha * v + current + z @ self.weights["w_rec"].T - c.threshold * z
                u = (v - c.threshold - self.beta * a) / c.threshold
                z = torch.where(silent <= 0.0, autograd.triangle(u, c.dampening), 0.0)
                silent = torch.clamp(silent + c.refractory_steps * z.detach() - 1.0, 0.0, c.refractory_steps)
                spikes.append(z)
            z = torch.stack(spikes)
            return z, autograd.leaky((1.0 - c.kappa) * z @ self.weights["w_out"].T, c.kappa)

    def make() -> autograd.Network:
        weights = autograd.weights(known.parameters, setting.dtype)
        autograd.without_autapses(weights["w_rec"])
        return autograd.Network(Net(weights), weights)

    learner = autograd.AutogradLearner(setting, make)
    loaded = learner.load(known.batch)
    expected = {f"w_{name}": known.number(rule, f"g_{name}") for name in ("in", "rec", "out")}
    expected |= {"loss": known.number(rule, "loss"), "spikes": known.spikes}
    found = deviations({**computed(learner, known.batch)}, expected)
    state = learner.state()
    first = [float(learner.step(loaded).loss) for _ in range(3)]
    later = learner.state()
    learner.restore(state)
    again = [float(learner.step(loaded).loss) for _ in range(3)]
    learner.restore(later)
    return {**found, "first": first, "again": again, "fourth": float(learner.step(loaded).loss)}


def computed(learner: Any, batch: impl.Batch) -> dict[str, Any]:
    loaded = learner.load(batch)
    gradients, loss = learner.gradients(loaded)
    return {"spikes": learner.simulate(loaded).spikes, "loss": loss, **vars(gradients)}


def test_training_by_autograd_gives_the_published_gradients_and_goes_back():
    (found,) = process.run(by_autograd, ["bptt"])
    assert found["status"] == "ok", found["reason"]
    assert found["spikes"] == 0
    assert all(found[name] <= 1e-12 for name in ("loss", "w_in", "w_rec", "w_out"))
    assert found["first"] == found["again"]
    assert len({*found["first"], found["fourth"]}) == 4


def test_trees_of_jax_go_to_numpy_and_back():
    from benchmarks.define.systems.learners import trees

    tree = {"w": np.arange(6.0, dtype=np.float32).reshape(2, 3), "moments": (np.float32(2.0), np.int32(7))}
    arrays = trees.as_arrays(tree)
    back = trees.as_tree(tree, {name: array + 1 for name, array in arrays.items()})
    assert np.asarray(back["w"]).tolist() == (tree["w"] + 1).tolist()
    assert [float(value) for value in back["moments"]] == [3.0, 8.0]
    assert back["moments"][1].dtype == np.int32


# Building


def wheel(folder: Path, name: str, module: str, path: Path | None = None) -> Path:
    """A wheel of version 1.0 with one module, and a line that puts a folder on the path."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    file = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(f"{name}.py", module)
        if path is not None:
            archive.writestr(f"{name}.pth", f"{path}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return file


def build(folder: Path, *names: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.run.peer_environments", *names],
        cwd=ROOT,
        env={**os.environ, peer_environments.VARIABLE: str(folder), "PIP_NO_INDEX": "1"},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_what_can_be_built_is_and_the_others_say_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(peer_environments.VARIABLE, str(tmp_path))
    version = "{}.{}".format(*sys.version_info[:2])
    numpy = numpy_alone(tmp_path / "numpy_alone")
    good = wheel(tmp_path / "wheels", "good_one", "", numpy)
    sections = {
        "good": ([version], [str(good)]),
        "absent": ([version], ["no_such_package_of_mine==1.0"]),
        "old": (["2.6"], [str(good)]),
    }
    text = "".join(
        f"[{name}]\npython = {json.dumps(python)}\npackages = {json.dumps(packages)}\n"
        for name, (python, packages) in sections.items()
    )
    (tmp_path / "peers.toml").write_text(text)
    assert peer_environments.missing("good") == "not available: run make peer-good"
    done = build(tmp_path, "all")
    assert done.returncode == 0, done.stderr
    assert peer_environments.missing("good") is None
    assert peer_environments.versions("good")["versions"]["good_one"] == "1.0"
    reason = "No matching distribution found for no_such_package_of_mine==1.0"
    assert f"absent: not available: {reason}" in done.stderr
    assert "No matching distribution" in str(peer_environments.missing("absent"))
    assert "it needs Python 2.6, of which there is none" in str(peer_environments.missing("old"))
    assert build(tmp_path, "absent").returncode == 1
    assert build(tmp_path, "none").returncode == 1
    before = (tmp_path / "good" / "ready.json").stat().st_mtime_ns
    assert build(tmp_path, "good").returncode == 0  # there already
    assert (tmp_path / "good" / "ready.json").stat().st_mtime_ns == before
    (tmp_path / "peers.toml").write_text(text.replace(str(good), "good_one==2.0"))
    assert "built for other versions" in str(peer_environments.missing("good"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[Upper]\npython = ['3']\npackages = ['a']\n", "[Upper] may have lower-case letters"),
        ("[one]\npython = ['3']\n", "[one] needs packages, a list of texts"),
        ("[one]\npython = '3'\npackages = ['a']\n", "[one] needs python, a list of texts"),
        ("[one]\npython = ['3']\npackages = [1]\n", "[one] needs packages, a list of texts"),
    ],
)
def test_a_file_of_versions_that_is_wrong_is_named(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(peer_environments.VARIABLE, str(tmp_path))
    (tmp_path / "peers.toml").write_text(text)
    with pytest.raises(ValueError, match=r"peers\.toml: ") as raised:
        peer_environments.wanted()
    assert said in str(raised.value)
    assert said in str(peer_environments.missing("one"))
    done = build(tmp_path, "one")
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# What is said of each library


def test_each_library_has_an_environment_of_exact_versions():
    sections = peer_environments.wanted()
    assert {peer.environment for peer in peers().values()} == set(sections)
    for name, section in sections.items():
        assert all("==" in package for package in section.packages), name
        assert any(package.startswith("numpy==") for package in section.packages), name
    for peer in peers().values():
        packages = [package.partition("==")[0] for package in sections[peer.environment].packages]
        assert peer.package in packages


@pytest.mark.parametrize("name", list(peers()))
def test_each_library_says_what_it_is(name: str):
    peer = peers()[name]
    for text in (peer.same, peer.differs, peer.followed, peer.cannot):
        assert text.endswith(".")
        assert len(text.split()) > 1
    assert peer.licence
    assert peer.bound <= 1e-12
    for rule, modes in peer.computes.items():
        for mode in modes:
            case = Case(name, rule, mode, system=name, dtype=peer.dtypes[0])
            assert peer.unavailable(case) is None
            assert peer.comparisons(rule, mode)
    assert "not readout_only" in str(peer.unavailable(Case(name, "readout_only", "adjoint", system=name)))
    assert SYSTEMS[name].environment
    assert _rules_of(peer, ("all",))


# Without them


@pytest.fixture
def nothing_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(peer_environments.VARIABLE, str(tmp_path / "nowhere"))


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    found: list[Case] = []
    monkeypatch.setattr(timings, "measure_all", lambda cases, *_: found.extend(cases) or iter(()))
    return found


@pytest.mark.usefixtures("nothing_built")
def test_without_environments_a_command_says_what_is_missing(measured: list[Case], tmp_path: Path):
    results = ["--results", str(tmp_path)]
    named = CliRunner().invoke(main, ["measure", "--system", "nest", *results])
    assert named.exit_code == 2
    assert "--system nest can't be measured: not available: run make peer-nest" in named.output
    named = CliRunner().invoke(main, ["parity", "--system", "nest", *results])
    assert named.exit_code == 2
    assert "run make peer-nest" in named.output
    every = ["measure", "--system", "all", "--backend", "numpy", "--rule", "bptt", "--no-lengths", *results]
    done = CliRunner().invoke(main, every)
    assert done.exit_code == 0, done.output
    assert "leaving out NEST: not available: run make peer-nest" in done.output
    assert {case.system for case in measured} == {"benchmark"}
    assert {(case.batch, case.threads) for case in measured} == {(128, None)}


@pytest.mark.usefixtures("nothing_built")
def test_no_command_asks_for_them_by_default(measured: list[Case], tmp_path: Path):
    done = CliRunner().invoke(main, ["measure", "--rule", "bptt", "--no-lengths", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert {case.system for case in measured} == {"benchmark", "notebook"}
    assert "make peer" not in done.output


# Sizes


def test_beside_libraries_backends_are_measured_at_the_same_sizes(
    measured: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(peer_environments, "missing", lambda name: None)
    arguments = ["measure", "--system", "all", "--backend", "numba,brainpy", "--results", str(tmp_path)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert {case.system for case in measured} == set(SYSTEMS)
    sizes = {(batch, threads) for batch in LIBRARY_BATCHES for threads in (1, None)}
    for name in SYSTEMS:
        here = {(case.batch, case.threads) for case in measured if case.system == name and not case.memory}
        assert here == ({(128, None)} if name == "notebook" else sizes)
    assert {case.backend for case in measured if case.system == "benchmark"} == {"numba", "brainpy"}
    # one rule for each way that the gradient takes, and only those that a library has
    assert {case.rule for case in measured if case.system == "benchmark"} == {
        "bptt",
        "eprop_symmetric",
    }
    assert {case.dtype for case in measured if case.system == "nest"} == {"float64"}
    metered = [case for case in measured if case.memory]
    assert {case.threads for case in metered} == {None}
    assert len(set(measured)) == len(measured)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("--lengths", "--lengths does not apply to libraries"),
        ("--scaling", "--scaling does not apply to libraries"),
        ("--no-steps", "--no-steps leaves out all"),
        ("--rule readout_only", "none of the libraries has a rule"),
    ],
)
def test_what_libraries_are_not_measured_by_is_refused(
    arguments: str, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(peer_environments, "missing", lambda name: None)
    command = ["measure", "--system", "nest", "--results", str(tmp_path), *arguments.split()]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 2
    assert text in " ".join(done.output.split())


def test_a_step_that_takes_too_long_is_measured_on_fewer_trials(monkeypatch: pytest.MonkeyPatch):
    tried: list[int] = []

    def slow(case: Case) -> dict[str, Any]:
        tried.append(case.batch)
        if case.batch > 10:
            return {"status": "failed", "reason": run_peers.LATE}
        return {"status": "ok", "reason": None, "step_s": [1.0]}

    monkeypatch.setattr(run_peers, "_measure", slow)
    case = Case("nest", "eprop_symmetric", "online", system="nest", dtype="float64")
    fits: dict[Case, int] = {}
    found = run_peers.measure(case, fits)
    assert (found["batch"], found["asked_batch"], found["status"]) == (8, 128, "ok")
    assert tried == [128, 32, 8]
    assert run_peers.measure(case, fits)["batch"] == 8
    assert tried == [128, 32, 8, 8]
    few = replace(case, batch=2)
    assert "asked_batch" not in run_peers.measure(few, fits)


def test_the_time_of_a_process_is_that_of_two_of_the_longest_steps():
    assert 240.0 < run_peers.limit_s() <= 360.0


@pytest.mark.parametrize(
    ("samples", "more"),
    [([], True), ([1.0], True), ([5.0, 6.0], False), ([0.1] * 3, True), ([0.2] * 3, False)],
)
def test_no_sample_is_begun_after_so_many_seconds(samples: list[float], more: bool):
    case = Case("numpy", "bptt", "adjoint", patience_s=10.0)
    assert measure.wants_more(case, samples) == more


# What is shown


def parity_record(**changes: Any) -> dict[str, Any]:
    record = {
        **{"system": "nest", "rule": "eprop_symmetric", "mode": "online", "loss_of": "task", "trials": 3},
        **{"status": "ok", "spikes": 0, "bound": 1e-12},
        **dict.fromkeys(("loss", "w_in", "w_rec", "w_out"), 1e-15),
    }
    return record | changes


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, False),
        ({"spikes": 1}, True),
        ({"w_rec": 2e-12}, True),
        ({"w_rec": 2e-12, "bound": 1e-11}, False),
        ({"w_in": float("nan")}, True),
        ({"status": "failed"}, True),
        ({"status": "unavailable"}, False),
        ({"system": "braintrace_pp_prop", "w_in": 0.5}, False),  # an approximation
    ],
)
def test_a_gradient_beyond_its_bound_is_wrong(changes: Mapping[str, Any], wrong: bool):
    assert libraries.deviates(parity_record(**changes)) == wrong


@pytest.mark.slow
def test_what_deviates_is_not_drawn(told: tuple[Path, str], tmp_path: Path):
    (tmp_path / "libraries").mkdir()
    text = ""
    for record in lines(told[0] / "libraries"):
        if record["system"] == "plain":
            record = {**record, "system": "nest", "backend": "nest"}
        if record["kind"] == "parity":
            record["w_in"] = 1e-3
        text += json.dumps(record) + "\n"
    (tmp_path / "libraries" / "run.jsonl").write_text(text)
    found = libraries.shown(records.read(tmp_path))
    assert found is not None
    assert set(found.same["system"]) == {"benchmark"}
    assert set(found.left_out["system"]) == {"nest"}
    done = CliRunner().invoke(main, ["report", "--results", str(tmp_path)])
    assert done.exit_code == 0, done.output
    section = (tmp_path / "report" / "report.md").read_text().split("## The libraries\n")[1].split("\n## ")[0]
    assert "Not drawn, as its gradient was not compared or is further" in section
    assert "NEST (eprop\\_symmetric, adjoint)" in section or "NEST (eprop_symmetric, adjoint)" in section
    assert "deviates: not drawn" in section
