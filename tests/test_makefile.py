"""The Makefile: names with blanks are one argument, and `make clean` deletes what runs wrote and no more."""

import os
import shutil
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WRITTEN = ("curves", "data_parallel", "report")
PYTHON = f"#!{sys.executable}\nimport sys\nprint('called', sys.argv[1:])\n"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with the Makefile, a Python that prints its arguments, and results."""
    folder = tmp_path / "copy"
    for path in (
        *(folder / results / name for results in ("results", "my results", "my") for name in WRITTEN),
        *(folder / "results" / "reference" / name for name in WRITTEN),
        *(folder / name for name in ("my results/asv/machine", "my results/notes", ".asv")),
    ):
        path.mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)
    (folder / "link").symlink_to("results/reference")
    return folder


@pytest.fixture
def no_rm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What must not be deleted is not, either, where the Makefile is wrong."""
    rm = tmp_path / "bin" / "rm"
    rm.parent.mkdir()
    rm.write_text("#!/bin/sh\necho deleted\n")
    rm.chmod(0o755)
    monkeypatch.setenv("PATH", str(rm.parent), prepend=os.pathsep)


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """As typed at a terminal, also where a make runs the tests."""
    outer = ("MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "RESULTS", "WHEELS")
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(
        ["make", *arguments], cwd=folder, env=environment | variables, capture_output=True, text=True
    )


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(
    ("results", "text"),
    [
        ("", "RESULTS is empty"),
        (" \t ", "RESULTS is empty"),
        ("/", "RESULTS is /, which stays"),
        *(
            (name, "RESULTS is results/reference, which stays")
            for name in (
                "results/reference",
                "./results/reference/",
                "results/../results/reference/.",
                "link",
            )
        ),
    ],
)
@pytest.mark.usefixtures("no_rm")
@pytest.mark.parametrize("options", [(), ("--ignore-errors", "--keep-going"), ("--dry-run",)])
def test_what_is_no_folder_of_runs_is_not_cleaned(
    results: str, text: str, options: tuple[str, ...], copy: Path
):
    before = tree(copy)
    done = make(copy, *options, "clean", f"RESULTS={results}")
    assert done.returncode == 2
    assert text in done.stderr
    assert "deleted" not in done.stdout
    assert "rm" not in done.stdout
    assert tree(copy) == before


@pytest.mark.usefixtures("no_rm")
def test_an_empty_name_in_the_environment_is_no_name_either(copy: Path):
    before = tree(copy)
    assert "RESULTS is empty" in make(copy, "clean", RESULTS="").stderr
    assert "RESULTS is empty" in make(copy, "report", RESULTS=" ").stderr
    assert tree(copy) == before


def test_clean_deletes_what_runs_wrote_in_the_folder_named(copy: Path):
    before = set(tree(copy))
    assert make(copy, "clean", "RESULTS=my results").returncode == 0
    gone = before - set(tree(copy))
    written = {f"my results/{name}" for name in (*WRITTEN, "asv", "asv/machine")}
    assert gone == {".asv", ".venv", ".venv/bin", ".venv/bin/python"} | written


def test_clean_leaves_the_committed_run(copy: Path):
    assert make(copy, "clean").returncode == 0
    assert [path.name for path in (copy / "results").iterdir()] == ["reference"]
    assert sorted(path.name for path in (copy / "results" / "reference").iterdir()) == sorted(WRITTEN)
    assert (copy / "my results" / "curves").exists()


@pytest.mark.parametrize("results", ["my results", 'it\'s $$HOME; `x` "y" *'])
def test_a_name_is_one_argument(results: str, copy: Path):
    name = results.replace("$$", "$")  # which make takes for one
    done = make(copy, "report", "figure", f"RESULTS={results}")
    assert done.returncode == 0, done.stderr
    printed = [line.partition("called ") for line in done.stdout.splitlines()]
    calls = [literal_eval(rest) for before, called, rest in printed if called and not before]
    commands = [call for call in calls if call[:2] == ["-m", "benchmarks"]]
    assert len(commands) == 7
    for command in commands:
        option, value = ("--out", f"{name}/report/raster.png") if "raster" in command else ("--results", name)
        assert command[command.index(option) + 1 :] == [value]
    assert f"then write {name}/report/index.html" in make(copy, "help", f"RESULTS={results}").stdout


def test_wheels_may_lie_in_a_folder_with_a_blank(copy: Path):
    done = make(copy, "--dry-run", "gpu-check", "PYTHON=python3.12", "WHEELS=my wheels")
    install, check = done.stdout.splitlines()
    assert install == "python3.12 -m benchmarks.run.aside install 'my wheels' .gpu-site"
    assert f"PYTHONPATH='{copy}/.gpu-site'" in check
    assert "python3.12 -m benchmarks gpu-check" in check
    assert "--tune" not in check
    *_, tune = make(copy, "--dry-run", "gpu-tune", "PYTHON=python3.12").stdout.splitlines()
    assert "python3.12 -m benchmarks gpu-check --tune --minutes" in tune
    done = make(copy, "--dry-run", "gpu-wheels", "WHEELS=my wheels", "THERE=a list.txt")
    assert done.stdout.rstrip().endswith("aside wheels 'my wheels' --there 'a list.txt'")


def test_git_variables_of_a_hook_stay_outside(copy: Path):
    python = copy / ".venv" / "bin" / "python"
    python.write_text(PYTHON + "import os\nprint('index', os.environ.get('GIT_INDEX_FILE'))\n")
    done = make(copy, "bench", GIT_INDEX_FILE="/nowhere/index")
    assert done.stdout.count("index None") == 2, done.stdout + done.stderr
