"""Folders of records as people and machines leave them: cut off, overwritten, copied, edited, moved."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asv_files import asv_results
from record_files import HOSTILE, curve, everything, hostile, measurement, parity, write

_BYTES = b'\x00\xff{}[],:"-1eE9tfn\n'
_NUMBERS = (0, -1, 1, 2**31, 2**63, 10**40, 0.5, 1e-308, 1e308, float("nan"), float("inf"), float("-inf"))
_KNOWN = (
    "benchmark",
    "notebook",
    "bptt",
    "eprop_symmetric",
    "online",
    "numba",
    "cuda",
    "ok",
    "failed",
    "diverged",
)
_BUILT_FROM = ("curves", "timings", "parity", "conformance", "fallback", "asv")


def damaged(folder: Path, seed: int) -> Path:
    """A folder of sound records, and then up to eight kinds of harm to it; the same for the same seed."""
    rng = random.Random(seed)
    (_few, _some, _every, _foreign)[seed % 4](folder, rng)
    for _ in range(rng.randint(1, 8)):
        found = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        if found:
            rng.choice(_HARM)(rng.choice(found), rng)
    return folder


def _few(folder: Path, rng: random.Random) -> None:
    write(folder / "curves/a.jsonl", curve(criterion=20, final=0.9))
    write(
        folder / "timings/t.jsonl",
        [measurement(), measurement("numpy", status="failed", reason="x", step_s=())],
    )
    write(folder / "parity/p.jsonl", [parity("numba")])
    _picture(folder, rng)


def _some(folder: Path, rng: random.Random) -> None:
    """What several rules and seeds are compared by, on a card too."""
    for rule in ("bptt", "eprop_symmetric"):
        for seed in range(2):
            timing = rng.choice((None, "shared", "alone"))
            run = curve(
                rule=rule, seed=seed, final=0.8 + seed / 10, timing=timing, diverged=rng.random() < 0.2
            )
            write(folder / f"curves/{rule}-{seed}.jsonl", run)
    card = {
        "device": "cuda",
        "engine": "Triton kernels",
        "event_s": [0.1, 0.2, 0.3],
        "roofline": {"floor_s": 0.01},
    }
    write(
        folder / "timings/t.jsonl",
        [measurement(**card), measurement("torch", rule="eprop_symmetric", **card)],
    )
    seeded = {**parity("numba", device="cuda", engine="own"), "kind": "conformance", "seed": 1}
    write(folder / "conformance/c.jsonl", [seeded])
    write(folder / "fallback/f.jsonl", [measurement(**card)])
    asv_results(folder)


def _every(folder: Path, _: random.Random) -> None:
    everything(folder, ("numba",))
    asv_results(folder)


def _foreign(folder: Path, rng: random.Random) -> None:
    """A part of the records whose texts are hostile, as a whole they take long."""
    hostile(folder)
    for path in sorted((folder / "curves").iterdir()):
        if rng.random() < 0.9:
            path.unlink()


def _picture(folder: Path, rng: random.Random) -> None:
    path = folder / "report" / "raster.png"
    path.parent.mkdir()
    rng.choice((path.mkdir, lambda: path.write_bytes(b""), lambda: path.write_bytes(b"\x89PNG\r\n\x1a\n")))()


def value(rng: random.Random, depth: int = 0) -> Any:
    """Anything that JSON has, and NaN."""
    kinds = ("number", "text", "known", "none", "truth", *(("list", "object") if depth < 2 else ()))
    match rng.choice(kinds):
        case "number":
            return rng.choice(_NUMBERS)
        case "text":
            return rng.choice(HOSTILE)
        case "known":
            return rng.choice(_KNOWN)
        case "none":
            return None
        case "truth":
            return rng.random() < 0.5
        case "list":
            return [value(rng, depth + 1) for _ in range(rng.randint(0, 3))]
        case _:
            return {rng.choice((*HOSTILE, *_KNOWN)): value(rng, depth + 1) for _ in range(rng.randint(0, 3))}


def _cut(path: Path, rng: random.Random) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randint(0, len(content))])


def _overwrite(path: Path, rng: random.Random) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 20) if content else 0):
        content[rng.randrange(len(content))] = rng.choice(_BYTES)
    path.write_bytes(content)


def _lines(path: Path, rng: random.Random) -> None:
    """Taken away, twice there, or in another order."""
    lines = path.read_bytes().splitlines(keepends=True)
    if lines:
        at = rng.randrange(len(lines))
        rng.choice((lambda: lines.pop(at), lambda: lines.insert(0, lines[at]), lambda: rng.shuffle(lines)))()
    path.write_bytes(b"".join(lines))


def _edit(path: Path, rng: random.Random) -> None:
    """Fields that hold something else, or are gone; in all lines or in one."""
    lines = path.read_bytes().splitlines()
    every, name, put = rng.random() < 0.5, "", value(rng)
    for number, line in enumerate(lines):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if not isinstance(record, dict) or not record or (not every and rng.random() < 0.8):
            continue
        part = record
        inside = [one for one in record.values() if isinstance(one, dict) and one]
        if inside and rng.random() < 0.4:
            part = rng.choice(inside)
        name = name if name in part else rng.choice(sorted(part))
        if rng.random() < 0.2:
            del part[name]
        else:
            part[name] = put if every else value(rng)
        lines[number] = json.dumps(record).encode()
    path.write_bytes(b"".join(line + b"\n" for line in lines))


def _other_encoding(path: Path, rng: random.Random) -> None:
    text = path.read_bytes().decode(errors="replace")
    path.write_bytes(text.replace("\n", "\r\n").encode(rng.choice(("utf-8-sig", "utf-16")), errors="replace"))


def _foreign_content(path: Path, rng: random.Random) -> None:
    path.write_bytes(
        rng.choice((b"", b"\n\n\n", b"[" * 100_000, b"{}\n", os.urandom(300), b"PK\x03\x04", b"null"))
    )


def _copy(path: Path, rng: random.Random) -> None:
    name = rng.choice(
        (f"{path.stem} (1){path.suffix}", f"backup {path.name}", f"{path.name}~", "x" * 200 + path.suffix)
    )
    shutil.copy(path, path.with_name(name))


def _move(path: Path, rng: random.Random) -> None:
    """Into the folder of another kind."""
    target = path.parents[len(path.parents) - 1]
    root = next(
        folder
        for folder in path.parents
        if folder.name not in _BUILT_FROM and folder.parent.name not in _BUILT_FROM
    )
    target = root / rng.choice(_BUILT_FROM)
    target.mkdir(exist_ok=True)
    path.replace(target / path.name)


def _not_a_file(path: Path, rng: random.Random) -> None:
    """A folder, a link to nowhere or to itself, or a pipe that nobody writes to."""
    path.unlink()
    kinds: tuple[Callable[[], None], ...] = (
        path.mkdir,
        lambda: path.symlink_to("nowhere"),
        lambda: path.symlink_to(path.name),
        lambda: os.mkfifo(path),
    )
    rng.choice(kinds)()


_HARM = (
    _cut,
    _overwrite,
    _lines,
    _edit,
    _edit,
    _edit,
    _other_encoding,
    _foreign_content,
    _copy,
    _move,
    _not_a_file,
)
