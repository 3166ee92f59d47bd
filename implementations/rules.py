"""The learning rules, as data: what each sends back to the neurons, and what it cuts.

A new rule is one row in the table below, or a call of `register`. Everything else follows from its fields:
where it runs (`interface.Parts`), with which rule it shares gradients or cost, and where it is trained and
timed.
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from implementations import checks

MODES = ("adjoint", "online")
FEEDBACK = ("readout", "fixed", "learned", "none")
SIGNALS = ("error", "target")
FILTERS = ("membrane", "adaptation", "readout")
ALL = math.inf
"""Hops of a rule whose errors cross recurrent connections as often as there are steps: BPTT."""


@dataclass(frozen=True)
class Rule:
    """One learning rule.

    Attributes:
        name: as in `RULES`.
        title: as figures and tables print it.
        hops: how many recurrent connections an error may cross on its way back, `ALL` for as many as there
            are steps. 0 is e-prop: each neuron keeps to its own eligibility traces. What lies between is the
            ladder of README.md.
        reset_gradient: whether the gradient also flows through the reset, -theta z[t-1]. Without, and with
            all hops, the rule shows what of BPTT's advantage over e-prop is due to the reset.
        feedback: which matrix F turns the output error into the learning signal, one of `FEEDBACK`: "readout"
            is W_out, "fixed" the random `Parameters.feedback`, "learned" the same, trained alongside W_out;
            with "none" W_in and W_rec stay as they are, and only W_out is trained.
        modes: "adjoint" goes backward over a stored trial; "online" carries eligibility traces forward.
        signal: what F sends back, one of `SIGNALS`: "error" is the derivative of the loss by the readout;
            "target" is minus the target in its place, whatever the readout is.
        cut: which of `FILTERS` the way back leaves out: "membrane" forgets potentials at once (alpha = 0),
            "adaptation" takes the threshold for constant (beta = 0), and "readout" meets a neuron with the
            signal of the present step alone (kappa = 0). The forward pass has all of them, always, and so
            has the gradient of W_out.
        learns: whether training by it leads anywhere, so that its error says something.
        compared: whether it is trained and drawn where rules are compared on a task; others are where they
            are asked for by name.
        tracked: whether ASV follows its cost over commits, if it has one of its own.
        costs_like: the rule whose step costs as much; None where it has a cost of its own.

    Raises:
        InvalidArgument: (a ValueError) for a field that is not what it may be.
    """

    name: str
    title: str
    hops: float
    reset_gradient: bool
    feedback: str
    modes: tuple[str, ...]
    signal: str = "error"
    cut: tuple[str, ...] = ()
    learns: bool = True
    compared: bool = True
    tracked: bool = True
    costs_like: str | None = None

    def __post_init__(self) -> None:
        for field in ("name", "title"):
            checks.instance(f"rule.{field}", getattr(self, field), str)
        if self.hops != ALL:
            checks.integer("rule.hops", self.hops, 0)
        for field in ("reset_gradient", "learns", "compared", "tracked"):
            checks.instance(f"rule.{field}", getattr(self, field), bool)
        checks.choice("rule.feedback", self.feedback, FEEDBACK)
        checks.choice("rule.signal", self.signal, SIGNALS)
        if not self.modes:
            checks.fail("rule.modes", self.modes, f"one or more of {', '.join(MODES)}")
        for mode in self.modes:
            checks.choice("rule.modes", mode, MODES)
        for part in self.cut:
            checks.choice("rule.cut", part, FILTERS)
        if self.feedback == "none" and (
            self.hops or self.reset_gradient or self.cut or "online" in self.modes
        ):
            checks.fail(
                "rule.feedback",
                self.feedback,
                "'none' only with 0 hops, without the reset gradient, with nothing cut, in the mode adjoint",
            )

    @property
    def recurrent_gradient(self) -> bool:
        """Whether an error crosses any recurrent connection."""
        return self.hops > 0

    @property
    def feedback_weights(self) -> str:
        """Which field of `Parameters` is F (n_rec, n_out); W_out where no F is used."""
        return "feedback" if self.feedback in ("fixed", "learned") else "w_out"

    @property
    def trained(self) -> dict[str, str]:
        """Weights that the optimizer changes -> the gradient that each follows."""
        recurrent = {} if self.feedback == "none" else {"w_in": "w_in", "w_rec": "w_rec"}
        learned = {"feedback": "w_out"} if self.feedback == "learned" else {}
        return {**recurrent, "w_out": "w_out", **learned}

    @property
    def decayed(self) -> tuple[str, ...]:
        """Weights off which each update takes `Adam.readout_decay`: feedback and W_out become alike."""
        return ("w_out", "feedback") if self.feedback == "learned" else ()


def _rung(hops: int) -> Rule:
    """The rule of so many hops, reset kept: a rung between e-prop and BPTT."""
    if hops == 0:
        # Menick et al. 2021 (arXiv 2006.07232): the influence of a weight on its own neuron alone
        return Rule("snap1", "SnAp-1", 0, True, "readout", MODES, compared=False, tracked=False)
    plural = "s" if hops > 1 else ""
    return Rule(
        f"hops{hops}", f"{hops} hop{plural}", hops, True, "readout", ("adjoint",),
        compared=False, tracked=hops == 2,
    )  # fmt: skip


_RULES = {
    rule.name: rule
    for rule in (
        Rule("bptt", "BPTT", ALL, True, "readout", ("adjoint",)),
        # where the gradient flows decides on the cost; another feedback matrix costs nothing
        Rule("eprop_symmetric", "symmetric e-prop", 0, False, "readout", MODES),
        Rule("eprop_random", "random e-prop", 0, False, "fixed", MODES, costs_like="eprop_symmetric"),
        # the optimizer has one small matrix more
        Rule("eprop_adaptive", "adaptive e-prop", 0, False, "learned", MODES, costs_like="eprop_symmetric"),
        # stays at chance, as its gradients explode: that they are right is for the tests to say
        # (it costs what BPTT does, with one constant changed)
        Rule(
            "bptt_detached", "BPTT, detached reset", ALL, False, "readout", ("adjoint",),
            learns=False, costs_like="bptt",
        ),
        *map(_rung, (0, 1, 2, 4)),
        # what a rule has to beat to be worth its cost: the network as it was drawn, and a readout that learns
        Rule("readout_only", "readout only", 0, False, "none", ("adjoint",), tracked=False),
        # Xiao et al. 2022 (arXiv 2210.04195): a trace of the input to a synapse, and the error of this step
        Rule(
            "ottt", "OTTT", 0, False, "readout", MODES,
            cut=("adaptation", "readout"), compared=False, costs_like="eprop_symmetric",
        ),
        # Meng et al. 2023 (arXiv 2302.14311): nothing from before this step
        Rule(
            "sltt", "SLTT", 0, False, "readout", MODES,
            cut=("membrane", "adaptation", "readout"), compared=False, costs_like="eprop_symmetric",
        ),
        # Frenkel et al. 2021 (doi 10.3389/fnins.2021.629892)
        Rule(
            "drtp", "DRTP", 0, False, "fixed", MODES,
            signal="target", compared=False, costs_like="eprop_symmetric",
        ),
    )
}  # fmt: skip

_RUNG = re.compile(r"hops:?([0-9]{1,9})")

ANY_RUNG = "hops:K for K hops, as hops:3"
"""How the rungs that have no row are named, for people."""

if TYPE_CHECKING:
    RULES: tuple[str, ...]


def __getattr__(name: str) -> Any:
    """`RULES`: names of the rules, always the present ones."""
    if name == "RULES":
        return tuple(_RULES)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get(name: str | Rule) -> Rule:
    """The rule of this name: a row of the table, or `hops:K` for a rung of the ladder that has no row.

    A `Rule` is returned as it is, so that callers take either.

    Raises:
        InvalidArgument: (a ValueError) for an unknown name.
    """
    if isinstance(name, Rule):
        return name
    found = find(name) if isinstance(name, str) else None
    if found is None:
        checks.fail("rule", name, f"one of {', '.join(_RULES)}, or {ANY_RUNG}")
    return found


def find(name: str) -> Rule | None:
    """The rule that `get` has of a name; None where there is none, as of what others' records name."""
    if name in _RULES:
        return _RULES[name]
    rung = _RUNG.fullmatch(name)
    found = None if rung is None else _rung(int(rung[1]))
    return None if found is None else _RULES.get(found.name, found)


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Names without repeats: rules in the order of the table, rungs among its rungs, what is no rule last."""
    return tuple(sorted(set(names), key=_place))


def _place(name: str) -> tuple[float, float, str]:
    """Where a name comes: by its row, or that of the rung below it, and then by hops."""
    rule = find(name)
    if rule is None:
        return math.inf, 0.0, name
    if rule.name in _RULES:
        return list(_RULES).index(rule.name), 0.0, name
    below = (row for row, other in enumerate(_RULES.values()) if other.hops < rule.hops and _is_rung(other))
    return max(below), rule.hops, name


def _is_rung(rule: Rule) -> bool:
    return rule.hops < ALL and rule.name == _rung(int(rule.hops)).name


def register(rule: Rule) -> None:
    """Add a row to the table, for this process.

    `rules.RULES` and `implementations.RULES`, read as attributes of their modules, have it from then on, as
    have all functions here. What somebody copied before does not: a tuple that was imported by its name or
    kept, and lists that modules of benchmarks/ make when they are imported. So call it first.

    Raises:
        InvalidArgument: (a ValueError) for a name that is there already, or another rule's cost that is none.
    """
    checks.instance("rule", rule, Rule)
    if rule.name in _RULES or _RUNG.fullmatch(rule.name):
        checks.fail("rule.name", rule.name, f"any but those of the rules there are: {', '.join(_RULES)}")
    if rule.costs_like is not None:
        checks.choice("rule.costs_like", rule.costs_like, costly())
    _RULES[rule.name] = rule


def learning() -> tuple[str, ...]:
    """Rules to train and to show where learning is compared."""
    return tuple(rule.name for rule in _RULES.values() if rule.learns and rule.compared)


def ladder(names: Iterable[str] | None = None) -> tuple[str, ...]:
    """Rules that differ in how far credit travels and in nothing else, from the floor to BPTT.

    First what learns without any way back, then e-prop, and from there on by hops, the reset kept.

    Args:
        names: to choose from, whatever they are; those of the table by default.
    """
    rungs = [
        rule
        for rule in dict.fromkeys(map(find, _RULES if names is None else names))
        if rule is not None
        and rule.learns
        and rule.signal == "error"
        and not rule.cut
        and rule.feedback in ("readout", "none")
    ]
    rungs.sort(key=lambda rule: (rule.feedback != "none", rule.hops, rule.reset_gradient))
    return tuple(rule.name for rule in rungs)


def costly() -> tuple[str, ...]:
    """Rules of a cost of their own: one for each way that the gradient takes."""
    return tuple(rule.name for rule in _RULES.values() if rule.costs_like is None)


def tracked() -> tuple[str, ...]:
    """Those of `costly` that ASV follows over commits."""
    return tuple(name for name in costly() if _RULES[name].tracked)


def timed() -> tuple[str, ...]:
    """Rules whose step ASV times: `tracked`, and the first of the same cost with another feedback matrix."""
    seen, found = set(), []
    for rule in _RULES.values():
        key = rule.costs_like or rule.name, rule.feedback_weights
        if key not in seen and key[0] in tracked():
            found.append(rule.name)
        seen.add(key)
    return tuple(found)


def same_gradients(name: str) -> str:
    """The first rule that has the same gradients at given weights; the rule itself where no other has.

    Training may differ nonetheless: who changes the feedback matrix makes no difference to a gradient.

    Raises:
        InvalidArgument: (a ValueError) for an unknown name.
    """
    rule = get(name)
    return next((other.name for other in _RULES.values() if _gradient(other) == _gradient(rule)), rule.name)


def _gradient(rule: Rule) -> tuple[Any, ...]:
    """What decides on the gradients."""
    back = "none" if rule.feedback == "none" else rule.feedback_weights
    return rule.hops, rule.reset_gradient, back, rule.signal, frozenset(rule.cut)
