"""The BrainPy notebook that this suite started from, reproduced as it is: a system of its own, not a backend.

Source: "(Bellec, et. al, 2020): eprop for Evidence Accumulation Task" in the documentation of BrainPy, which
shows its log with BrainPy 2.4.3. Every number here is the notebook's, and nothing is mended. It differs from
README.md in this:

Neurons (`ALIFBellec2020`):
- The "regular" half has beta = 1, and so adapts far more than the half that is called adaptive, whose beta
  is the 1.7 (1-rho)/(1-alpha) = 0.017 of README.md. Regular in the sense of README.md would be beta = 0.
- v[t] = alpha v[t-1] + (1-alpha) input: the factor (1-alpha) is what README.md does not have. KaimingNormal
  weights times tau nearly make up for it. The reset is subtracted before the decay, not after it.
- v stands still while a neuron is refractory, for 5 steps. Nothing else keeps it from spiking then, and its
  pseudo-derivative is not 0.
- Neurons have connections to themselves.

Readout (`Leaky`): without a factor (1-kappa).

Task: the cue draws are shared across a batch. Seven numbers in all are compared with each trial's
probability, so that a batch holds two different sequences of cues at most. 128 trials per step.

Training: Adam with a learning rate of 0.01 (published code: 64 trials, 0.005). The published log is of
eprop=False: what the title calls e-prop was trained by BPTT. Here both are rules: "bptt" is eprop=False,
"eprop_symmetric" is eprop=True.

Two things differ from the notebook, and change no number of it:
- Weights and trials are drawn from a seed, as what is recorded has to be repeatable.
- `bm.set_environment(bm.training_mode, dt=1.)`, which would hold for the rest of the process, holds inside of
  `scope.notebook_environment` only.

BrainPy 2.8.2 needs no call changed against 2.4.3, but computes something else in one place: its Adam corrects
the bias by the number of steps, where that of 2.4.3 took the number of epochs, ten steps each. After the
first epochs its updates were two to three times smaller than here, and at the end of the first up to twice as
large. training.py says what "use X s" of the log counts.
"""

from implementations.notebook.availability import PUBLISHED_RULE, RULES, unavailable

__all__ = ["PUBLISHED_RULE", "RULES", "unavailable"]
