"""Folders of compiled code among temporary files: this user's alone, or nothing is loaded from there."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from implementations import private_folder
from implementations.numba.cpu import compiled

pytestmark = pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs users with numbers")


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_made_for_this_user_and_found_again(temporary: Path) -> None:
    folder = private_folder.in_temporary_files("code")
    assert folder == temporary / f"code-{os.getuid()}"
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "kept").write_text("x")
    assert private_folder.in_temporary_files("code") == folder
    assert (folder / "kept").exists()


@pytest.mark.parametrize("case", ["link", "file", "group", "all", "user", "none"])
def test_what_is_not_this_users_alone_is_refused(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    folder = temporary / f"code-{os.getuid()}"
    reason = {
        **{"link": f"{folder} is no folder", "file": "File exists", "none": "no folder for temporary files"},
        **dict.fromkeys(("group", "all"), f"others can write to {folder}"),
        "user": f"{temporary}/code-12345 belongs to somebody else",
    }[case]
    if case == "link":
        (temporary / "elsewhere").mkdir()
        folder.symlink_to(temporary / "elsewhere")
    elif case == "file":
        folder.write_text("x")
    elif case == "none":
        monkeypatch.setattr(tempfile, "tempdir", str(temporary / "missing"))
    else:
        folder.mkdir(mode=0o700)
        folder.chmod({"group": 0o770, "all": 0o777, "user": 0o700}[case])
    if case == "user":  # a folder of the user who runs this, where another one looks for theirs
        folder.rename(temporary / "code-12345")
        monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(private_folder.NotPrivate, match=reason):
        private_folder.in_temporary_files("code")


def test_numba_goes_without_a_cache_rather_than_take_somebody_elses(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # neither the configured folder nor the package's
    looked = compiled._cache_folder.__wrapped__
    folder = looked(str(temporary / "configured"))
    assert folder is not None
    assert folder.parent == temporary / f"eprop-bench-numba-{os.getuid()}"
    folder.parent.chmod(0o777)
    with pytest.warns(RuntimeWarning, match="compiles the numba backend anew: others can write to"):
        assert looked(str(temporary / "configured")) is None
    monkeypatch.setattr(compiled, "_cache_folder", lambda _: None)
    monkeypatch.setattr(compiled, "_kernels", [])
    kernel = compiled.kernel(lambda x: x + 1.0)
    np.testing.assert_array_equal(kernel(np.zeros(3)), np.ones(3))
    assert compiled.compilations() == 1
    assert not list(folder.parent.iterdir())
