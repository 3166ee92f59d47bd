"""The learning rules, as data: what each sends back to the neurons, and what it cuts.

A new rule is one row in the table below, or a call of `register`. Everything else follows from its fields:
where it runs (`interface.Parts`), with which rule it shares gradients or cost, and where it is trained and
timed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from implementations import checks

MODES = ("adjoint", "online")
FEEDBACK = ("readout", "fixed", "learned")


@dataclass(frozen=True)
class Rule:
    """One learning rule.

    Attributes:
        name: as in `RULES`.
        title: as figures and tables print it.
        recurrent_gradient: whether the gradient flows through the recurrent weights (BPTT), or each neuron
            keeps to its own eligibility traces (e-prop).
        reset_gradient: whether it also flows through the reset, -theta z[t-1]. Without, and with the
            recurrent gradient, the rule shows what of BPTT's advantage over e-prop is due to the reset.
        feedback: which matrix F turns the output error into the learning signal, one of `FEEDBACK`: "readout"
            is W_out, "fixed" the random `Parameters.feedback`, "learned" the same, trained alongside W_out.
        modes: "adjoint" goes backward over a stored trial; "online" carries eligibility traces forward.
        learns: whether training by it leads anywhere, so that its error says something.
        costs_like: the rule whose step costs as much; None where it has a cost of its own.
    """

    name: str
    title: str
    recurrent_gradient: bool
    reset_gradient: bool
    feedback: str
    modes: tuple[str, ...]
    learns: bool = True
    costs_like: str | None = None

    @property
    def feedback_weights(self) -> str:
        """Which field of `Parameters` is F (n_rec, n_out)."""
        return "w_out" if self.feedback == "readout" else "feedback"

    @property
    def trained(self) -> dict[str, str]:
        """Weights that the optimizer changes -> the gradient that each follows."""
        learned = {"feedback": "w_out"} if self.feedback == "learned" else {}
        return {"w_in": "w_in", "w_rec": "w_rec", "w_out": "w_out", **learned}

    @property
    def decayed(self) -> tuple[str, ...]:
        """Weights off which each update takes `Adam.readout_decay`: feedback and W_out become alike."""
        return ("w_out", "feedback") if self.feedback == "learned" else ()


_RULES = {
    rule.name: rule
    for rule in (
        Rule("bptt", "BPTT", True, True, "readout", ("adjoint",)),
        # where the gradient flows decides on the cost; another feedback matrix costs nothing
        Rule("eprop_symmetric", "symmetric e-prop", False, False, "readout", MODES),
        Rule("eprop_random", "random e-prop", False, False, "fixed", MODES, costs_like="eprop_symmetric"),
        # the optimizer has one small matrix more
        Rule(
            "eprop_adaptive", "adaptive e-prop", False, False, "learned", MODES,
            costs_like="eprop_symmetric",
        ),
        # stays at chance, as its gradients explode: that they are right is for the tests to say
        # (it costs what BPTT does, with one constant changed)
        Rule(
            "bptt_detached", "BPTT, detached reset", True, False, "readout", ("adjoint",),
            learns=False, costs_like="bptt",
        ),
    )
}  # fmt: skip

if TYPE_CHECKING:
    RULES: tuple[str, ...]


def __getattr__(name: str) -> Any:
    """`RULES`: names of the rules, always the present ones."""
    if name == "RULES":
        return tuple(_RULES)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def get(name: str) -> Rule:
    """The rule of this name.

    Raises:
        InvalidArgument: (a ValueError) for an unknown name.
    """
    return _RULES[checks.choice("rule", name, _RULES)]


def register(rule: Rule) -> None:
    """Add a row to the table, for this process.

    `rules.RULES` and `implementations.RULES`, read as attributes of their modules, have it from then on, as
    have all functions here. What somebody copied before does not: a tuple that was imported by its name or
    kept, and lists that modules of benchmarks/ make when they are imported. So call it first.

    Raises:
        InvalidArgument: (a ValueError) for a name that is there already, or another field's value.
    """
    checks.instance("rule", rule, Rule)
    if rule.name in _RULES:
        checks.fail("rule.name", rule.name, f"any but those of the rules there are: {', '.join(_RULES)}")
    checks.choice("rule.feedback", rule.feedback, FEEDBACK)
    if not rule.modes:
        checks.fail("rule.modes", rule.modes, f"one or more of {', '.join(MODES)}")
    for mode in rule.modes:
        checks.choice("rule.modes", mode, MODES)
    if rule.costs_like is not None:
        checks.choice("rule.costs_like", rule.costs_like, costly())
    _RULES[rule.name] = rule


def learning() -> tuple[str, ...]:
    """Rules that learn: those to train, and to show where learning is compared."""
    return tuple(rule.name for rule in _RULES.values() if rule.learns)


def costly() -> tuple[str, ...]:
    """Rules of a cost of their own: one for each way that the gradient takes."""
    return tuple(rule.name for rule in _RULES.values() if rule.costs_like is None)


def timed() -> tuple[str, ...]:
    """Rules of a cost or a feedback matrix of their own: `costly`, and the first with another matrix each."""
    return tuple(_first((rule.costs_like or rule.name, rule.feedback_weights) for rule in _RULES.values()))


def same_gradients(name: str) -> str:
    """The first rule that has the same gradients at given weights; the rule itself where no other has.

    Training may differ nonetheless: who changes the feedback matrix makes no difference to a gradient.

    Raises:
        InvalidArgument: (a ValueError) for an unknown name.
    """
    return next(other.name for other in _RULES.values() if _gradient(other) == _gradient(get(name)))


def _gradient(rule: Rule) -> tuple[bool, bool, str]:
    """What decides on the gradients."""
    return rule.recurrent_gradient, rule.reset_gradient, rule.feedback_weights


def _first(keys: Iterator[Any]) -> Iterator[str]:
    """Names of the rules whose key, of one for each rule in turn, none has before them."""
    seen = set()
    for name, key in zip(_RULES, keys, strict=True):
        if key not in seen:
            seen.add(key)
            yield name
