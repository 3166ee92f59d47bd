"""How probable it is that a gate finds a slowdown, against the slowdown: a panel per backend and load."""

from matplotlib.lines import Line2D

from benchmarks.show.figures import style
from benchmarks.show.figures.axes import leftmost, panels
from benchmarks.show.figures.drawing import Drawing, Figure
from benchmarks.show.material import Material, Part
from benchmarks.show.power import TITLES
from benchmarks.show.record_texts import in_figure

_MARKERS = ("s", "o", "^")
_BESIDE = {0: "quiet", 1: "one busy process beside", 2: "two busy processes beside"}


def _power(material: Material, part: Part) -> Drawing:
    rows = part.rows
    timed = rows[rows["gate"] != "counts"]
    shown = list(timed[["backend", "busy"]].drop_duplicates().itertuples(index=False, name=None))
    loads = timed["busy"].nunique()
    drawing, blocks = panels(len(shown), max(loads, 1), 1.7, sharex=True, sharey=True)
    for (backend, busy), (ax, *_) in zip(shown, blocks, strict=True):
        of_panel = rows[rows["backend"] == backend]
        for place, (gate, title) in enumerate(TITLES.items()):
            of = of_panel[of_panel["gate"] == gate]
            if gate != "counts":  # which come out alike beside whatever runs
                of = of[of["busy"] == busy]
            of = of.sort_values("slowdown")
            x, y = 100.0 * of["slowdown"].astype(float), 100.0 * of["found"].astype(float)
            looks = {"color": style.PALETTE[place][0], "marker": _MARKERS[place], "markersize": 4.0}
            ax.plot(x, y, "-", markerfacecolor=style.PAPER, linewidth=1.3, **looks)
            for at, share in zip(x, y, strict=True):
                drawing.tip(ax, float(at), float(share), f"{title}, {at:.1f} % slower: {share:.1f} % found")
        ax.set_title(in_figure(f"{backend}, {_BESIDE.get(int(busy), f'{busy} busy processes beside')}"))
        ax.grid(visible=True)
        ax.set_ylim(-4.0, 104.0)
        ax.set_xlabel("slower by (%)")
        if leftmost(ax):
            ax.set_ylabel("found (%)")
    keys = [
        Line2D(
            [],
            [],
            color=style.PALETTE[place][0],
            marker=_MARKERS[place],
            markerfacecolor=style.PAPER,
            label=title,
        )
        for place, title in enumerate(TITLES.values())
    ]
    drawing.figure.legend(handles=keys, loc="outside upper left", ncols=3, columnspacing=1.4)
    return drawing


POWER = Figure(
    "gate-power",
    "gates",
    "Share of comparisons that find a slowdown, against what a step was slower by in the median; at the left"
    " end are false alarms. {part.lead}",
    "Line plots of the share found against the slowdown, a panel per backend and load; the table has them.",
    _power,
    needs=("power",),
)
