"""Files that were cut off, overwritten or never ours: nothing raises, and what is not sound is named."""

import functools
import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from asv_files import asv_results
from hypothesis import given, settings
from hypothesis import strategies as st
from record_files import curve, everything, measurement, parity, write

from benchmarks.show import page as report
from benchmarks.store import export, records


@functools.cache
def good() -> tuple[tuple[str, bytes], ...]:
    """(path, content) of a sound file of each kind."""
    with tempfile.TemporaryDirectory() as name:
        folder = everything(Path(name))
        asv_results(folder)
        return tuple(
            (str(path.relative_to(folder)), path.read_bytes())
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        )


def read(contents: dict[str, bytes]) -> records.Records:
    with tempfile.TemporaryDirectory() as name:
        for path, content in contents.items():
            target = Path(name) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return records.read(name)


@functools.cache
def whole() -> records.Records:
    """Of the sound files."""
    found = read(dict(good()))
    assert not found.unreadable
    return found


def check(found: records.Records, file: str) -> None:
    """What is read is consistent, and of the other files nothing is lost."""
    assert set(found.points["file"]) <= set(found.runs["file"])
    assert set(found.samples["measurement"]) <= set(found.measurements["measurement"])
    assert len(set(found.measurements["measurement"])) == len(found.measurements)
    for table in ("runs", "points", "measurements", "parity"):
        before, after = getattr(whole(), table), getattr(found, table)
        others = before[(before["file"] != file) & ~before["file"].str.startswith("asv/").astype(bool)]
        assert (after["file"] != file).sum() >= len(others)
    for table in export.tables(found).values():
        assert table is not None


@given(data=st.data())
@settings(max_examples=60, deadline=None)
@pytest.mark.slow
def test_a_file_that_was_cut_off_anywhere(data: st.DataObject):
    contents = dict(good())
    file = data.draw(st.sampled_from(sorted(contents)))
    length = data.draw(st.integers(0, len(contents[file]) - 2))
    contents[file] = contents[file][:length]
    found = read(contents)
    check(found, file)
    cut = contents[file]
    at_a_line = file.endswith(".jsonl") and cut.endswith(b"\n")
    alone = file.endswith("machine.json")  # which ASV keeps for itself
    if not at_a_line and not alone and not _sound(cut):
        assert any(problem.file == file or problem.file.startswith("asv/") for problem in found.unreadable)


def _sound(cut: bytes) -> bool:
    """Whether the last line is whole by chance: cut off right before its newline."""
    try:
        json.loads(cut.rsplit(b"\n", 1)[-1])
    except ValueError:
        return False
    return True


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_bytes_that_were_overwritten(data: st.DataObject):
    contents = dict(good())
    file = data.draw(st.sampled_from(sorted(contents)))
    rng = random.Random(data.draw(st.integers(0, 2**32)))
    content = bytearray(contents[file])
    for _ in range(data.draw(st.integers(1, 20))):
        content[rng.randrange(len(content))] = rng.choice(b'\x00\xff{}[],:"-1eE9tfn\n')
    check(read({**contents, file: bytes(content)}), file)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5) | st.just("kind"), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.slow
@given(value=json_values, file=st.sampled_from([path for path, _ in good()]))
@settings(max_examples=100, deadline=None)
def test_json_of_somebody_else(value: Any, file: str):
    contents = dict(good())
    found = read({**contents, file: json.dumps(value).encode() + b"\n"})
    if not file.endswith("machine.json"):
        assert found.unreadable


LINES = {
    "run": (curve()[0], "curves"),
    "session": (curve()[1], "curves"),
    "point": (curve()[2], "curves"),
    "measurement": (measurement(), "timings"),
    "parity": (parity("numpy"), "parity"),
}


@pytest.mark.slow
@given(kind=st.sampled_from(sorted(LINES)), value=json_values, data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_field_that_holds_anything(kind: str, value: Any, data: st.DataObject):
    record, folder = LINES[kind]
    parts = [record] + [record[name] for name in ("environment", "settings") if name in record]
    part = data.draw(st.sampled_from(range(len(parts))))
    name = data.draw(st.sampled_from(sorted(parts[part])))
    changed = json.loads(json.dumps(record))
    (changed if part == 0 else changed[[*[n for n in ("environment", "settings") if n in record]][part - 1]])[
        name
    ] = value
    lines = [changed if line["kind"] == kind and folder == "curves" else line for line in curve()]
    lines = lines if folder == "curves" else [record, changed]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    found = read({f"{folder}/a.jsonl": text.encode()})
    for table in export.tables(found).values():
        assert table is not None


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_a_report_goes_on_with_what_is_sound(tmp_path: Path, seed: int):
    """One sound file of each kind among those that are cut off: its figures stand, the others are named."""
    rng = random.Random(seed)
    everything(tmp_path)
    asv_results(tmp_path)
    for path in sorted(tmp_path.rglob("*.json*")):
        copy = path.with_name(f"cut-{path.name}")
        content = path.read_bytes()
        if path.name not in ("machine.json", "benchmarks.json"):
            copy.write_bytes(content[: rng.randrange(1, max(2, len(content.split(b"\n")[0]) - 1))])
    write(tmp_path / "parity/empty.jsonl", [])
    (tmp_path / "asv/testbox/empty.json").write_bytes(b"")
    sound = records.read(everything(tmp_path / "whole"))
    found = records.read(tmp_path)
    assert len(found.points) == len(sound.points)
    assert len(found.parity) == len(sound.parity)
    page = report.build(tmp_path, tmp_path / "report").read_text(encoding="utf-8")
    named = {problem.file for problem in found.unreadable}
    assert {"parity/empty.jsonl", "asv/testbox/empty.json"} <= named
    assert len([file for file in named if "/cut-" in file]) == len(list(tmp_path.glob("[a-z]*/**/cut-*")))
    assert all(file in page for file in named)


def test_a_folder_where_a_file_should_be(tmp_path: Path):
    write(tmp_path / "timings/a.jsonl", [measurement()])
    (tmp_path / "timings/b.jsonl").mkdir()
    (tmp_path / "parity").write_text("a file")
    (tmp_path / "asv").write_text("another")
    found = records.read(tmp_path)
    assert len(found.measurements) == 1
    assert {problem.file for problem in found.unreadable} == {"timings/b.jsonl", "parity", "asv"}
