"""The whole report: its sections in their order, with the figures that belong to them."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.define.plugins import PluginError
from benchmarks.show.figures import drawing
from benchmarks.show.material import Material, Part
from benchmarks.show.section import Composed, Pick, Section, section
from benchmarks.show.sections import (
    agreement,
    cards,
    commits,
    costs,
    gates,
    hyperparameters,
    ladder,
    learning,
    libraries,
    over_tasks,
    provenance,
    published_log,
    trial,
)
from benchmarks.store.records import Records

_RESULTS = (
    *(costs.speed, costs.memory, costs.growth, costs.scaling, costs.start, cards.cards, cards.roofline),
    libraries.the_libraries,
    *(learning.training, learning.comparison, over_tasks.matrix, ladder.how_far),
    *(hyperparameters.difficulty, hyperparameters.knobs),
    *(trial.trial, agreement.parity, agreement.conformance, published_log.beside_log, commits.over_commits),
    gates.gates,
)
_ORIGINS = (provenance.incomplete, provenance.machines, provenance.unreadable, provenance.reproduce)
_FIGURES = drawing.declared()


def _of_plugins() -> list[Section]:
    """The sections that figures have a title for, as there is none that they say."""
    known = {kind.ident: kind for kind in (*_RESULTS, *_ORIGINS)}
    added: dict[str, Section] = {}
    for one in _FIGURES.values():
        if one.section not in known and one.section not in added:
            if not one.title:
                raise PluginError(
                    f"the figure {one.name!r} belongs to the section {one.section!r}, which is none of"
                    f" {', '.join(known)}: a section of its own needs a title"
                )
            added[one.section] = section(one.section, one.title)(lambda _: iter([Part()]))
    return list(added.values())


KINDS = (*_RESULTS, *_of_plugins(), *_ORIGINS)
"""All sections that a report may have."""


@dataclass(frozen=True)
class Report:
    """All that the templates print."""

    picks: list[Pick]
    sections: list[Composed]


def compose(records: Records, folder: Path) -> Report:
    """Compute the report and draw its figures into `folder`."""
    material = Material(records, folder)
    found = [part for kind in KINDS for part in composed(kind, material)]
    return Report([pick for part in found for pick in part.picks], found)


def composed(kind: Section, material: Material) -> list[Composed]:
    """The sections of one kind, with their figures."""
    return kind.compose(material, [one for one in _FIGURES.values() if one.section == kind.ident])
