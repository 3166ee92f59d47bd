"""300 folders of records, each harmed in its own way: the report is of what is sound, or says why not."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from damage import damaged
from matplotlib.figure import Figure

from benchmarks.show import page as report

FOLDERS = 300
_EACH = 30


@pytest.fixture
def unsaved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are drawn and laid out, which is all that depends on records; to write them takes long."""

    def savefig(_: Figure, to: Any, **__: Any) -> None:
        if isinstance(to, Path):
            to.write_bytes(b"a figure")
        else:
            to.write('<svg viewBox="0 0 1 1"></svg>')

    monkeypatch.setattr(Figure, "savefig", savefig)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("first", range(0, FOLDERS, _EACH))
def test_no_folder_of_records_ends_the_report_in_a_traceback(first: int, unsaved: None):
    made = 0
    for seed in range(first, first + _EACH):
        with tempfile.TemporaryDirectory() as name:
            folder = damaged(Path(name), seed)
            try:
                page = report.build(folder, folder / "report")
            except report.NothingToReport:
                continue
            except Exception as error:
                error.add_note(f"of the folder that tests/damage.py makes with the seed {seed}")
                raise
            made += 1
            assert page.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert made > _EACH // 2
