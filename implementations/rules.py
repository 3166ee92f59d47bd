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
        recurrent_gradient: whether the gradient flows through the recurrent weights (BPTT), or each neuron
            keeps to its own eligibility traces (e-prop).
        reset_gradient: whether it also flows through the reset, -theta z[t-1]. Without, and with the
            recurrent gradient, the rule shows what of BPTT's advantage over e-prop is due to the reset.
        feedback: which matrix F turns the output error into the learning signal: "readout" is W_out,
            "fixed" the random `Parameters.feedback`, "learned" the same, trained alongside W_out.
        modes: "adjoint" goes backward over a stored trial; "online" carries eligibility traces forward.
    """

    name: str
    title: str
    recurrent_gradient: bool
    reset_gradient: bool
    feedback: str
    modes: tuple[str, ...]

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
        Rule("eprop_symmetric", "symmetric e-prop", False, False, "readout", MODES),
        Rule("eprop_random", "random e-prop", False, False, "fixed", MODES),
        Rule("eprop_adaptive", "adaptive e-prop", False, False, "learned", MODES),
        Rule("bptt_detached", "BPTT, detached reset", True, False, "readout", ("adjoint",)),
    )
}

RULES = tuple(_RULES)


def get(name: str) -> Rule:
    """The rule of this name.

    Raises:
        InvalidArgument: (a ValueError) for an unknown name.
    """
    return _RULES[checks.choice("rule", name, RULES)]
