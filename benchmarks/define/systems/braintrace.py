"""braintrace: online learning for models of brainstate, by eligibility traces that it derives itself."""

# What is imported below is in an environment that a type checker does not see.
# pyright: reportAttributeAccessIssue=false, reportGeneralTypeIssues=false, reportOptionalMemberAccess=false

from collections.abc import Mapping
from typing import Any

import numpy as np

import implementations as impl
from benchmarks.define.systems.learners.learner import PeerLearner, only_loss
from benchmarks.define.systems.peer import Peer
from implementations.interface import Setting


class Braintrace(Peer):
    """The network of README.md as a module of brainstate, under its exact online rule, D-RTRL."""

    name = "braintrace"
    title = "braintrace D-RTRL"
    environment = "braintrace"
    package = "braintrace"
    imports = "braintrace"
    licence = "Apache-2.0"
    same = "Neurons, surrogate derivative, readout, loss and gradients are those of README.md."
    differs = "Nothing is; what e-prop does not follow is cut in the model, and D-RTRL then is e-prop."
    followed = (
        "The guides on online learning: a model whose weights are used through braintrace.matmul,"
        " braintrace.compile with an algorithm, etrace_grad over the trial, and braintools' Adam."
    )
    cannot = (
        "It has no BPTT by this interface, and its EProp sends random feedback through a square matrix, which"
        " is another rule."
    )
    computes = {"eprop_symmetric": ("online",), "eprop_random": ("online",)}  # noqa: RUF012
    algorithm = "d_rtrl"

    def taught(self, setting: Setting, parameters: impl.Parameters) -> PeerLearner:
        """See `Peer`."""
        return BraintraceLearner(setting, parameters, self.algorithm)


class BraintracePpProp(Braintrace):
    """The same under its approximation of rank one, pp_prop."""

    name = "braintrace_pp_prop"
    title = "braintrace pp_prop"
    cost_alone = "an approximation"
    same = "Neurons, surrogate derivative, readout and loss are those of README.md."
    differs = (
        "Eligibility traces are of rank one, with the membrane's decay, so that gradients only point the way"
        " of e-prop's."
    )
    computes = {"eprop_symmetric": ("online",)}  # noqa: RUF012
    algorithm = "pp_prop"


class BraintraceLearner(PeerLearner):
    """A model, its learner and its optimizer, which change in place.

    Args:
        setting: what it is to do.
        parameters: initial weights.
        algorithm: of braintrace.
    """

    def __init__(self, setting: Setting, parameters: impl.Parameters, algorithm: str) -> None:
        import brainstate
        import braintrace  # pyright: ignore[reportMissingImports]
        import jax

        from benchmarks.define.systems.learners import trees

        super().__init__(setting)
        trees.configure(setting.dtype)
        brainstate.environ.set(precision=8 * setting.dtype.itemsize)
        self._jax, self._trees, self._brainstate, self._braintrace = jax, trees, brainstate, braintrace
        self.engine = algorithm
        self._parameters = parameters
        self._algorithm = algorithm
        self._made: _Made | None = None

    def load(self, batch: impl.Batch) -> Any:
        """See `PeerLearner`; the model is compiled for the number of trials."""
        inputs, targets = self._trees.on_device(batch, self.setting.dtype)
        if self._made is None or self._made.trials != len(targets):
            before = None if self._made is None else self.state()
            self._made = _Made(self.setting, self._parameters, self._algorithm, len(targets))
            if before is not None:
                self.restore(before)
        return inputs, targets

    def step(self, loaded: Any) -> impl.Metrics:
        """See `PeerLearner`; the first is taken twice, as the second call is compiled once more."""
        there = self._there
        if not there.warm:
            before = self.state()
            there.train(*loaded)
            self.restore(before)
            there.warm = True
        return only_loss(there.train(*loaded))

    def gradients(self, loaded: Any) -> tuple[impl.Gradients, float]:
        """See `PeerLearner`."""
        found, loss, _ = self._there.told(*loaded)
        arrays = {place[-1]: np.array(of) for place, of in found.items()}
        np.fill_diagonal(arrays["w_rec"], 0.0)
        return impl.Gradients(**arrays), float(loss)

    def simulate(self, loaded: Any) -> impl.Activity:
        """See `PeerLearner`."""
        _, _, (spikes, readout) = self._there.told(*loaded)
        # what a step tells is of the step before
        return impl.Activity(
            np.asarray(spikes)[1:].swapaxes(0, 1) > 0.0, np.asarray(readout)[1:].swapaxes(0, 1)
        )

    def state(self) -> dict[str, np.ndarray]:
        """See `PeerLearner`."""
        return self._trees.as_arrays(self._there.trained())

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """See `PeerLearner`."""
        self._there.take(self._trees.as_tree(self._there.trained(), state))

    def synchronize(self) -> None:
        """See `PeerLearner`."""
        if self._made is not None:
            self._jax.block_until_ready(self._jax.tree.leaves(self._made.trained()))

    @property
    def _there(self) -> "_Made":
        if self._made is None:
            raise RuntimeError("nothing was loaded, which says for how many trials to compile")
        return self._made


