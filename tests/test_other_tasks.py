"""The tasks beside the first two: trials have the statistics that their docstrings give."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_tasks import within

import implementations as impl
from benchmarks.define.problem import PROBLEMS
from implementations.tasks import NMSE, SPLITS, TASKS, sequential_digits

N_TRIALS = 400
TASKS_HERE = ("copy_recall", "delayed_match", "sequential_digits", "store_recall", "temporal_xor")


@pytest.mark.parametrize("name", TASKS_HERE)
def test_a_task_is_whole(name: str) -> None:
    """Network, objective and trials fit; a seed gives the same trials again; the raster shows all inputs."""
    problem = PROBLEMS[name]
    task, network = problem.task, problem.network
    batch = task.batch(3, seed=5)
    batch.check_fits(network, problem.objective, np.dtype("float32"))
    assert batch.spikes.shape == (3, task.n_steps, task.n_in)
    assert (network.n_in, network.n_out, problem.objective.window) == (task.n_in, task.n_out, task.window)
    again = task.batch(3, seed=np.random.SeedSequence(5))
    for one, two in zip((batch.spikes, batch.targets), (again.spikes, again.targets), strict=True):
        np.testing.assert_array_equal(one, two)
    assert (batch.spikes != task.batch(3, seed=6).spikes).any()
    shown = [
        number for group in task.raster.groups for number in range(group.first, group.first + group.count)
    ]
    assert sorted(shown) == list(range(task.n_in))
    assert len(task.raster.answers) == (0 if batch.targets.ndim == 3 else task.n_out)
    assert task.shortest().n_steps <= task.n_steps
    assert task.recipe.steps % task.recipe.evaluate_every == 0
    for field, values in task.difficulty.items():
        assert getattr(task, field) in values
        for value in values:
            assert replace(task, **{field: value}).batch(1, seed=0).spikes.any()  # pyright: ignore
    wanted = type(task).quick()
    assert wanted is not None
    drawn = wanted.task.batch(2, seed=0)
    drawn.check_fits(wanted.network, wanted.objective, np.dtype("float32"))


def test_tasks_in_their_order() -> None:
    """Those that the suite began with are first, wherever tasks are listed; somebody's own is in no list."""
    assert tuple(TASKS) == ("evidence_accumulation", "pattern_generation", *TASKS_HERE)
    assert tuple(TASKS) == tuple(PROBLEMS)


def test_temporal_xor() -> None:
    task = impl.TemporalXor(symbol_ms=20, delay_ms=30, recall_ms=10)
    batch = task.batch(N_TRIALS, seed=1)
    assert task.n_steps == 80
    first, second = (batch.spikes[:, on].any(axis=1) for on in (slice(0, 20), slice(50, 70)))
    symbols = []
    for shown in (first, second):
        zero, one = shown[:, :5].any(axis=1), shown[:, 5:10].any(axis=1)
        assert (zero ^ one).all()
        assert within(one.mean(), 0.5, N_TRIALS)
        symbols.append(one)
    np.testing.assert_array_equal(batch.targets, symbols[0] ^ symbols[1])
    assert abs(np.corrcoef(*symbols)[0, 1]) < 0.25
    assert not batch.spikes[:, 20:50, :10].any()
    assert not batch.spikes[:, :70, 10:15].any()
    assert within(batch.spikes[:, 70:, 10:15].mean(), 0.1, N_TRIALS * 50)
    assert within(batch.spikes[:, :, 15:].mean(), 0.01, N_TRIALS * 400)
    assert task.of_length(100).delay_ms == 50


