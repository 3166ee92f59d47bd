"""The tables of README.md are those of the reference results, and can't be edited by hand."""

from pathlib import Path

import pytest

from benchmarks.show import readme

_ROOT = Path(__file__).resolve().parents[1]


def test_readme_shows_what_the_reference_run_measured() -> None:
    text = (_ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.fill(text, _ROOT / "results" / "reference") == text


@pytest.mark.parametrize("text", ["no block\n", "<!-- nothing -->\n\n<!-- end of nothing -->\n"])
def test_a_text_without_a_known_block_is_refused(text: str) -> None:
    with pytest.raises(readme.NotFilled, match="costs"):
        readme.fill(text, _ROOT / "results" / "reference")


def test_no_records_no_table(tmp_path: Path) -> None:
    with pytest.raises(readme.NotFilled, match="measure"):
        readme.fill("<!-- costs -->\n|\n<!-- end of costs -->\n", tmp_path)
