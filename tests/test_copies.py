"""Copies of learners, and learners in files: any backend goes on from where any other was."""

import copy
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cases import BACKENDS, deviation, problem

import implementations as impl
from implementations import rules
from implementations.interface import Learner

PROBLEM = problem(impl.Network(n_in=6, n_regular=4, n_adaptive=3), n_batch=4)
RULE = "eprop_adaptive"  # keeps the most
COPIES: dict[str, Callable[[Learner], Learner]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda learner: pickle.loads(pickle.dumps(learner)),
}
BY_BACKEND = pytest.mark.parametrize("backend", BACKENDS)


def made(backend: str, **options: Any) -> Learner:
    return PROBLEM.learner(backend, RULE, optimizer=impl.Adam(learning_rate=0.02), **options)


def train(learner: Learner, steps: int) -> Learner:
    loaded = learner.load(PROBLEM.batch)
    for _ in range(steps):
        learner.step(loaded)
    return learner


def assert_same(one: Learner, other: Learner) -> None:
    first, second = one.state(), other.state()
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], strict=True)


@BY_BACKEND
def test_copies_have_the_state_and_go_their_own_way(backend: str, tmp_path: Path) -> None:
    first = train(made(backend, threads=1), 2)
    impl.save(tmp_path / "a learner", first)
    found = {
        **{name: how(first) for name, how in COPIES.items()},
        "file": impl.load(tmp_path / "a learner", threads=1),
    }
    before = copy.deepcopy(first)
    for name, other in found.items():
        assert type(other) is type(first), name
        assert other.setting == first.setting, name
        assert_same(other, first)
        train(other, 1)
        assert_same(first, before)
    train(first, 1)
    for other in found.values():
        assert_same(other, first)
    with pytest.raises(ValueError, match="read-only"):
        found["pickle"].parameters().w_in[0, 0] = 1


@pytest.fixture(scope="module")
def halves(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Learner]]:
    """Of each backend, a file after three steps, and the learner after six."""
    folder = tmp_path_factory.mktemp("halves")
    found = {}
    for backend in BACKENDS:
        learner = train(made(backend), 3)
        impl.save(folder / backend, learner)
        found[backend] = (folder / backend, train(learner, 3))
    return found


@pytest.mark.parametrize("end", BACKENDS)
@pytest.mark.parametrize("begin", BACKENDS)
def test_three_steps_here_and_three_there_are_six(
    begin: str, end: str, halves: dict[str, tuple[Path, Learner]]
) -> None:
    path, _ = halves[begin]
    found = train(impl.load(path, backend=end), 3).state()
    expected = halves[end][1].state()
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert deviation(found[name], array) < 1e-9, name
        assert found[name].dtype.kind == array.dtype.kind
    assert int(found["adam_step"]) == 6


def test_a_file_says_all_but_where_the_learner_ran(tmp_path: Path) -> None:
    path = tmp_path / "curves.npz"
    case = problem(
        impl.Network(n_in=3, n_regular=2, n_adaptive=1, n_out=3, dt_ms=0.1), loss="squared_error", n_steps=40
    )
    adam = impl.Adam(
        0.1, 0.8, 0.7, 1e-3, 0.2, clip_norm=0.5, weight_decay=0.1, warm_up_steps=3, cosine_steps=9
    )
    options = {"optimizer": adam, "dtype": "float32"}
    first = case.learner("numba", "eprop_random", "online", **options, threads=1)
    impl.save(path, first)
    assert impl.load(path).setting == case.learner("numba", "eprop_random", "online", **options).setting
    assert impl.load(path, backend="numpy", threads=1).setting == first.setting
    with np.load(path, allow_pickle=False) as arrays:  # as anybody else may
        assert json.loads(arrays["header"].tobytes())["rule"]["name"] == "eprop_random"
        assert set(arrays) == {"header", *first.state()}


def test_a_file_of_before_there_was_a_schedule(tmp_path: Path) -> None:
    path = tmp_path / "older.npz"
    learner = problem(impl.Network(n_in=3, n_regular=2, n_adaptive=1)).learner("numpy", "bptt")
    impl.save(path, learner)
    younger = ("clip_norm", "weight_decay", "warm_up_steps", "cosine_steps", "halve_every")
    rewritten(path, lambda header, _: [header["optimizer"].pop(name) for name in younger])
    assert impl.load(path).setting == learner.setting


def rewritten(path: Path, change: Callable[[dict[str, Any], dict[str, np.ndarray]], None]) -> None:
    with np.load(path) as arrays:
        found = dict(arrays)
    header = json.loads(found.pop("header").tobytes())
    change(header, found)
    text = header["text"] if "text" in header else json.dumps(header).encode()
    with path.open("wb") as file:
        np.savez(file, header=np.frombuffer(text, np.uint8), **found)  # type: ignore[arg-type]