def test_delayed_match() -> None:
    task = impl.DelayedMatch()
    assert task.n_steps == 1050
    batch = task.batch(N_TRIALS, seed=1)
    cues = []
    for group, on in ((slice(20, 40), slice(50, 200)), (slice(40, 60), slice(900, 1050))):
        quiet = np.ones(1050, bool)
        quiet[on] = False
        assert not batch.spikes[:, quiet, group].any()
        cue = batch.spikes[:, on, group].any(axis=(1, 2))
        assert within(cue.mean(), 0.5, N_TRIALS)
        assert within(batch.spikes[cue, on, group].mean(), 0.04, int(cue.sum()) * 3000)
        cues.append(cue)
    np.testing.assert_array_equal(batch.targets, cues[0] == cues[1])
    assert within(batch.spikes[:, :, :20].mean(), 0.01, N_TRIALS * 21000)


def test_store_recall() -> None:
    task = impl.StoreRecall(n_symbols=5, symbol_ms=20, max_delay=2, input_rate_hz=300.0)
    batch = task.batch(N_TRIALS, seed=1)
    groups = batch.spikes.reshape(N_TRIALS, 5, 20, 4, 25).any(axis=(2, 4))  # (trial, symbol, group)
    assert batch.mask is not None
    recall = batch.mask.reshape(N_TRIALS, 5, 20)
    np.testing.assert_array_equal(recall.all(axis=2), recall.any(axis=2))
    np.testing.assert_array_equal(groups[:, :, 3], recall.all(axis=2))
    store_at, recall_at = groups[:, :, 2].argmax(axis=1), groups[:, :, 3].argmax(axis=1)
    assert (groups[:, :, 2:].sum(axis=1) == 1).all()
    pairs, counts = np.unique(np.stack([store_at, recall_at], axis=1), axis=0, return_counts=True)
    assert pairs.tolist() == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3], [2, 4], [3, 4]]
    for count in counts:
        assert within(count / N_TRIALS, 1 / 7, N_TRIALS)
    np.testing.assert_array_equal(
        groups[:, :, :2].sum(axis=2), ~groups[:, :, 3]
    )  # a value, but at the recall
    values = groups[np.arange(N_TRIALS), store_at, 1]
    np.testing.assert_array_equal(batch.targets, values)
    assert within(values.mean(), 0.5, N_TRIALS)


def test_copy_recall() -> None:
    task = impl.CopyRecall(n_in=40, n_out=3, length=2, symbol_ms=10, delay_ms=5, cue_rate_hz=300.0)
    batch = task.batch(N_TRIALS, seed=1)
    assert (task.n_steps, task.window) == (45, 20)
    active = batch.spikes[:, :20, :24].reshape(N_TRIALS, 2, 10, 3, 8).any(axis=(2, 4))
    assert within(active.mean(), 0.5, active.size)
    recalled = batch.targets[:, 25:].reshape(N_TRIALS, 2, 10, 3)
    np.testing.assert_array_equal(recalled, np.broadcast_to(active[:, :, None], recalled.shape))
    assert not batch.targets[:, :25].any()
    assert not batch.spikes[:, 20:, :24].any()
    assert not batch.spikes[:, :25, 24:32].any()
    assert batch.spikes[:, 25:, 24:32].any()
    assert batch.mask is not None
    np.testing.assert_array_equal(batch.mask, np.broadcast_to(np.arange(45) >= 25, batch.mask.shape))


def test_normalised_error_is_of_the_steps_that_count() -> None:
    batch = impl.CopyRecall().batch(20, seed=0)
    assert batch.mask is not None
    counted = batch.targets[batch.mask]
    for readout, expected in ((counted, 0.0), (counted.mean(axis=0), 1.0)):
        loss = 0.5 * ((readout - counted) ** 2).sum(axis=1).mean()
        metrics = impl.Metrics(loss, loss, 0.0, float("nan"), 0.0)
        assert NMSE.of(metrics, batch) == pytest.approx(expected, abs=1e-14)


