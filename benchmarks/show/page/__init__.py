"""The comparison: a page that opens anywhere, the same in Markdown, and each figure as a file."""

import re
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from benchmarks.show import commands, markdown, sections
from benchmarks.show.figures import style
from benchmarks.show.page import datatables
from benchmarks.store import records
from benchmarks.store.files import check_writable, write_text

_TEMPLATES = {"report.md": "template.md.j2", "index.html": "template.html.j2"}


class NothingToReport(Exception):
    """No record holds a figure; the text says which commands make some."""


def build(results_dir: Path | str, out_dir: Path | str) -> Path:
    """Write index.html, report.md and the figures (.svg, .png).

    Args:
        results_dir: holds curves/, timings/, parity/ and asv/; see results/README.md.
        out_dir: made if missing. Files of an older report there are overwritten.

    Returns:
        The path of index.html.

    Raises:
        NothingToReport: there is no training point, no measurement and no comparison.
        CannotWrite: before anything is drawn where it is known then; older files stay what they were.
    """
    results_dir, out_dir = Path(results_dir), Path(out_dir)
    found = records.read(results_dir)
    if found.empty:
        unread = "".join(f"\n  {problem.file}: {problem.what}" for problem in found.unreadable)
        raise NothingToReport(
            f"nothing to report: {results_dir} has no readable record in curves/, timings/, parity/ or asv/."
            " These make some:\n"
            f"  {commands.with_words(commands.TRAIN, '--results', results_dir)}\n"
            f"  {commands.with_words(commands.MEASURE, '--results', results_dir)}"
            + (f"\nThese could not be read:{unread}" if unread else "")
        )
    for name in _TEMPLATES:
        check_writable(out_dir / name)
    composed = sections.compose(found, out_dir)
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.filters |= {"cell": markdown.cell, "code_block": markdown.code_block}
    templates.filters |= {"unbroken": _unbroken, "script": _script}
    templates.filters["sentence"] = lambda text: text[:1].upper() + text[1:]
    for name, template in _TEMPLATES.items():
        text = templates.get_template(template).render(
            report=composed, palette=style.PALETTE, datatables=datatables.bundle()
        )
        write_text(out_dir / name, text)
    return out_dir / "index.html"


def _unbroken(text: str) -> Markup:
    """Text in which no line ends after a single letter and a hyphen, as in e-prop; but for long words."""
    # of a plain str: a Markup joins its parts again by escaping them
    return Markup(re.sub(r"\b(\w-\w{1,20})\b", r'<span class="unbroken">\1</span>', str(escape(text))))


def _script(json: str) -> Markup:
    """JSON inside of a <script>, which `</script>` in a text would end."""
    return Markup(json.replace("<", "\\u003c"))
