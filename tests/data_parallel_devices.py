"""Run by test_data_parallel.py, in processes where devices can still be made: one device against two."""

import sys
import tempfile

import numpy as np
import pytest
from cases import assert_gradients, problem

import implementations as impl

CASES = (
    ("bptt", "adjoint", "cross_entropy"),
    ("bptt_detached", "adjoint", "squared_error"),
    ("eprop_adaptive", "adjoint", "squared_error"),
    ("eprop_random", "online", "cross_entropy"),
    ("hops1", "adjoint", "cross_entropy"),
    ("drtp", "adjoint", "cross_entropy"),  # sends back the targets of a device's own trials
    ("snap1", "online", "squared_error"),
    ("readout_only", "adjoint", "cross_entropy"),
)
NETWORK = impl.Network(n_in=8, n_regular=6, n_adaptive=7, n_out=3)


def compare(backend: str) -> None:
    for rule, mode, loss in CASES:
        masked = rule in ("eprop_random", "drtp")  # what a device's trials count is their share of all
        found = problem(NETWORK, n_batch=6, n_steps=60, window=20, loss=loss, masked=masked)
        one = found.learner(backend, rule, mode, threads=1)
        two = found.learner(backend, rule, mode, threads=1, devices=2)
        whole, shared = one.load(found.batch), two.load(found.batch)
        (expected, by_one), (gradients, by_two) = one.gradients(whole), two.gradients(shared)
        assert_gradients(gradients, expected, 1e-12)
        for metrics in (by_two, two.evaluate(shared)):
            for name in ("loss", "task_loss", "rate_loss", "accuracy", "rate_hz"):
                np.testing.assert_allclose(
                    float(getattr(metrics, name)), float(getattr(by_one, name)), rtol=1e-12, err_msg=name
                )
        np.testing.assert_array_equal(two.simulate(shared).spikes, one.simulate(whole).spikes)
        for _ in range(3):
            one.step(whole)
            two.step(shared)
        compiled = two.compilations()
        two.step(shared)
        one.step(whole)
        assert two.compilations() == compiled
        after = two.state()
        for name, value in one.state().items():
            np.testing.assert_allclose(after[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
        odd = problem(NETWORK, n_batch=5, n_steps=60, window=20, loss=loss)
        with pytest.raises(
            impl.InvalidArgument, match="batch is of 5 trials; it may be of any multiple of 2"
        ):
            two.load(odd.batch)
        print(f"{backend} {rule} {mode} equal", flush=True)


def in_process(rank: int, rendezvous: str) -> None:
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=rendezvous, rank=rank, world_size=2)
    if rank == 1:
        sys.stdout = sys.stderr
    compare("torch")
    dist.destroy_process_group()


if __name__ == "__main__":
    if sys.argv[1] == "jax":
        compare("jax")
    else:
        import torch.multiprocessing as mp

        with tempfile.TemporaryDirectory() as folder:
            mp.spawn(in_process, (f"file://{folder}/rendezvous",), 2)