class TestDigits:
    def test_splits_have_no_image_in_common_and_all_together(self) -> None:
        images = {split: sequential_digits._images(split) for split in SPLITS}
        assert [len(digits) for _, digits in images.values()] == [1257, 180, 360]
        flat = np.concatenate([shown.reshape(len(shown), -1) for shown, _ in images.values()])
        assert len(np.unique(flat, axis=0)) == 1797
        for _, digits in images.values():
            assert np.bincount(digits, minlength=10).min() > 0.05 * len(digits)

    def test_rows_have_the_rates_of_their_shades(self) -> None:
        task = impl.SequentialDigits(row_ms=2000, max_rate_hz=500.0, cue_rate_hz=0.0)
        batch = task.trials(1, 3, "test")
        (image,) = [
            one
            for one, digit in zip(*sequential_digits._images("test"), strict=True)
            if digit == batch.targets[0] and np.allclose(rates_of(batch), one / 16 * 0.5, atol=0.05)
        ]
        assert image.max() > 10
        assert not batch.spikes[:, :, 40:].any()

    def test_pixels_spike_where_shades_cross_thresholds(self) -> None:
        task = impl.SequentialDigits(order="pixels", pixel_ms=2, cue_rate_hz=0.0)
        assert task.n_steps == 64 * 2 + 40
        spikes = task.trials(5, 3, "validation").spikes
        assert not spikes[:, 1:128:2].any()
        rising, falling = spikes[:, :128:2, :16].sum(axis=2), spikes[:, :128:2, 16:32].sum(axis=2)
        shades = np.cumsum(rising - falling.astype(int), axis=1)
        assert shades.min() >= 0
        assert shades.max() <= 16
        known = sequential_digits._images("validation")[0].reshape(180, 64)
        for shade in shades:
            assert (known == shade).all(axis=1).any()

    def test_a_batch_has_each_image_once_before_any_comes_again(self) -> None:
        digits = impl.SequentialDigits(row_ms=1, recall_ms=1).trials(400, 0, "validation").targets
        known = np.bincount(sequential_digits._images("validation")[1], minlength=10)
        counts = np.bincount(digits, minlength=10)
        assert (counts >= 2 * known).all()
        assert counts.sum() == 400

    def test_a_linear_readout_of_all_pixels(self) -> None:
        assert 0.9 < sequential_digits.linear_readout() < 0.97
        assert sequential_digits.linear_readout("train") > 0.94

    def test_without_scikit_learn_the_extra_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sequential_digits, "find_spec", lambda name: None)
        sequential_digits._images.cache_clear()
        with pytest.raises(impl.InvalidArgument, match=r"pip install 'eprop-bench\[digits\]'"):
            impl.SequentialDigits().batch(2, seed=0)
        assert impl.SequentialDigits.quick() is None
        sequential_digits._images.cache_clear()


def rates_of(batch: impl.Batch) -> np.ndarray:
    """(8, 8) spikes per step of the first trial's pixels."""
    return batch.spikes[0, :16000, :40].reshape(8, 2000, 8, 5).mean(axis=(1, 3))


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    f"{kind.__name__} {n}={v!r}": (lambda kind=kind, n=n, v=v: kind(**{n: v}), n)
    for kind, fields in (
        (impl.TemporalXor, (("n_in", 6), ("symbol_ms", 0), ("delay_ms", -1), ("cue_rate_hz", 1001.0))),
        (impl.DelayedMatch, (("n_in", 20), ("recall_ms", 2000), ("cue_ms", 0), ("noise_rate_hz", -1.0))),
        (impl.StoreRecall, (("n_in", 10), ("n_symbols", 1), ("max_delay", 12), ("input_rate_hz", 2e3))),
        (impl.CopyRecall, (("n_in", 31), ("n_out", 0), ("length", 0), ("cue_rate_hz", -1.0))),
        (impl.SequentialDigits, (("order", "columns"), ("n_in", 40), ("row_ms", 0), ("max_rate_hz", 1e4))),
    )
    for n, v in fields
}


@pytest.mark.parametrize("name", BAD)
def test_bad_settings_are_refused_by_name(name: str) -> None:
    work, argument = BAD[name]
    with pytest.raises(impl.InvalidArgument, match=rf"^{argument} is .*it may be"):
        work()
