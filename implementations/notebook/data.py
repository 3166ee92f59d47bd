"""The notebook's trials, drawn by compiled code from Numba's own random numbers."""

from collections.abc import Callable, Iterator

import numpy as np
from brainpy import tools

from implementations.notebook.settings import BATCHES_PER_EPOCH

T_CUE_SPACING = 150
"""Steps from one cue to the next; also how long the recall lasts, and so the window of the loss."""

INPUT_F0 = 40.0 / 1000.0
"""Rate of an active input neuron, in spikes per ms."""

N_CUES = 7
DELAY = 1200
"""Steps after the last cue."""

Trials = tuple[np.ndarray, np.ndarray]
"""Spikes (batch, time, n_in) bool and targets (batch,) int."""


@tools.numba_jit
def generate_click_task_data(
    batch_size,
    seq_len,
    n_neuron,
    recall_duration,
    prob,
    f0=0.5,
    n_cues=7,
    t_cue=100,
    t_interval=150,
    n_input_symbols=4,
):
    """Spikes (batch, time, n_in) bool, symbols and targets as int, and a mask of the last step.

    `np.random.random(n_cues) > probs` draws n_cues numbers for the whole batch, not for each trial.
    """
    n_channel = n_neuron // n_input_symbols

    probs = np.where(np.random.random((batch_size, 1)) < 0.5, prob, 1 - prob)  # noqa: NPY002
    cue_assignments = np.asarray(np.random.random(n_cues) > probs, dtype=np.int_)  # noqa: NPY002

    # 0: left, 1: right, 2: recall, 3: noise
    input_nums = 3 * np.ones((batch_size, seq_len), dtype=np.int_)
    input_nums[:, :n_cues] = cue_assignments
    input_nums[:, -1] = 2

    input_spike_prob = np.zeros((batch_size, seq_len, n_neuron))
    d_silence = t_interval - t_cue
    for b in range(batch_size):
        for k in range(n_cues):
            i_seq = d_silence + k * t_interval
            i_neu = cue_assignments[b, k] * n_channel
            input_spike_prob[b, i_seq : i_seq + t_cue, i_neu : i_neu + n_channel] = f0
    input_spike_prob[:, -recall_duration:, 2 * n_channel : 3 * n_channel] = f0
    input_spike_prob[:, :, 3 * n_channel :] = f0 / 4.0
    input_spikes = input_spike_prob > np.random.rand(*input_spike_prob.shape)  # noqa: NPY002

    target_mask = np.zeros((batch_size, seq_len), dtype=np.bool_)
    target_mask[:, -1] = True
    target_nums = (np.sum(cue_assignments, axis=1) > n_cues / 2).astype(np.int_)
    return input_spikes, input_nums, target_nums, target_mask


def draw(batch_size: int, n_in: int, delay: int = DELAY) -> Trials:
    """Trials of 7 cues and `delay` steps, from Numba's random numbers where they are."""
    spikes, _, targets, _ = generate_click_task_data(
        batch_size=batch_size,
        seq_len=N_CUES * T_CUE_SPACING + delay,
        n_neuron=n_in,
        recall_duration=150,
        prob=0.3,
        t_cue=100,
        n_cues=N_CUES,
        t_interval=T_CUE_SPACING,
        f0=INPUT_F0,
        n_input_symbols=4,
    )
    return spikes, targets


def seed_trials(sequence: np.random.SeedSequence) -> None:
    """Seed Numba's random numbers.

    They are one sequence for all compiled code of a thread, apart from NumPy's, and can't be put back where
    they were: nothing else in this suite draws from them.
    """
    tools.numba_seed(int(sequence.generate_state(1)[0]))


def get_data(batch_size: int, n_in: int) -> Callable[[], Iterator[Trials]]:
    """What the trainer calls for each epoch: it gives ten batches, from the random numbers where they are."""

    def generate_data() -> Iterator[Trials]:
        for _ in range(BATCHES_PER_EPOCH):
            yield draw(batch_size, n_in)

    return generate_data
