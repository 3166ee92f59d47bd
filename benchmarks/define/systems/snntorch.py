"""snnTorch: recurrent leaky neurons on PyTorch, trained by backpropagation through time."""

# What is imported below is in an environment that a type checker does not see.
# pyright: reportAttributeAccessIssue=false

from typing import Any

import implementations as impl
from benchmarks.define.systems.learners.learner import PeerLearner
from benchmarks.define.systems.peer import Peer
from implementations.interface import Setting


class SnnTorch(Peer):
    """Its `RLeaky`, with the threshold, the refractory period and the reset of README.md."""

    name = "snntorch"
    title = "snnTorch"
    environment = "snntorch"
    package = "snntorch"
    imports = "snntorch"
    licence = "MIT"
    same = "Neurons, surrogate derivative, readout, loss and gradients are those of README.md."
    differs = "Nothing is; adaptation and refractory period, which it has not, are added by a subclass."
    followed = (
        "Tutorials 5 and 6 and the reference of RLeaky: neurons called step by step in a Python loop, the"
        " loss of the whole trial, backward(), and Adam of PyTorch."
    )
    cannot = "It has no e-prop, no adaptive threshold and no refractory period of its own."
    computes = {"bptt": ("adjoint",), "bptt_detached": ("adjoint",)}  # noqa: RUF012

    def taught(self, setting: Setting, parameters: impl.Parameters) -> PeerLearner:
        """See `Peer`."""
        from benchmarks.define.systems.learners.autograd import AutogradLearner

        return AutogradLearner(setting, lambda: _network(setting, parameters))


def _network(setting: Setting, parameters: impl.Parameters) -> Any:
    import snntorch  # pyright: ignore[reportMissingImports]
    import torch

    from benchmarks.define.systems.learners import autograd

    network = setting.network
    theta, n_ref = network.threshold, float(network.refractory_steps)

    class Alif(snntorch.RLeaky):
        """RLeaky, which adapts and is refractory."""

        def __init__(self) -> None:
            super().__init__(
                beta=network.alpha,
                linear_features=network.n_rec,
                threshold=theta,
                # its surrogate.custom_surrogate gives float32 in float64, too
                spike_grad=lambda over: autograd.triangle(over / theta, network.dampening),
                reset_mechanism="subtract",
            )
            self.recurrent = torch.nn.Linear(network.n_rec, network.n_rec, bias=False)  # its own has a bias
            adaptive = torch.as_tensor(network.beta.copy()).to(torch.get_default_dtype())
            self.register_buffer("adaptive", adaptive)

        def reset_states(self, like: torch.Tensor) -> None:
            self.spk = self.mem = self.a = self.silent = torch.zeros_like(like)

        def mem_reset(self, mem: torch.Tensor) -> torch.Tensor:
            # RLeaky resets where the potential is above a fixed threshold, and detached
            return self.spk if setting.rule.reset_gradient else self.spk.detach()

        def fire(self, mem: torch.Tensor) -> torch.Tensor:
            spk = self.spike_grad(mem - self.threshold - self.adaptive * self.a)
            return torch.where(self.silent <= 0.0, spk, 0.0)

        def forward(self, current: torch.Tensor) -> torch.Tensor:
            self.a = network.rho * self.a + self.spk
            spk, _ = super().forward(current)
            self.silent = torch.clamp(self.silent + n_ref * spk.detach() - 1.0, 0.0, n_ref)
            return spk

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into = torch.nn.Linear(network.n_in, network.n_rec, bias=False)
            self.cell = Alif()
            self.out = torch.nn.Linear(network.n_rec, network.n_out, bias=False)
            self.readout = snntorch.Leaky(beta=network.kappa, reset_mechanism="none")

        def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            currents = self.into(inputs)
            self.cell.reset_states(currents[0])
            # unbind: the gradient of currents[t] would fill all T steps, T times over
            spikes = torch.stack([self.cell(current) for current in currents.unbind(0)])
            drive = (1.0 - network.kappa) * self.out(spikes)
            mem, readout = torch.zeros_like(drive[0]), []
            for now in drive.unbind(0):
                _, mem = self.readout(now, mem)
                readout.append(mem)
            return spikes, torch.stack(readout)

    net = Net()
    weights = autograd.weights(parameters, setting.dtype)
    net.into.weight, net.out.weight = weights["w_in"], weights["w_out"]
    net.cell.recurrent.weight = autograd.without_autapses(weights["w_rec"])
    return autograd.Network(net, weights)