class _Made:
    """All that is made for a number of trials."""

    def __init__(self, setting: Setting, parameters: impl.Parameters, algorithm: str, trials: int) -> None:
        import brainstate
        import braintools
        import braintrace  # pyright: ignore[reportMissingImports]
        import jax
        import jax.numpy as jnp

        self.trials = trials
        network, objective, rule, dtype = setting.network, setting.objective, setting.rule, setting.dtype
        theta, n_ref = network.threshold, float(network.refractory_steps)
        kappa, n_rec = network.kappa, network.n_rec
        beta, feedback = (jnp.asarray(of, dtype) for of in (network.beta, parameters.feedback))
        surrogate = braintools.surrogate.ReluGrad(alpha=network.dampening, width=1.0)
        cut = jax.lax.stop_gradient
        others = jnp.asarray(1.0 - np.eye(n_rec), dtype)

        class Cell(brainstate.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.w_in = brainstate.ParamState(jnp.asarray(parameters.w_in, dtype))
                self.w_rec = brainstate.ParamState(jnp.asarray(parameters.w_rec, dtype))

            def init_state(self, batch_size: Any = None, **_: Any) -> None:
                for name in ("v", "a", "zbar", "count"):
                    setattr(self, name, brainstate.HiddenState(jnp.zeros((batch_size, n_rec), dtype)))
                self.silent = brainstate.ShortTermState(jnp.zeros((batch_size, n_rec), dtype))

            def reset_state(self, batch_size: Any = None, **_: Any) -> None:
                # values of the states that there are: a compiled function would go on with the old ones
                for name in ("v", "a", "zbar", "count", "silent"):
                    getattr(self, name).value = jnp.zeros((batch_size, n_rec), dtype)

            def update(self, x: Any) -> Any:
                # spikes of the step before: a state that depends on another of the same step would be counted
                # twice
                v, a, silent = self.v.value, self.a.value, self.silent.value
                z = jnp.where(silent <= 0.0, surrogate((v - theta - beta * a) / theta), 0.0)
                self.zbar.value = kappa * self.zbar.value + (1.0 - kappa) * z
                self.count.value = self.count.value + z
                # e-prop follows errors neither through the reset nor over recurrent connections
                current = braintrace.matmul(x, self.w_in.value) + braintrace.matmul(cut(z), self.w_rec.value)
                self.v.value = network.alpha * v + current - theta * cut(z)
                self.a.value = network.rho * a + z
                self.silent.value = jnp.clip(silent + n_ref * cut(z) - 1.0, 0.0, n_ref)
                return self.zbar.value, self.count.value, z

        model = Cell()
        # outside the model, inside of which a weight that no trace is kept of gets a gradient of 0, silently
        w_out = brainstate.ParamState(jnp.asarray(parameters.w_out, dtype))
        more = {"decay_or_rank": network.alpha} if algorithm == "pp_prop" else {}
        first = jnp.zeros((trials, network.n_in), dtype)
        learner = braintrace.compile(model, algorithm, first, batch_size=trials, **more)
        weights = {**learner.param_states, ("w_out",): w_out}
        adam = setting.optimizer
        optimizer = braintools.optim.Adam(adam.learning_rate, (adam.beta1, adam.beta2), eps=adam.epsilon)
        optimizer.register_trainable_weights(weights)
        random = rule.feedback_weights == "feedback"

        def gradients(inputs: Any, targets: Any, tell: bool = True) -> Any:
            steps = len(inputs)
            shown = jnp.pad(inputs, ((0, 1), (0, 0), (0, 0)))  # one more, which tells of the last
            task_share = jnp.zeros(steps + 1, dtype).at[-objective.window :].set(1.0 / objective.window)
            rate_share = jnp.zeros(steps + 1, dtype).at[-1].set(objective.rate_cost)

            def step(x: Any, of_task: Any, of_rates: Any) -> Any:
                zbar, count, z = learner(x)
                y = zbar @ w_out.value
                if random:
                    back = zbar @ feedback
                    y = cut(zbar) @ w_out.value + back - cut(back)
                task = braintools.metric.softmax_cross_entropy_with_integer_labels(y, targets).mean()
                rates = count.mean(0) / (steps * network.dt_ms)
                missed = ((rates - objective.rate_target_per_ms) ** 2).sum()
                return of_task * task + of_rates * missed, (z, y) if tell else None

            model.reset_state(trials)
            learner.reset_state(trials)
            found, loss, told = learner.etrace_grad(
                *(shown, task_share, rate_share),
                step_fn=step,
                weights=weights,
                reduction="sum",
                loss_output="scalar",
                has_aux=True,
                return_value=True,
            )
            return found, loss, told

        def train(inputs: Any, targets: Any) -> Any:
            found, loss, _ = gradients(inputs, targets, tell=False)
            place = next(of for of in found if of[-1] == "w_rec")
            optimizer.update({**found, place: others * found[place]})  # no connection to itself
            return loss

        self.told = brainstate.transform.jit(gradients)
        self.train = brainstate.transform.jit(train)
        self._weights, self._optimizer = weights, optimizer
        self.warm = False  # whether `train` was called

    def trained(self) -> Any:
        """Weights and what Adam keeps."""
        weights = {str(place): of.value for place, of in self._weights.items()}
        return weights, self._optimizer.opt_state.value, self._optimizer.step_count.value

    def take(self, trained: Any) -> None:
        """Take up what `trained` returned."""
        weights, moments, count = trained
        for place, of in self._weights.items():
            of.value = weights[str(place)]
        self._optimizer.opt_state.value = moments
        self._optimizer.step_count.value = count
