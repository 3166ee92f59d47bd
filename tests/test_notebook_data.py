"""The notebook's trials."""

import numpy as np
import pytest

from implementations import notebook

if notebook.unavailable() is not None:
    pytest.skip(f"the notebook can't run here: {notebook.unavailable()}", allow_module_level=True)

from implementations.notebook.data import draw, get_data, seed_trials


@pytest.fixture(scope="module")
def trials() -> tuple[np.ndarray, np.ndarray]:
    seed_trials(np.random.SeedSequence(3))
    return draw(128, 40)


def cues(spikes: np.ndarray) -> np.ndarray:
    """(batch, 7) bool, True for a cue on the right: which of the two groups fires in its 100 ms."""
    windows = spikes[:, :1050].reshape(len(spikes), 7, 150, 40)[:, :, 50:]
    left, right = windows[..., :10].sum(axis=(2, 3)), windows[..., 10:20].sum(axis=(2, 3))
    assert ((left == 0) != (right == 0)).all()
    return right > 0


def test_shapes_and_types(trials: tuple[np.ndarray, np.ndarray]):
    spikes, targets = trials
    assert spikes.shape == (128, 2250, 40)
    assert spikes.dtype == np.bool_
    assert targets.shape == (128,)
    assert np.issubdtype(targets.dtype, np.integer)


def test_the_target_is_the_side_of_most_cues(trials: tuple[np.ndarray, np.ndarray]):
    spikes, targets = trials
    np.testing.assert_array_equal(targets, cues(spikes).sum(axis=1) > 3.5)


def test_cue_draws_are_shared_across_a_batch():
    sequences = []
    for seed in range(5):
        seed_trials(np.random.SeedSequence(seed))
        sequences.append(np.unique(cues(draw(128, 40)[0]), axis=0))
    assert all(len(found) <= 2 for found in sequences)
    for found in sequences:
        # What is right where right is favoured holds all that is right where left is: the draws are the same.
        assert (found.min(axis=0) == found[found.sum(axis=1).argmin()]).all()
    assert len({tuple(found.ravel()) for found in sequences}) > 1


def test_favoured_cues_come_seven_times_in_ten():
    shares = []
    for seed in range(200):
        seed_trials(np.random.SeedSequence(seed))
        spikes, _ = draw(2, 40)
        sides = cues(spikes)
        shares.append(sides.mean())
    assert np.mean(shares) == pytest.approx(0.5, abs=0.04)  # both sides are favoured as often
    assert np.std(shares) > 0.15  # but a trial has a side


def test_rates(trials: tuple[np.ndarray, np.ndarray]):
    spikes, _ = trials
    windows = spikes[:, :1050].reshape(128, 7, 150, 40)
    assert not windows[:, :, :50, :20].any()  # silent between cues
    assert windows[:, :, 50:, :20].mean() * 2 == pytest.approx(0.04, rel=0.02)  # one group of the two
    assert spikes[:, -150:, 20:30].mean() == pytest.approx(0.04, rel=0.03)  # recall
    assert not spikes[:, :-150, 20:30].any()
    assert not spikes[:, 1050:, :20].any()
    assert spikes[..., 30:].mean() == pytest.approx(0.01, rel=0.02)  # noise


def test_a_seed_gives_the_same_trials_again_and_another_others():
    drawn = []
    for seed in (1, 1, 2):
        seed_trials(np.random.SeedSequence(seed))
        drawn.append(draw(4, 40))
    np.testing.assert_array_equal(drawn[0][0], drawn[1][0])
    np.testing.assert_array_equal(drawn[0][1], drawn[1][1])
    assert (drawn[0][0] != drawn[2][0]).any()


def test_an_epoch_is_ten_batches_in_a_row():
    seed_trials(np.random.SeedSequence(5))
    batches = [spikes for spikes, _ in get_data(3, 40)()]
    seed_trials(np.random.SeedSequence(5))
    one_by_one = [draw(3, 40)[0] for _ in range(10)]
    np.testing.assert_array_equal(np.array(batches), np.array(one_by_one))
    assert (batches[0] != batches[1]).any()
