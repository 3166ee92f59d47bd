"""Slowdowns to find: more work in the hot loop of each backend, as edits of its sources.

What is added changes the results, and nothing else reads them; a step is put back before it is measured
again. How much slower it is, is measured.
"""

from dataclasses import dataclass
from pathlib import Path

RULE, MODE = "eprop_symmetric", "adjoint"
"""Whose hot loop it is."""


@dataclass(frozen=True)
class Plant:
    """An edit of a file.

    Attributes:
        backend: whose.
        file: below implementations/.
        after: lines that are there once; the work is added after them, or before where `before`.
        work: what is added; {amount} stands for how much.
        scale: the amount that about doubles the instructions of a step at the size of `define.counts`.
        whole: whether the amount is a whole number.
    """

    backend: str
    file: str
    after: str
    work: str
    scale: float
    whole: bool = False
    before: bool = False

    def plant(self, folder: Path, share: float) -> None:
        """Add about this share of a step's work to the sources in `folder`, which holds implementations/.

        Raises:
            ValueError: the lines are not there, or several times.
        """
        path = folder / "implementations" / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.after) != 1:
            raise ValueError(f"{self.file} has these lines {text.count(self.after)} times: {self.after!r}")
        amount = share * self.scale
        work = self.work.replace("{amount}", str(round(amount)) if self.whole else f"{amount:.6f}")
        planted = work + self.after if self.before else self.after + work
        path.write_text(text.replace(self.after, planted), encoding="utf-8")


_NUMPY = """\
        if "_extra" not in self.__dict__:
            self._extra = np.zeros(int({amount} * g.size) + 1, g.dtype)
        np.multiply(self._extra, alpha, out=self._extra)
"""
_NUMBA = """\
                for _ in range(int((t + 1) * {amount}) - int(t * {amount})):
                    backward_neurons(
                        psi[t], decay, source, lam_a, lam_v, unit_a, unit_v,
                        back_beta, back_alpha, back_rho, theta,
                    )
"""
_CPP = """\
    for (int64_t extra = int64_t((t + 1) * {amount}) - int64_t(t * {amount}); extra > 0; --extra)
      backward_neurons<kReset>(net, s.trial.psi + t * n_pad, decay, s.source, s.lam_a, s.unit_a, s.both_v,
                               s.both_v + n_pad);
"""
_JAX = """\
    for _ in range({amount}):
        lam = Adjoints(lam.v + 1e-30 * jnp.abs(lam.v), lam.a)
"""
_BRAINPY = """\
        for _ in range({amount}):
            self.v.value = self.v.value + 1e-30 * jnp.abs(self.v.value)
"""

PLANTS = {
    plant.backend: plant
    for plant in (
        # a call takes 1.8 % of a step, whatever its size: at a share of 0.03 both together are about that
        Plant("numpy", "numpy/per_neuron.py", "        np.add(out, g, out=out)\n", _NUMPY, 180.0),
        Plant(
            "numba",
            "numba/cpu/per_neuron.py",
            "                    back_beta, back_alpha, back_rho, theta,\n                )  # fmt: skip\n",
            _NUMBA,
            8.0,
        ),
        Plant(
            "torch",
            "torch/cpp/csrc/per_neuron.h",
            "                             s.both_v + n_pad);\n",
            _CPP,
            11.0,
        ),
        Plant(
            "jax",
            "jax/scan/per_neuron.py",
            "    return Adjoints(way.alpha * lam.v + g, way.rho * lam.a - beta * g)\n",
            _JAX,
            330.0,
            whole=True,
            before=True,
        ),
        Plant(
            "brainpy",
            "brainpy/dynamics.py",
            "        self.v.value = self._alpha * v + current\n",
            _BRAINPY,
            25.0,
            whole=True,
        ),
    )
}
"""Backend -> where work is added."""
