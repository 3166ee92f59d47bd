"""NEST: event-driven e-prop, a trial after the other, whose plasticity was written after the same paper."""

# What is imported below is in an environment that a type checker does not see.
# pyright: reportAttributeAccessIssue=false

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

import implementations as impl
from benchmarks.define.systems.learners.learner import PeerLearner, only_loss, rate_loss
from benchmarks.define.systems.peer import Comparison, Peer
from implementations import checks
from implementations.interface import Setting
from implementations.optimizer import TRAINED
from implementations.registry import available_cores

_SILENT = 3
"""Silent steps before each trial: an input spike in the first step of an interval is dropped, and one in the
second gave wrong gradients of W_in where there are several trials. From two on all is exact."""

_FLIGHT = 4
"""Steps from an input's generator to the signal of the readout: the generator, and three delays."""

_ETA = 2.0**20
"""Learning rate of the step that a gradient is read from: a power of 2, so that the difference of weights
keeps its digits, and so large that it has many."""

_FLUSH = 1000.0  # mV, that make a neuron spike: a synapse takes up its update at the first spike after it


class Nest(Peer):
    """Its e-prop of Bellec et al. 2020, with the network of README.md."""

    name = "nest"
    title = "NEST"
    environment = "nest"
    package = "nest-simulator"
    imports = "nest"
    licence = "GPL-2.0-or-later"
    same = "Neurons, surrogate derivative, readout, feedback and gradients are those of README.md."
    differs = (
        "Each trial's firing rates are regularised by themselves, and not those of the batch; three silent"
        " steps come before each trial; Adam's epsilon is that of TensorFlow 1; and feedback of symmetric"
        " e-prop follows W_out one step late, as synapses take up an update at their next spike."
    )
    followed = (
        "The tutorial on e-prop with evidence accumulation: models eprop_iaf_bsshslm_2020,"
        " eprop_iaf_adapt_bsshslm_2020, eprop_readout_bsshslm_2020 and their synapses, updated in fixed"
        " intervals."
    )
    cannot = "It has no BPTT, no float32, and no batch: trials run one after the other."
    computes = {"eprop_symmetric": ("online",), "eprop_random": ("online",)}  # noqa: RUF012
    dtypes = ("float64",)

    def comparisons(self, rule: str, mode: str) -> tuple[Comparison, ...]:
        """The whole loss on one trial, as rates are regularised per trial; the task's on all."""
        return Comparison("whole", 1), Comparison("task")

    def taught(self, setting: Setting, parameters: impl.Parameters) -> PeerLearner:
        """See `Peer`."""
        return NestLearner(setting, parameters)


class _Loaded(NamedTuple):
    """A batch, and the steps of each input's spikes from the beginning of the first trial on."""

    batch: impl.Batch
    spike_steps: list[np.ndarray]
    onehot: np.ndarray  # (n_out, batch)


class _Nodes(NamedTuple):
    """What the kernel holds: groups of nodes."""

    generators: Any
    inputs: Any
    recurrent: Any
    readout: Any
    targets: Any
    flush: Any
    spikes: Any
    signals: Any


