"""SpikingJelly: stateful spiking neurons on PyTorch, trained by backpropagation through time."""

from typing import Any

import implementations as impl
from benchmarks.define.systems.learners.learner import PeerLearner
from benchmarks.define.systems.peer import Peer
from implementations.interface import Setting


class SpikingJelly(Peer):
    """A `MemoryModule` with the step of README.md."""

    name = "spikingjelly"
    title = "SpikingJelly"
    environment = "spikingjelly"
    package = "spikingjelly"
    imports = "spikingjelly.activation_based.neuron"
    licence = "Apache-2.0"
    same = "Neurons, surrogate derivative, readout, loss and gradients are those of README.md."
    differs = "Nothing is; the neuron is ours, a MemoryModule, and its step mode runs it."
    followed = (
        "The tutorials on basic concepts and on MemoryModule: step mode 's' in a loop over time, reset_net"
        " before each batch, backward(), and Adam of PyTorch."
    )
    cannot = "It has no e-prop, and no adaptive threshold of its own."
    computes = {"bptt": ("adjoint",), "bptt_detached": ("adjoint",)}  # noqa: RUF012

    def taught(self, setting: Setting, parameters: impl.Parameters) -> PeerLearner:
        """See `Peer`."""
        from benchmarks.define.systems.learners.autograd import AutogradLearner

        return AutogradLearner(setting, lambda: _network(setting, parameters, own=False))


class SpikingJellyLif(SpikingJelly):
    """Its own `LIFNode` in its `LinearRecurrentContainer`, as they are."""

    name = "spikingjelly_lif"
    title = "SpikingJelly LIF"
    cost_alone = "its own network"
    same = "Sizes, trials, input and readout weights, loss and optimizer are those of README.md."
    differs = (
        "Neurons do not adapt, are reset in the step of their spike, are never refractory, and have its"
        " arctan derivative; recurrent weights are its own, with a second matrix on the input."
    )
    computes = {"bptt_detached": ("adjoint",)}  # noqa: RUF012

    def taught(self, setting: Setting, parameters: impl.Parameters) -> PeerLearner:
        """See `Peer`."""
        from benchmarks.define.systems.learners.autograd import AutogradLearner

        return AutogradLearner(setting, lambda: _network(setting, parameters, own=True))


def _network(setting: Setting, parameters: impl.Parameters, own: bool) -> Any:
    import torch
    from spikingjelly.activation_based import (  # pyright: ignore[reportMissingImports]
        base,
        functional,
        layer,
        neuron,
        surrogate,
    )
    from torch.nn.functional import linear

    from benchmarks.define.systems.learners import autograd

    network = setting.network
    theta, n_ref = network.threshold, float(network.refractory_steps)
    weights = autograd.weights(parameters, setting.dtype)
    beta = torch.as_tensor(network.beta.copy()).to(torch.get_default_dtype())

    class Alif(base.MemoryModule):
        """Its BaseNode charges, fires and resets within a step; this resets in the next one."""

        def __init__(self) -> None:
            super().__init__()
            self.recurrent = torch.nn.Linear(network.n_rec, network.n_rec, bias=False)
            for name in ("v", "a", "z", "silent"):
                self.register_memory(name, None)

        def materialize_states(self, inputs: Any, states: Any, step_mode: str) -> tuple[Any, ...]:
            like = inputs[0][0] if step_mode == "m" else inputs[0]
            return tuple(torch.zeros_like(like) if state is None else state for state in states)

        def single_step_functional_forward(self, inputs: Any, states: Any, **_: Any) -> tuple[Any, Any]:
            v, a, z, silent = states
            a = network.rho * a + z
            reset = z if setting.rule.reset_gradient else z.detach()
            v = network.alpha * v + inputs[0] + self.recurrent(z) - theta * reset
            z = autograd.triangle((v - theta - beta * a) / theta, network.dampening)
            z = torch.where(silent <= 0.0, z, 0.0)
            return (z,), (v, a, z, torch.clamp(silent + n_ref * z.detach() - 1.0, 0.0, n_ref))

    def lif() -> Any:
        torch.manual_seed(0)
        node = neuron.LIFNode(
            tau=network.tau_membrane_ms / network.dt_ms,
            decay_input=False,
            v_threshold=theta,
            v_reset=None,
            surrogate_function=surrogate.ATan(),
            detach_reset=True,
        )
        return layer.LinearRecurrentContainer(node, network.n_rec, network.n_rec, bias=False)

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell = lif() if own else Alif()

        def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            functional.reset_net(self.cell)
            # unbind: step mode "m" takes currents[t], whose gradient would fill all T steps, T times over
            currents = linear(inputs, weights["w_in"]).unbind(0)
            spikes = torch.stack([self.cell(current) for current in currents])
            drive = (1.0 - network.kappa) * linear(spikes, weights["w_out"])
            return spikes, autograd.leaky(drive, network.kappa)

    net = Net()
    if own:
        weights["w_rec"] = net.cell.rc.weight  # (n_rec, 2 n_rec): of its input, and of its spikes
    else:
        net.cell.recurrent.weight = autograd.without_autapses(weights["w_rec"])
    return autograd.Network(net, weights)
