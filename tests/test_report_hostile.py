"""Records that nobody of us wrote: whatever their texts are, the report is made, and only shows them."""

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path

import pytest
from record_files import HOSTILE, hostile

from benchmarks.show import page as report
from benchmarks.show.record_texts import in_figure, stem
from benchmarks.store import export, records


class Page(HTMLParser):
    """What a browser would make of a page: its elements, and the text between them."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = hostile(tmp_path_factory.mktemp("results"))
    return report.build(results, results / "report").parent


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "index.html").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_page_has_no_element_and_no_attribute_of_theirs(page: Page) -> None:
    assert not {name for _, attributes in page.elements for name in attributes if name.startswith("on")}
    images = [attributes for tag, attributes in page.elements if tag == "img"]
    assert not images
    links = [attributes.get("href") or "" for tag, attributes in page.elements if tag == "a"]
    assert all(link.startswith(("#", "https://doi.org/")) for link in links)
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert [attributes for attributes in scripts if attributes.get("class") != "tips"] == [
        {"type": "text/plain", "id": "datatables"},
        {"type": "module"},
    ]


@pytest.mark.slow
def test_ids_and_files_are_of_plain_letters_and_tell_tasks_apart(page: Page, folder: Path) -> None:
    idents = [str(attributes["id"]) for tag, attributes in page.elements if "id" in attributes]
    assert [ident for ident in idents if not re.fullmatch("[A-Za-z0-9_.-]{1,120}", ident)] == []
    headings = [str(attributes["id"]) for tag, attributes in page.elements if tag == "h2"]
    assert len(set(headings)) == len(headings)
    compared = [ident for ident in headings if ident.startswith("compared-")]
    assert len(compared) == len(HOSTILE) + 1
    assert "compared-evidence-accumulation" in compared
    names = [path.name for path in folder.iterdir()]
    assert all(re.fullmatch("[a-z0-9-]{1,80}[.](svg|png|html|md)", name) for name in names)
    assert {f"{ident}.svg" for ident in compared} <= set(names)


@pytest.mark.slow
def test_texts_are_shown_as_they_are(page: Page) -> None:
    shown = " ".join(page.text.split())
    for text in HOSTILE:
        plain = re.sub("[\0\x1b\ud800\uffff]", "\ufffd", text)
        assert " ".join(plain.split()) in shown


@pytest.mark.slow
def test_figures_are_svg(folder: Path) -> None:
    for path in folder.glob("*.svg"):
        found = ElementTree.parse(path)
        assert not list(found.iter("{http://www.w3.org/2000/svg}script"))
        assert float((found.getroot().get("width") or "0pt")[:-2]) < 3000.0


@pytest.mark.slow
def test_markdown_has_no_markup_of_theirs(folder: Path) -> None:
    lines = (folder / "report.md").read_text(encoding="utf-8").splitlines()
    fence, prose, code = "", [], []
    for line in lines:
        if fence:
            fence = "" if line == fence else fence
            code.append(line)
        elif line.startswith("```"):
            fence = line.removesuffix("sh")
        else:
            prose.append(line)
    assert not fence
    assert "# x" not in lines
    assert not [line for line in prose if re.search(r"(?<!\\)<(img|script|/script)", line)]
    assert not [line for line in prose if re.search(r"(?<!\\)[]][(](?![a-z0-9-]+[.](svg|png)[)])", line)]


@pytest.mark.slow
def test_the_export_has_the_same_texts(folder: Path, tmp_path: Path) -> None:
    tables = export.tables(records.read(folder.parent))
    assert HOSTILE[0] in set(tables["runs"]["task"])
    for name, table in tables.items():
        table.to_csv(tmp_path / f"{name}.csv")


def test_stems_are_short_plain_and_different() -> None:
    assert stem("evidence_accumulation") == "evidence-accumulation"
    names = [
        *HOSTILE,
        "a_b",
        "a-b",
        "a__b",
        "A_b",
        "_a_b",
        "a_b_",
        "w" * 48,
        "w" * 49,
        "w" * 50,
        "é",
        "ü",
        "-",
    ]
    stems = [stem(name) for name in names]
    assert len(set(stems)) == len(names)
    assert all(re.fullmatch("[a-z0-9][a-z0-9-]{0,56}", found) for found in stems)
    assert stems == [stem(name) for name in names]


def test_a_text_in_a_figure_is_short_and_no_formula() -> None:
    assert in_figure("numba, 2 threads") == "numba, 2 threads"
    assert in_figure("$x$\n y") == r"\$x\$ y"
    assert in_figure("_x") == " _x"
    assert len(in_figure("w" * 3000)) == 80