class NestLearner(PeerLearner):
    """The one network of NEST's kernel; built when it is known how many trials of which length it is to see.

    Args:
        setting: what it is to do.
        parameters: initial weights.

    Raises:
        InvalidArgument: (a ValueError) for steps that do not last 1 ms.
    """

    def __init__(self, setting: Setting, parameters: impl.Parameters) -> None:
        import nest  # pyright: ignore[reportMissingImports]

        super().__init__(setting)
        if setting.network.dt_ms != 1.0:
            checks.fail("network.dt_ms", setting.network.dt_ms, "1.0, as NEST's delays here are of 1 ms")
        self._nest: Any = nest
        nest.verbosity = nest.VerbosityLevel.ERROR
        self._weights = {name: np.array(getattr(parameters, name)) for name in TRAINED}
        random = setting.rule.feedback_weights == "feedback"
        self._feedback = parameters.feedback if random else None
        self._nodes: _Nodes | None = None
        self._loaded: _Loaded | None = None
        self._trained = 0
        self._clock_ms = 0.0

    def load(self, batch: impl.Batch) -> _Loaded:
        """See `PeerLearner`; the network is built, whose intervals are as long as the trials."""
        _, n_steps, n_in = batch.spikes.shape
        where = [np.argwhere(batch.spikes[:, :, neuron]) for neuron in range(n_in)]
        spike_steps = [(of[:, 0] * (n_steps + _SILENT) + _SILENT + of[:, 1]).astype(float) for of in where]
        loaded = _Loaded(batch, spike_steps, np.eye(self.setting.network.n_out)[batch.targets].T)
        self._nodes = self._build(loaded)
        self._loaded = loaded
        return loaded

    def step(self, loaded: _Loaded) -> impl.Metrics:
        """See `PeerLearner`; no loss is known, as recording it would cost."""
        if self._nodes is None:  # its gradient was asked for, which leaves no network
            self._nodes = self._build(loaded)
        self._train(loaded, self._nodes)
        return only_loss(float("nan"))

    def curve(self, batches: Sequence[impl.Batch]) -> list[float]:
        """See `PeerLearner`; what the readout told all along is looked at in the end."""
        loaded = [self.load(batch) for batch in batches]
        nodes = self._nodes = self._build(loaded[0], record=True)
        for one in loaded:
            self._train(one, nodes)
        self._nest.Simulate(float(_FLIGHT + 1))
        trials = len(batches[0].targets)
        signals = self._signals(nodes, "readout_signal", len(batches) * trials, loaded[0])
        losses = []
        for place, batch in enumerate(batches):
            within = signals[:, place * trials : (place + 1) * trials, -self.setting.objective.window :]
            losses.append(-float(np.mean(np.log(within[batch.targets, np.arange(trials)]))))
        return losses

    def gradients(self, loaded: _Loaded) -> tuple[impl.Gradients, float]:
        """Read from a step of gradient descent, after a spike of every neuron, which updates its synapses."""
        nodes = self._observed(loaded)
        ends = {
            "w_in": (nodes.inputs, nodes.recurrent),
            "w_rec": (nodes.recurrent, nodes.recurrent),
            "w_out": (nodes.recurrent, nodes.readout),
        }
        found = {name: (self._weights[name] - self._read(*of)) / _ETA for name, of in ends.items()}
        np.fill_diagonal(found["w_rec"], 0.0)
        trials = len(loaded.batch.targets)
        objective = self.setting.objective
        within = self._signals(nodes, "readout_signal", trials, loaded)[:, :, -objective.window :]
        task = -float(np.mean(np.log(within[loaded.batch.targets, np.arange(trials)])))
        rates = rate_loss(self._spikes(nodes, loaded), objective, self.setting.network.dt_ms)
        return impl.Gradients(**found), task + rates

    def simulate(self, loaded: _Loaded) -> impl.Activity:
        """See `PeerLearner`."""
        nodes = self._observed(loaded)
        potentials = self._signals(nodes, "V_m", len(loaded.batch.targets), loaded, _FLIGHT - 1)
        return impl.Activity(self._spikes(nodes, loaded), potentials.transpose(1, 2, 0))

    def state(self) -> dict[str, np.ndarray]:
        """Weights, as far as synapses have taken up their updates, and the steps of training."""
        weights = {name: array.copy() for name, array in self._weights.items()}
        return {**weights, "steps": np.array(self._trained)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `PeerLearner`; of the moments that synapses keep, only those of a beginning can be set.

        Raises:
            InvalidArgument: (a ValueError) for a state from after the first step.
        """
        if int(state["steps"]):
            checks.fail("state", checks.Description("one after training"), "one of before the first step")
        self._weights = {name: np.array(state[name]) for name in TRAINED}
        self._trained = 0
        # built here, and not in the step that comes: what it is to see was the last that was loaded
        self._nodes = None if self._loaded is None else self._build(self._loaded)

    def _train(self, loaded: _Loaded, nodes: _Nodes) -> None:
        self._show(loaded, nodes)
        interval_ms = float(len(loaded.batch.targets) * self._interval(loaded))
        self._nest.Simulate(interval_ms)
        self._clock_ms += interval_ms
        self._trained += 1
        if self._feedback is None:  # the matrix that errors come back by is a connection of its own
            readout = self._read(nodes.recurrent, nodes.readout)
            back = self._nest.GetConnections(nodes.readout, nodes.recurrent)
            ends = back.get(["source", "target"])
            of = np.array(ends["target"]) - nodes.recurrent.tolist()[0]
            to = np.array(ends["source"]) - nodes.readout.tolist()[0]
            back.set(weight=readout[of, to].tolist())

    def _interval(self, loaded: _Loaded) -> int:
        return loaded.batch.spikes.shape[1] + _SILENT

    def _show(self, loaded: _Loaded, nodes: _Nodes) -> None:
        """Give the generators the trials, from now on."""
        start = self._clock_ms
        # generators begin in the step after the one that is given
        nodes.generators.set([{"spike_times": start + 1.0 + of} for of in loaded.spike_steps])
        times = start + np.arange(len(loaded.batch.targets)) * float(self._interval(loaded)) + _FLIGHT
        nodes.targets.set([{"amplitude_times": times, "amplitude_values": of} for of in loaded.onehot])

    def _observed(self, loaded: _Loaded) -> _Nodes:
        """The network after a step of gradient descent that was recorded; it is of no more use then."""
        nodes = self._build(loaded, record=True, descent=True)
        self._nodes = None
        self._show(loaded, nodes)
        end_ms = float(len(loaded.batch.targets) * self._interval(loaded) + _FLIGHT)
        nodes.flush.set(spike_times=[end_ms + 2.0])
        self._nest.Simulate(end_ms + 5.0)
        return nodes

    def _build(self, loaded: _Loaded, record: bool = False, descent: bool = False) -> _Nodes:
        """The network in a fresh kernel, by the weights that there are.

        Args:
            loaded: what it is to see.
            record: spikes and readout.
            descent: by gradient descent with the learning rate `_ETA`, instead of Adam.
        """
        nest, network, objective = self._nest, self.setting.network, self.setting.objective
        trials, n_steps, _ = loaded.batch.spikes.shape
        interval = n_steps + _SILENT
        nest.ResetKernel()
        nest.set(
            resolution=network.dt_ms,
            local_num_threads=self.setting.threads or available_cores(),
            eprop_update_interval=float(interval),
            eprop_learning_window=float(objective.window),
            eprop_reset_neurons_on_update=True,
        )
        leak = {"C_m": 1.0, "E_L": 0.0, "I_e": 0.0, "V_m": 0.0}
        regular = {
            **leak,
            "regular_spike_arrival": True,
            "tau_m": network.tau_membrane_ms,
            "V_th": network.threshold,
            "t_ref": float(network.refractory_steps),
            "surrogate_gradient_function": "piecewise_linear",
            "surrogate_gradient_height": network.dampening / network.threshold,
            "surrogate_gradient_width": network.threshold,
            # gradients are averaged over the window, and rates taken over silent steps, too
            "c_reg": 2.0 * objective.window * objective.rate_cost * (interval / n_steps) ** 2,
            "f_target": objective.rate_target_hz * n_steps / interval,
        }
        adaptive = {
            **regular,
            "adapt_tau": network.tau_adaptation_ms,
            "adapt_beta": float(network.beta[-1]),
            "adaptation": 0.0,
        }
        groups = [
            nest.Create(model, number, values)
            for model, number, values in (
                ("eprop_iaf_bsshslm_2020", network.n_regular, regular),
                ("eprop_iaf_adapt_bsshslm_2020", network.n_adaptive, adaptive),
            )
            if number
        ]
        recurrent = groups[0] if len(groups) == 1 else groups[0] + groups[1]
        readout = {
            **leak,
            "loss": "cross_entropy",
            "regular_spike_arrival": False,
            "tau_m": network.tau_readout_ms,
        }
        nodes = _Nodes(
            generators=nest.Create("spike_generator", network.n_in),
            inputs=nest.Create("parrot_neuron", network.n_in),
            recurrent=recurrent,
            readout=nest.Create("eprop_readout_bsshslm_2020", network.n_out, readout),
            targets=nest.Create("step_rate_generator", network.n_out),
            flush=nest.Create("spike_generator", 1) if descent else None,
            spikes=nest.Create("spike_recorder") if record else None,
            signals=nest.Create(
                "multimeter", {"interval": network.dt_ms, "record_from": ["readout_signal", "V_m"]}
            )
            if record
            else None,
        )
        self._connect(nodes, trials, descent)
        self._clock_ms = 0.0
        return nodes

    def _connect(self, nodes: _Nodes, trials: int, descent: bool) -> None:
        nest, adam = self._nest, self.setting.optimizer
        optimizer = (
            {"type": "gradient_descent", "eta": _ETA, "Wmin": -1e30, "Wmax": 1e30}
            if descent
            else {
                **{"type": "adam", "eta": adam.learning_rate, "beta_1": adam.beta1, "beta_2": adam.beta2},
                **{"epsilon": adam.epsilon, "Wmin": -100.0, "Wmax": 100.0},
            }
        )
        nest.SetDefaults(
            "eprop_synapse_bsshslm_2020",
            {"average_gradient": True, "optimizer": {**optimizer, "batch_size": trials}},
        )
        one_to_one = {"rule": "one_to_one"}
        all_to_all = {"rule": "all_to_all", "allow_autapses": False}
        static = {"synapse_model": "static_synapse", "delay": 1.0}

        def plastic(name: str) -> dict[str, Any]:
            return {
                "synapse_model": "eprop_synapse_bsshslm_2020",
                "delay": 1.0,
                "tau_m_readout": self.setting.network.tau_readout_ms,
                "weight": self._weights[name].T.copy(),
            }

        nest.Connect(nodes.generators, nodes.inputs, one_to_one, static)
        nest.Connect(nodes.inputs, nodes.recurrent, all_to_all, plastic("w_in"))
        nest.Connect(nodes.recurrent, nodes.recurrent, all_to_all, plastic("w_rec"))
        nest.Connect(nodes.recurrent, nodes.readout, all_to_all, plastic("w_out"))
        feedback = self._weights["w_out"] if self._feedback is None else self._feedback
        signal = {"synapse_model": "eprop_learning_signal_connection_bsshslm_2020", "delay": 1.0}
        nest.Connect(nodes.readout, nodes.recurrent, all_to_all, {**signal, "weight": feedback.copy()})
        rates = {"synapse_model": "rate_connection_delayed", "delay": 1.0}
        nest.Connect(nodes.targets, nodes.readout, one_to_one, {**rates, "receptor_type": 2})
        nest.Connect(nodes.readout, nodes.readout, all_to_all, {**rates, "receptor_type": 1, "weight": 1.0})
        if nodes.flush is not None:
            spike = {"weight": _FLUSH, "delay": 1.0}
            nest.Connect(nodes.flush, nodes.inputs + nodes.recurrent, {"rule": "all_to_all"}, spike)
        if nodes.spikes is not None:
            nest.Connect(nodes.recurrent, nodes.spikes)
            nest.Connect(nodes.signals, nodes.readout)

    def _read(self, pre: Any, post: Any) -> np.ndarray:
        """Weights (pre, post) of plastic synapses; 0 where there is none."""
        found = self._nest.GetConnections(pre, post, "eprop_synapse_bsshslm_2020")
        values = found.get(["source", "target", "weight"])
        weights = np.zeros((len(pre), len(post)))
        rows = np.array(values["source"]) - min(pre.tolist())
        columns = np.array(values["target"]) - min(post.tolist())
        weights[rows, columns] = values["weight"]
        return weights

    def _spikes(self, nodes: _Nodes, loaded: _Loaded) -> np.ndarray:
        """(batch, time, n_rec) bool; one of step s is stamped s + 3: generator, delay, end of the step."""
        events = nodes.spikes.get("events")
        trials, n_steps, _ = loaded.batch.spikes.shape
        steps = np.rint(events["times"]).astype(int) - 3
        of = np.array(events["senders"]) - min(nodes.recurrent.tolist())
        within = steps < trials * (n_steps + _SILENT)  # the spikes that flush come later
        found = np.zeros((trials * (n_steps + _SILENT), self.setting.network.n_rec), bool)
        found[steps[within], of[within]] = True
        return found.reshape(trials, n_steps + _SILENT, -1)[:, _SILENT:]

    def _signals(
        self, nodes: _Nodes, name: str, trials: int, loaded: _Loaded, flight: int = _FLIGHT
    ) -> np.ndarray:
        """What was recorded of the readout, (n_out, trials, time)."""
        events = nodes.signals.get("events")
        interval = self._interval(loaded)
        found = [
            np.asarray(events[name])[events["senders"] == neuron][flight : flight + trials * interval]
            for neuron in nodes.readout.tolist()
        ]
        return np.array(found).reshape(-1, trials, interval)[:, :, _SILENT:]
