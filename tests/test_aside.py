"""What a machine's own Python lacks, gathered and installed aside, out of folders of small wheels."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

from benchmarks.run import aside

ROOT = Path(__file__).parents[1]


def wheel(
    folder: Path, name: str, version: str, *, needs: tuple[str, ...] = (), tag: str = "py3-none-any"
) -> None:
    """With a module of the same name, which knows its version."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {need}\n" for need in needs)
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as file:
        file.writestr(f"{name}.py", f"version = {version!r}\n")
        file.writestr(f"{info}/METADATA", metadata)
        file.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder that is all of an index that pip has."""
    index = tmp_path / "index"
    index.mkdir()
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(index), "CONFIG_FILE": os.devnull}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    return index


def names(folder: Path) -> set[str]:
    return {path.name.partition("-")[0] for path in folder.glob("*.whl")}


def test_only_what_is_missing_is_gathered(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(offline, "tops", "1.0", needs=("engine>=2", "helper"))
    wheel(offline, "helper", "3.0", needs=("engine<9",))
    wheel(offline, "engine", "8.0", needs=("gigabytes",))  # is there already, and with it what it needs
    monkeypatch.setattr(aside, "wanted", lambda: ["tops[some]>=0.5", "engine[cuda]>=1"])
    assert aside.gather(tmp_path / "wheels", {"engine": "2.5"}) == []
    assert names(tmp_path / "wheels") == {"tops", "helper"}


def test_what_does_not_go_with_what_is_there_is_left_out_and_the_rest_is_gathered(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel(offline, "tops", "1.0", needs=("engine>=2",))
    wheel(offline, "engine", "2.0")
    wheel(offline, "fine", "1.0")
    monkeypatch.setattr(aside, "wanted", lambda: ["tops", "fine"])
    (line,) = aside.gather(tmp_path / "wheels", {"engine": "1.0"})
    assert line.startswith("tops: ")
    assert names(tmp_path / "wheels") == {"fine"}


def test_what_is_gathered_has_the_tested_version(
    offline: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.0", "2.0"):
        wheel(offline, "tops", version)
    (tmp_path / "constraints.txt").write_text("# tested\ntops==1.0\n")
    monkeypatch.setattr(aside, "_TESTED", tmp_path / "constraints.txt")
    monkeypatch.setattr(aside, "wanted", lambda: ["tops"])
    assert aside.gather(tmp_path / "wheels", {}) == []
    assert [path.name for path in (tmp_path / "wheels").iterdir()] == ["tops-1.0-py3-none-any.whl"]


@pytest.mark.slow
def test_inside_a_virtual_environment_what_it_has_is_seen_and_stays(tmp_path: Path) -> None:
    """As a card's machine has it: its Python is a virtual environment, and nothing else is reached."""
    venv.create(tmp_path / "theirs", with_pip=False)
    python = tmp_path / "theirs/bin/python"
    (site,) = (tmp_path / "theirs").glob("lib/python*/site-packages")
    # neither imported nor looked for: beside pip, setuptools leaves distutils alone, and torch builds nothing
    (site / "pip").symlink_to(str(distribution("pip").locate_file("pip")))
    for name, version in (("built", "1.0"), ("kept", "1.0")):
        (site / f"{name}.py").write_text(f"version = {version!r}\n")
        info = site / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    wheels, target = tmp_path / "wheels", tmp_path / "aside"
    wheel(wheels, "built", "2.0")  # would take the place of theirs
    wheel(wheels, "added", "1.0", needs=("kept>=5", "nowhere"))
    wheel(wheels, "other", "1.0")
    wheel(wheels, "foreign", "1.0", tag="cp27-cp27m-win32")
    for name in ("added", "other"):
        with zipfile.ZipFile(wheels / f"{name}-1.0-py3-none-any.whl", "a") as file:
            file.writestr(f"shared/of_{name}.py", "")
            file.writestr(f"nvidia/cu13/lib/of_{name}", "")
    with zipfile.ZipFile(wheels / "added-1.0-py3-none-any.whl", "a") as file:
        file.writestr("added.pth", "import os; os.environ['FROM_PTH'] = 'yes'\n")

    def run(*arguments: str, path: str = str(ROOT)) -> str:
        environment = {**os.environ, "PYTHONPATH": path, "PIP_CONFIG_FILE": os.devnull}
        environment.pop("CUDA_HOME", None)
        done = subprocess.run(
            [str(python), *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    install = ("-m", "benchmarks.run.aside", "install", str(wheels), str(target))
    assert "left out: foreign: " in run(*install)
    code = "import os, built, added, kept, shared.of_added, shared.of_other; "
    code += "print(built.version, added.version, os.environ['FROM_PTH'], os.environ['CUDA_HOME'])"
    assert run("-c", code, path=str(target)).split() == ["1.0", "1.0", "yes", str(target / "nvidia/cu13")]
    assert not (target / "built.py").exists()

    (wheels / "foreign-1.0-cp27-cp27m-win32.whl").unlink()
    assert run(*install) == ""
    (target / "added.py").write_text("version = 'as it was'\n")
    assert run(*install) == ""  # does nothing where nothing changed
    assert "as it was" in (target / "added.py").read_text()
    wheel(wheels, "more", "1.0")
    run(*install)
    assert run("-c", "import more, added; print(added.version)", path=str(target)).split() == ["1.0"]


def test_the_packages_of_a_machine_with_a_card_are_listed_and_bring_the_large_ones() -> None:
    there = aside.listed(ROOT / "gpu-image.txt")
    assert {"torch", "triton", "jax", "jaxlib", "jax-cuda13-plugin", "numba-cuda", "numpy"} <= set(there)
    missing = {aside.named(one) for one in aside.wanted()} - set(there)
    assert {"rich", "asv", "itables", "jax-triton", "brainpy"} <= missing
    assert not any(name.startswith(("nvidia-cu", "cuda-")) for name in missing)


@pytest.mark.parametrize("line", ["torch>=2", "torch==", "==2"])
def test_a_list_with_a_line_that_is_no_version_is_refused(line: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"numpy==2.0.0  # fine\n-e .\nown @ file:///x\n{line}\n")
    with pytest.raises(ValueError, match="is not NAME==VERSION"):
        aside.listed(tmp_path / "list.txt")


def test_local_parts_of_versions_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("Torch_Vision==0.26.0+cu130\n")
    assert aside.listed(tmp_path / "list.txt") == {"torch-vision": "0.26.0"}


def test_it_starts_where_nothing_is_installed() -> None:
    """Nothing but pip: it runs before there is anything else."""
    code = (
        "import sys\nbefore = set(sys.modules)\nimport benchmarks.run.aside\n"
        "import json; print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert {"numpy", "click", "implementations", "pip"}.isdisjoint(json.loads(done.stdout))