HEADERS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no JSON": (lambda h: h.update(text=b"{"), "without the header"),
    "deep JSON": (lambda h: h.update(text=b"[" * 100_000), "without the header"),
    "no text": (lambda h: h.update(text=b"\xff\x00"), "without the header"),
    "a list": (lambda h: h.update(text=b"[]"), "without the header"),
    "another version": (lambda h: h.update(format="eprop-bench learner, version 2"), "without the header"),
    "no rule": (lambda h: h.pop("rule"), "damaged header"),
    "a rule of another kind": (lambda h: h.update(rule=3), "damaged header"),
    "an unknown rule": (lambda h: h["rule"].update(name="mine"), "rule is 'mine'"),
    "another rule of that name": (
        lambda h: h["rule"].update(feedback="fixed"),
        "another rule that is called",
    ),
    "an unknown field": (lambda h: h["network"].update(n_more=3), "damaged header"),
    "a negative size": (lambda h: h["network"].update(n_in=-1), "n_in is -1"),
    "a size that is none": (lambda h: h["network"].update(n_in="6"), "n_in is '6'"),
    "another size": (lambda h: h["network"].update(n_in=7), "damaged w_in"),
    "a size of terabytes": (lambda h: h["network"].update(n_regular=10**9), "damaged w_in"),
    "an unknown backend": (lambda h: h.update(backend="os"), "backend is 'os'"),
    "an unknown mode": (lambda h: h.update(mode=[]), "mode is"),
    "an unknown dtype": (lambda h: h.update(dtype="O"), "dtype is 'O'"),
}


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "learner.npz"
    impl.save(path, made("numpy"))
    whole = path.read_bytes()

    def refused(text: str) -> None:
        with pytest.raises(impl.InvalidArgument, match=text):
            impl.load(path)
        path.write_bytes(whole)

    for change, text in HEADERS.values():
        rewritten(path, lambda header, _, change=change: change(header))
        refused(text)
    for change, text in (
        (lambda arrays: arrays.pop("w_rec"), "without w_rec"),
        (lambda arrays: arrays.update(more=np.zeros(1)), "other entries"),
        (lambda arrays: arrays.update(w_in=arrays["w_in"].astype(object)), "damaged w_in"),
        (lambda arrays: arrays.update(w_in=arrays["w_in"] * np.nan), r"state\['w_in'\] is .*NaN"),
        (lambda arrays: arrays.update(w_in=arrays["w_in"].astype(int)), r"state\['w_in'\] is of dtype int64"),
        (lambda arrays: arrays.update(adam_step=np.array(-1)), r"state\['adam_step'\] is as low as -1"),
    ):
        rewritten(path, lambda _, arrays, change=change: change(arrays))
        refused(text)
    for data in (b"", b"PK", whole[:-30], whole[: len(whole) // 2], b"\x80\x04N.", bytes(1000)):
        path.write_bytes(data)
        refused("damaged file")
    stream = io.BytesIO(whole)
    with zipfile.ZipFile(stream) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as deflated:
        for name in archive.namelist():
            deflated.writestr(name, archive.read(name))
    refused("damaged header")  # what is compressed may be any size
    np.save(path.open("wb"), np.zeros(3))
    refused("damaged file")
    (tmp_path / "pickle").write_bytes(pickle.dumps({"w_in": 1}))
    with pytest.raises(impl.InvalidArgument, match=r"^path is '.*pickle', a damaged file"):
        impl.load(tmp_path / "pickle")
    for at in np.random.default_rng(0).integers(0, len(whole), 150):  # every byte counts, or is none of ours
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        try:
            found = impl.load(path)
        except impl.InvalidArgument:
            continue
        assert_same(found, made("numpy"))
    with pytest.raises(impl.InvalidArgument, match=r"^backend is 'tensorflow'; it may be one of"):
        impl.load(path, backend="tensorflow")
    with pytest.raises(impl.InvalidArgument, match=r"^learner is of type dict"):
        impl.save(path, {})  # type: ignore[arg-type]
    for missing in (tmp_path / "none", tmp_path):
        with pytest.raises(OSError, match=str(tmp_path)):
            impl.load(missing)


def test_a_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "learner.npz"
    first, later = made("numpy"), train(made("numpy"), 1)
    impl.save(path, first)
    whole, mode = path.read_bytes(), path.stat().st_mode
    link = tmp_path / "link"
    link.symlink_to(path)

    def short(file: Any, **_: Any) -> None:
        file.write(b"PK")
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", short)
        with pytest.raises(OSError, match="No space left"):
            impl.save(path, later)
    assert path.read_bytes() == whole
    assert sorted(tmp_path.iterdir()) == [path, link] or sorted(tmp_path.iterdir()) == [link, path]
    impl.save(str(link), later)
    assert link.is_symlink()
    assert path.stat().st_mode == mode == (0o100666 & ~_umask())
    assert_same(impl.load(path), later)
    with pytest.raises(OSError, match="nowhere"):
        impl.save(tmp_path / "nowhere" / "learner.npz", first)


def _umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


def test_a_rule_that_nobody_knows_is_in_a_pickle_but_in_no_file(tmp_path: Path) -> None:
    """As a pickle has the rule itself, and a file its name and what it is made of."""
    code = (
        "import sys, pickle, implementations as impl\n"
        "learner = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(learner.setting.rule.name)\n"
        "try:\n    impl.load(sys.argv[2])\nexcept impl.InvalidArgument as error:\n    print(error)\n"
    )
    rule = rules.Rule("mine", "Mine", 0, False, "fixed", ("adjoint",))
    known = dict(rules._RULES)
    rules.register(rule)
    try:
        learner = PROBLEM.learner("numpy", "mine")
        impl.save(tmp_path / "file", learner)
        (tmp_path / "pickle").write_bytes(pickle.dumps(learner))
    finally:
        rules._RULES.clear()
        rules._RULES.update(known)
    paths = [str(tmp_path / "pickle"), str(tmp_path / "file")]
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "mine"
    assert second.startswith("rule is 'mine'; it may be one of")
