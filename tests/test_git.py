"""Git as hooks, other owners and topic branches have it: no index is touched, and git's words are said."""

import json
import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from asv.config import Config
from asv.repo import get_repo
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.run import asv_command, checkout, environment
from benchmarks.run.asv_branches import NoBranch, branches
from benchmarks.run.checkout import MEASURED, GitFailed

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")

# Found in place of ASV, as it runs in the repository: what ASV does there with git, and what it has of it
ASV = """
    import json, os, subprocess
    from pathlib import Path

    def git(*arguments, folder):
        subprocess.run(["git", *arguments], cwd=folder, check=True)

    clone = Path.cwd() / ".asv" / "project"
    git("clone", "--quiet", "--shared", str(Path.cwd()), str(clone), folder=None)
    git("checkout", "--quiet", "--force", "first", folder=clone)
    git("clean", "-fdxq", folder=clone)
    measured = (clone / "implementations" / "a.py").read_text()
    tied = [name for name in os.environ if name in NAMES]
    (Path.cwd() / ".asv" / "seen.json").write_text(json.dumps([measured, tied]))
"""
RUN = f"""
    import sys
    from pathlib import Path
    sys.path.insert(0, {str(ROOT)!r})
    from benchmarks.run import asv_command, checkout
    checkout.ROOT = asv_command.ROOT = Path(sys.argv[1])
    print("commit:", checkout.ask("rev-parse", "HEAD"))
    sys.exit(asv_command.run(["run"], Path("asv.conf.json")))
"""


def tied() -> list[str]:
    """The variables that tie git to a repository, by this git."""
    return git(ROOT, "rev-parse", "--local-env-vars").split()


