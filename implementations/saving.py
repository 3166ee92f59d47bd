"""Learners in files: one .npz with the arrays of a state, and a header in JSON. Nothing in it is executed."""

import io
import json
import math
import os
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from implementations import checks, files, registry, rules
from implementations.interface import Learner, Setting
from implementations.network import Network
from implementations.objective import Objective
from implementations.optimizer import Adam
from implementations.state import entries

_FORMAT = "eprop-bench learner, version 1"
_HEADER = "header"
_SETTINGS = {"network": Network, "objective": Objective, "optimizer": Adam}


def save(path: str | os.PathLike[str], learner: Learner) -> None:
    """Write a learner's setting and state to a file, which is replaced as a whole, or left as it was.

    Args:
        path: of the file; its folder is there.
        learner: of any backend. Where it runs, its device and threads, is not written.

    Raises:
        InvalidArgument: (a ValueError) for what is no learner.
        OSError: the file can't be written.
    """
    checks.instance("learner", learner, Learner)
    setting = learner.setting
    header = {
        "format": _FORMAT,
        "backend": registry.backend_of(learner),
        "rule": asdict(setting.rule),
        "mode": setting.mode,
        "dtype": setting.dtype.name,
        **{name: asdict(getattr(setting, name)) for name in _SETTINGS},
    }
    arrays = {_HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8), **learner.state()}
    with files.replaced(Path(path)) as temporary, temporary.open("xb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load(
    path: str | os.PathLike[str],
    *,
    backend: str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    devices: int = 1,
) -> Learner:
    """The learner that `save` wrote: it goes on from there, on any backend.

    Args:
        path: of the file.
        backend: one of `BACKENDS`; by default that of the learner that was saved.
        device, threads, devices: as of `learner`.

    Raises:
        InvalidArgument: (a ValueError) for a file that is damaged, or something else, and as of `learner`.
        OSError: the file can't be read.
    """
    if backend is not None:
        checks.choice("backend", backend, registry.BACKENDS)
    path = Path(path)
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                header = _header(path, archive)
                setting = _setting(path, header)
                state = {
                    name: _array(path, archive, name, entry.shape) for name, entry in entries(setting).items()
                }
                if set(archive.namelist()) != {f"{name}.npy" for name in (_HEADER, *state)}:
                    _fail(path, "a file with other entries than a learner of its rule has")
        except (zipfile.BadZipFile, EOFError, UnicodeDecodeError, NotImplementedError) as error:
            _fail(path, f"a damaged file ({error})")
    found = registry.learner(
        header["backend"] if backend is None else backend,
        setting.rule.name,
        registry.blank(setting.network),
        network=setting.network,
        objective=setting.objective,
        mode=setting.mode,
        optimizer=setting.optimizer,
        dtype=setting.dtype,
        device=device,
        threads=threads,
        devices=devices,
    )
    found.restore(state)
    return found


def _header(path: Path, archive: zipfile.ZipFile) -> dict[str, Any]:
    """As `save` wrote it; only its format is known to be right."""
    raw = _array(path, archive, _HEADER, None)
    try:
        header = json.loads(raw.tobytes())
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        _fail(path, "a file without the header of one")
    return header


def _setting(path: Path, header: dict[str, Any]) -> Setting:
    """Of a learner on a CPU.

    Raises:
        InvalidArgument: (a ValueError) for values that are not what they may be.
    """
    try:
        rule = rules.get(header["rule"]["name"])
        if json.loads(json.dumps(asdict(rule))) != header["rule"]:
            _fail(path, f"of another rule that is called {rule.name!r}")
        parts = {name: kind(**header[name]) for name, kind in _SETTINGS.items()}
        dtype = np.dtype(checks.choice("dtype", header["dtype"], registry.DTYPES))
        mode = checks.choice("mode", header["mode"], rules.MODES)
        checks.choice("backend", header["backend"], registry.BACKENDS)
    except (KeyError, TypeError) as error:
        _fail(path, f"a file with a damaged header ({error})")
    return Setting(rule, mode, dtype=dtype, device="cpu", **parts)


def _array(path: Path, archive: zipfile.ZipFile, name: str, shape: tuple[int, ...] | None) -> np.ndarray:
    """An array of this shape, or, where that is None, one of bytes; of no more memory than the file has."""
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        _fail(path, f"a file without {name}")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > path.stat().st_size:
        _fail(path, f"a file with a damaged {name}")
    data = io.BytesIO(archive.read(info))
    try:
        np.lib.format.read_magic(data)
        found_shape, _, dtype = np.lib.format.read_array_header_1_0(data)
        n_bytes = math.prod(found_shape) * dtype.itemsize
        right = len(found_shape) == 1 and dtype == np.uint8 if shape is None else found_shape == shape
        if right and not dtype.hasobject and n_bytes == len(data.getbuffer()) - data.tell():
            data.seek(0)
            return np.lib.format.read_array(data, allow_pickle=False)
    except (ValueError, EOFError):
        pass
    _fail(path, f"a file with a damaged {name}")


def _fail(path: Path, was: str) -> NoReturn:
    checks.fail("path", checks.Description(f"{str(path)!r}, {was}"), "a file that save(path, learner) wrote")
