"""The whole report: its sections in their order, with the figures that belong to them."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.define.plugins import PluginError
from benchmarks.show.figures import figure
from benchmarks.show.material import Material
from benchmarks.show.section import Composed, Part, Pick, Section
from benchmarks.show.sections.agreement import CONFORMANCE, PARITY
from benchmarks.show.sections.cards import CARDS, ROOFLINE
from benchmarks.show.sections.commits import COMMITS
from benchmarks.show.sections.costs import GROWTH, MEMORY, SCALING, SPEED, START
from benchmarks.show.sections.hyperparameters import DIFFICULTY, KNOBS
from benchmarks.show.sections.learning import COMPARED, LEARNING
from benchmarks.show.sections.provenance import INCOMPLETE, MACHINES, REPRODUCE, UNREADABLE
from benchmarks.show.sections.published_log import PUBLISHED_LOG
from benchmarks.show.sections.trial import TRIAL
from benchmarks.store.records import Records

SECTIONS = (
    *(SPEED, MEMORY, GROWTH, SCALING, START, CARDS, ROOFLINE),
    *(LEARNING, COMPARED, DIFFICULTY, KNOBS, TRIAL),
    *(PARITY, CONFORMANCE, PUBLISHED_LOG, COMMITS),
    *(INCOMPLETE, MACHINES, UNREADABLE, REPRODUCE),
)


@dataclass(frozen=True)
class Report:
    """All that the templates print."""

    picks: list[Pick]
    sections: list[Composed]


def compose(records: Records, folder: Path) -> Report:
    """Compute the report and draw its figures into `folder`.

    Raises:
        PluginError: a figure belongs to a section that there is not, and has no title for it.
    """
    material = Material(records, folder)
    found = [part for section in all_sections() for part in composed(section, material)]
    return Report([pick for section in found for pick in section.picks], found)


def composed(section: Section, material: Material) -> list[Composed]:
    """One of the sections, with its figures."""
    figures = [one for one in figure.declared().values() if one.section == section.ident]
    return section.compose(material, figures)


def all_sections() -> list[Section]:
    """Those above, and those that figures of plug-ins bring, which come before where records are from."""
    known = {section.ident: section for section in SECTIONS}
    added: dict[str, Section] = {}
    for one in figure.declared().values():
        if one.section in known or one.section in added:
            continue
        if not one.title:
            raise PluginError(
                f"the figure {one.name!r} belongs to the section {one.section!r}, which is none of"
                f" {', '.join(known)}: a section of its own needs a title"
            )
        added[one.section] = Section(one.section, one.title, lambda _: [Part()], lambda *_: iter(()))
    at = SECTIONS.index(INCOMPLETE)
    return [*SECTIONS[:at], *added.values(), *SECTIONS[at:]]
