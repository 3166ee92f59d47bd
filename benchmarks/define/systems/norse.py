"""Norse: functional spiking neurons on PyTorch, trained by backpropagation through time."""

from typing import Any, NamedTuple

import implementations as impl
from benchmarks.define.systems.learners.learner import PeerLearner
from benchmarks.define.systems.peer import Peer
from implementations.interface import Setting


class Norse(Peer):
    """Its `SNNRecurrent`, with the step of README.md."""

    name = "norse"
    title = "Norse"
    environment = "norse"
    package = "norse"
    imports = "norse.torch"
    licence = "LGPL-3.0-only"
    same = "Neurons, surrogate derivative, readout, loss and gradients are those of README.md."
    differs = "Nothing is; the step function is ours, and its recurrent layer runs it."
    followed = (
        "The pages on its recurrent modules: SNNRecurrent with a step function and a state, the loss of the"
        " whole trial, backward(), and Adam of PyTorch."
    )
    cannot = "It has no e-prop, and its own LSNN neither a refractory period nor this reset."
    computes = {"bptt": ("adjoint",), "bptt_detached": ("adjoint",)}  # noqa: RUF012

    def taught(self, setting: Setting, parameters: impl.Parameters) -> PeerLearner:
        """See `Peer`."""
        from benchmarks.define.systems.learners.autograd import AutogradLearner

        return AutogradLearner(setting, lambda: _network(setting, parameters))


class NorseLsnn(Norse):
    """Its own `LSNNRecurrent` and `LI`, as they are."""

    name = "norse_lsnn"
    title = "Norse LSNN"
    cost_alone = "its own network"
    same = "Sizes, trials, initial weights, loss and optimizer are those of README.md."
    differs = (
        "Neurons have a synaptic current of 5 ms, are reset to 0, are never refractory, and have its"
        " SuperSpike derivative."
    )
    computes = {"bptt": ("adjoint",)}  # noqa: RUF012

    def taught(self, setting: Setting, parameters: impl.Parameters) -> PeerLearner:
        """See `Peer`."""
        from benchmarks.define.systems.learners.autograd import AutogradLearner

        return AutogradLearner(setting, lambda: _own(setting, parameters))


def _network(setting: Setting, parameters: impl.Parameters) -> Any:
    import torch
    from norse.torch.module.snn import SNNRecurrent  # pyright: ignore[reportMissingImports]
    from torch.nn.functional import linear

    from benchmarks.define.systems.learners import autograd

    network = setting.network
    theta, n_ref = network.threshold, float(network.refractory_steps)
    weights = autograd.weights(parameters, setting.dtype)
    beta = torch.as_tensor(network.beta.copy()).to(torch.get_default_dtype())

    class State(NamedTuple):
        z: torch.Tensor
        v: torch.Tensor
        a: torch.Tensor
        silent: torch.Tensor

    def step(x: Any, s: State, w_in: Any, w_rec: Any, p: Any, dt: float) -> tuple[torch.Tensor, State]:
        a = network.rho * s.a + s.z
        reset = s.z if setting.rule.reset_gradient else s.z.detach()
        v = network.alpha * s.v + linear(x, w_in) + linear(s.z, w_rec) - theta * reset
        z = autograd.triangle((v - theta - beta * a) / theta, network.dampening)
        z = torch.where(s.silent <= 0.0, z, 0.0)
        return z, State(z, v, a, torch.clamp(s.silent + n_ref * z.detach() - 1.0, 0.0, n_ref))

    def rest(x: torch.Tensor) -> State:
        zeros = torch.zeros(x.shape[-2], network.n_rec)
        return State(zeros, zeros, zeros, zeros)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = SNNRecurrent(
                *(step, rest, network.n_in, network.n_rec, None),
                input_weights=weights["w_in"],
                recurrent_weights=weights["w_rec"],  # it takes the gradient of the diagonal off
            )

        def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            spikes, _ = self.cell(inputs)
            drive = (1.0 - network.kappa) * linear(spikes, weights["w_out"])
            return spikes, autograd.leaky(drive, network.kappa)

    return autograd.Network(Net(), weights)


def _own(setting: Setting, parameters: impl.Parameters) -> Any:
    import torch
    from norse.torch import LIParameters, LSNNParameters, LSNNRecurrent  # pyright: ignore[reportMissingImports]
    from norse.torch.module.leaky_integrator import LI  # pyright: ignore[reportMissingImports]
    from torch.nn.functional import linear

    from benchmarks.define.systems.learners import autograd

    network = setting.network
    weights = autograd.weights(parameters, setting.dtype)
    number = torch.as_tensor
    dynamics = LSNNParameters(
        tau_mem_inv=number(1e3 / network.tau_membrane_ms),
        tau_adapt_inv=number(1e3 / network.tau_adaptation_ms),
        v_th=number(network.threshold),
        beta=number(network.beta.copy()).to(torch.get_default_dtype()),
        method="super",
        alpha=100.0,
    )

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = network.n_in, network.n_rec
            both = {"input_weights": weights["w_in"], "recurrent_weights": weights["w_rec"]}
            self.cell = LSNNRecurrent(*sizes, dynamics, **both)
            self.readout = LI(LIParameters(tau_mem_inv=number(1e3 / network.tau_readout_ms)))

        def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            spikes, _ = self.cell(inputs)
            return spikes, self.readout(linear(spikes, weights["w_out"]))[0]

    return autograd.Network(Net(), weights)