def git(repository: Path, *arguments: str, **variables: str) -> str:
    return subprocess.run(
        ["git", *arguments],
        cwd=repository,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone of two commits on `main`, the first of them tagged, which is the checkout of this process."""
    for name, value in (("GLOBAL", os.devnull), ("NOSYSTEM", "1")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A. Tester")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tester@example.org")
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch", "main")
    (folder / "implementations").mkdir()
    for path in MEASURED[1:]:
        (folder / path).touch()
    (folder / ".gitignore").write_text(".asv\n__pycache__\n")
    (folder / "asv.py").write_text(f"NAMES = {tied()!r}\n" + textwrap.dedent(ASV))
    change(folder, "first")
    git(folder, "tag", "first")
    change(folder, "second")
    for module in (checkout, asv_command, environment):
        monkeypatch.setattr(module, "ROOT", folder)
    return folder


def change(repository: Path, text: str) -> str:
    """Commit `text`; returns the commit."""
    (repository / "implementations" / "a.py").write_text(text)
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "--message", text)
    return git(repository, "rev-parse", "HEAD")


def hook(repository: Path, name: str, worktree: Path) -> None:
    """Have ASV run by a hook."""
    script = repository.parent / "run.py"
    script.write_text(textwrap.dedent(RUN))
    path = repository / ".git" / "hooks" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "{worktree}"\n')
    path.chmod(0o755)


def state(worktree: Path) -> tuple[str, ...]:
    """HEAD, index and files of a worktree."""
    text = (worktree / "implementations" / "a.py").read_text()
    return (
        git(worktree, "symbolic-ref", "HEAD"),
        git(worktree, "rev-parse", "HEAD"),
        git(worktree, "ls-files", "--stage"),
        git(worktree, "status", "--porcelain"),
        text,
    )


def seen(worktree: Path) -> object:
    """The code that was measured, and the variables of git that were there."""
    return json.loads((worktree / ".asv" / "seen.json").read_text())


@pytest.mark.parametrize("options", [("--all",), ("--", "implementations/a.py"), ()])
def test_a_commit_whose_hook_measures_has_what_was_to_be_committed(
    options: tuple[str, ...], repository: Path
):
    hook(repository, "pre-commit", repository)
    (repository / "implementations" / "a.py").write_text("third")
    if not options:
        git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message", "third", *options)
    assert git(repository, "symbolic-ref", "HEAD") == "refs/heads/main"
    assert git(repository, "diff", "--name-only", "HEAD^", "HEAD") == "implementations/a.py"
    assert git(repository, "show", "HEAD:implementations/a.py") == "third"
    assert git(repository, "status", "--porcelain") == ""
    assert seen(repository) == ["first", []]


def test_a_push_from_a_linked_worktree_leaves_it_as_it_was(repository: Path, tmp_path: Path):
    worktree = tmp_path / "linked"
    git(repository, "worktree", "add", "--quiet", "-b", "topic", str(worktree))
    change(worktree, "third")
    git(tmp_path, "init", "--quiet", "--bare", "remote")
    git(repository, "remote", "add", "origin", str(tmp_path / "remote"))
    hook(repository, "pre-push", worktree)
    (worktree / "implementations" / "a.py").write_text("not committed")
    before = state(worktree), state(repository)
    git(worktree, "push", "--quiet", "origin", "topic")
    assert (state(worktree), state(repository)) == before
    assert seen(worktree) == ["first", []]


def test_whatever_ties_git_to_a_repository_reaches_no_child(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of another repository than the checkout: neither is taken for the other."""
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet", "--initial-branch", "elsewhere")
    (other / "implementations").mkdir()
    change(other, "other")
    (other / "implementations" / "a.py").write_text("not committed")
    before = state(other), state(repository)
    names = tied()
    assert {"GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"} < set(names)
    for name in names:
        monkeypatch.setenv(name, "malformed")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    checkout._tied_to_a_repository.cache_clear()
    assert checkout.ask("rev-parse", "HEAD") == before[1][1]
    assert checkout.uncommitted() == []
    assert asv_command.run(["run"], Path("asv.conf.json")) == 0
    for name in names:
        monkeypatch.delenv(name)
    assert (state(other), state(repository)) == before
    assert seen(repository) == ["first", []]


def test_a_clone_of_somebody_else_is_said_in_words_of_git(
    repository: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for command, status in ((["check", "first", "main"], 3), (["bench"], 1), (["bench", "--installed"], 1)):
        result = CliRunner().invoke(main, command)
        assert result.exit_code == status, result.output
        assert "dubious ownership" in result.stderr
        assert "safe.directory" in result.stderr
        assert "needs git" not in result.stderr
    with pytest.raises(GitFailed, match=r"safe\.directory"):
        checkout.uncommitted()

    capsys.readouterr()
    environment.environment.cache_clear()
    for _ in range(2):
        found = environment.environment()
        assert (found["commit"], found["dirty"]) == (None, None)
    environment.environment.cache_clear()
    printed = capsys.readouterr()
    assert printed.err.count("names no commit") == printed.err.count("safe.directory") == 1
    assert printed.out == ""


def test_a_record_whose_commit_is_known_says_nothing(
    repository: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    assert environment._commit() == {"commit": git(repository, "rev-parse", "HEAD"), "dirty": False}
    (repository / "implementations" / "a.py").write_text("not committed")
    assert environment._commit()["dirty"] is True
    monkeypatch.setattr(environment, "ROOT", repository / "implementations")  # as in an image without git
    assert environment._commit()["commit"] is None
    assert capsys.readouterr().err == ""


def test_a_status_that_fails_is_not_no_changes(repository: Path):
    (repository / ".git" / "index").write_bytes(b"damaged")
    result = CliRunner().invoke(main, ["check", "first", "main"])
    assert result.exit_code == 3
    assert "what is in none can't be told: " in result.stderr
    assert "index" in result.stderr
    result = CliRunner().invoke(main, ["bench", "--installed"])
    assert result.exit_code == 1
    assert "index" in result.stderr


def test_git_that_hangs_is_said(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text("#!/bin/sh\nexec sleep 20\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(slow.parent), prepend=os.pathsep)
    monkeypatch.setattr(checkout, "_TIMEOUT_S", 0.1)
    with pytest.raises(GitFailed, match=r"git status took longer than 0\.1 s"):
        checkout.uncommitted()


def shown(folder: Path, commits: str = "HEAD^!") -> list[str]:
    """The commits that ASV's site would show, by ASV's own code."""
    config = Config.load(str(asv_command.config_for(folder, commits=commits)))
    asv = get_repo(config)
    assert asv is not None
    return [commit for name in config.branches for commit in asv.get_branch_commits(name)]


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ((), ["main"]),
        (("switch --detach main",), ["main"]),
        (("switch --detach first",), ["main"]),
        (("switch --create topic",), ["main"]),
        (("switch --create topic", "commit --allow-empty -m x"), ["main", "HEAD"]),
        (("branch --move work",), ["HEAD"]),
        (("switch --detach", "branch --delete --force main"), ["HEAD"]),
        # merged: the branch has it, but not among first parents
        (
            (
                "switch --create topic first",
                "commit --allow-empty -m x",
                "switch main",
                "merge topic",
                "switch --detach topic",
            ),
            ["main", "HEAD"],
        ),
    ],
)
def test_the_site_has_the_branches_that_exist_and_head(
    before: tuple[str, ...], expected: list[str], repository: Path, tmp_path: Path
):
    for command in before:
        git(repository, *command.split())
    assert branches(["main", "nowhere"], "HEAD^!") == branches(["main"], "NEW") == expected
    assert git(repository, "rev-parse", "HEAD") in shown(tmp_path)


def test_another_branch_is_shown_where_it_is_measured(repository: Path, tmp_path: Path):
    git(repository, "switch", "--create", "topic")
    commit = change(repository, "third")
    git(repository, "switch", "main")
    assert branches(["main"], "main..topic") == branches(["main"], commit) == ["main", "topic"]
    assert commit in shown(tmp_path, "topic^!")


def test_what_cannot_be_shown_is_not_measured(repository: Path, monkeypatch: pytest.MonkeyPatch):
    def forbidden(*_: object, **__: object) -> None:
        raise AssertionError("work began")

    monkeypatch.setattr(asv_command, "run", forbidden)
    monkeypatch.setattr(asv_command, "register_machine", forbidden)
    git(repository, "switch", "--detach", "main")
    lost = change(repository, "on no branch")
    git(repository, "switch", "main")
    for commits, text in (
        ("nowhere", "'nowhere' is no commit or range of git"),
        ("main..main", "there is no commit in 'main..main'"),
        ("'", "no range of git"),
        (lost, f"{lost[:10]} is on none of the branches main"),
    ):
        with pytest.raises(NoBranch):
            branches(["main"], commits)
        result = CliRunner().invoke(main, ["bench", commits])
        assert result.exit_code == 2
        assert text in " ".join(result.stderr.split())
    git(repository, "checkout", "--orphan", "empty")
    result = CliRunner().invoke(main, ["bench"])
    assert result.exit_code == 2
    assert "'HEAD' is no commit" in result.stderr
