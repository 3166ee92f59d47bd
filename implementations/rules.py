"""The learning rules, as data: what each sends back to the neurons, and what it cuts."""

from dataclasses import dataclass

from implementations import checks

MODES = ("adjoint", "online")


@dataclass(frozen=True)
class Rule:
    """One learning rule.

    Attributes:
        name: as in `RULES`.
        title: as figures and tables print it.
        recurrent_gradient: whether the gradient flows through the recurrent weights and the reset
            (BPTT), or each neuron keeps to its own eligibility traces (e-prop).
        feedback: which matrix F turns the output error into the learning signal: "readout" is W_out,
            "fixed" the random `Parameters.feedback`, "learned" the same, trained alongside W_out.
        modes: "adjoint" goes backward over a stored trial; "online" carries eligibility traces forward.
    """

    name: str
    title: str
    recurrent_gradient: bool
    feedback: str
    modes: tuple[str, ...]


_RULES = {
    rule.name: rule
    for rule in (
        Rule("bptt", "BPTT", True, "readout", ("adjoint",)),
        Rule("eprop_symmetric", "symmetric e-prop", False, "readout", MODES),
        Rule("eprop_random", "random e-prop", False, "fixed", MODES),
        Rule("eprop_adaptive", "adaptive e-prop", False, "learned", MODES),
    )
}

RULES = tuple(_RULES)


def get(name: str) -> Rule:
    """The rule of this name.

    Raises:
        InvalidArgument: (a ValueError) for an unknown name.
    """
    return _RULES[checks.choice("rule", name, RULES)]
