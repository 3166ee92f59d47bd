"""What the backends that compute with JAX share: how they call it, count its programs, and judge a loss.

Nothing else imports this, as it imports JAX.
"""

import atexit
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

import jax
import jax.monitoring
import jax.numpy as jnp
import numpy as np

from implementations.divergence import Bounds
from implementations.process import changed
from implementations.rules import Rule

T = TypeVar("T")

_COMPILED = "/jax/core/compile/backend_compile_duration"
_MAPPINGS = Path("/proc/self/maps")
_MOST_MAPPINGS = Path("/proc/sys/vm/max_map_count")


def make_room() -> None:
    """Drops JAX's compiled programs once they hold half of the mappings that Linux gives a process.

    A program maps its code, and the programs of one setting take some 250 mappings of the usual 65530; one
    more than those, and LLVM ends the process with a segmentation fault. A program that is asked for again is
    compiled again. Called before a learner is made, so that no learner in a process of few settings pays.
    """
    try:
        most = int(_MOST_MAPPINGS.read_text())
        with _MAPPINGS.open("rb") as mappings:
            held = sum(1 for _ in mappings)
    except OSError:
        return  # not Linux, which has no such limit
    if held > most // 2:
        jax.clear_caches()


def compiled_as(rule: Rule) -> Rule:
    """What stands for a rule where programs are looked up: the same for all rules that share theirs.

    A program knows no names, and F is an argument of it.
    """
    feedback = "none" if rule.feedback == "none" else "readout"
    cut = tuple(sorted({*rule.cut}))
    return Rule("", "", rule.hops, rule.reset_gradient, feedback, ("adjoint",), rule.signal, cut)


def judged(task_loss: jax.Array, weights: Sequence[jax.Array]) -> jax.Array:
    """`task_loss` (), NaN where the network has diverged; `weights` are those that its rule uses."""
    bounds = Bounds.of(np.dtype(weights[0].dtype))
    largest = jnp.stack([jnp.abs(array).max() for array in weights])
    return jnp.where(
        (largest <= bounds.weight).all() & (abs(task_loss) <= bounds.task_loss), task_loss, jnp.nan
    )


def clipped(gradients: Sequence[jax.Array], clip_norm: float) -> list[jax.Array]:
    """As `optimizer.clipping` says, in the dtype of the gradients, which may have no room for squares."""
    largest = jnp.stack([jnp.abs(gradient).max() for gradient in gradients]).max()
    unit = jnp.where(largest > 0, largest, 1)
    squares = jnp.stack([jnp.square(gradient / unit).sum() for gradient in gradients])
    scale = jnp.minimum(clip_norm / (unit * jnp.sqrt(squares.sum())), 1)
    return [gradient * scale for gradient in gradients]


class Worker:
    """A thread that stays, and waits without doing anything for calls to make.

    In place of those of concurrent.futures, which a Ctrl-C may leave with a lock that nobody opens again.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        thread = threading.Thread(target=self._work, daemon=True)
        thread.start()
        atexit.register(self._end, thread)  # a thread that comes back from JAX later would end the process

    def give(self, call: Callable[[], T]) -> Callable[[], T]:
        """Make a call there; what is returned waits for its result."""
        answers: SimpleQueue[tuple[T, None] | tuple[None, BaseException]] = SimpleQueue()

        def answer() -> None:
            try:
                answers.put((call(), None))
            except BaseException as error:
                answers.put((None, error))

        def wait() -> T:
            found, error = answers.get()
            if error is not None:
                raise error
            return found  # type: ignore[return-value]

        self._calls.put(answer)
        return wait

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
            del call  # with what it refers to

    def _end(self, thread: threading.Thread) -> None:
        self._calls.put(None)
        thread.join()


@cache
def worker(number: int) -> Worker:
    """Workers of this process."""
    return Worker()


class Calls:
    """The calls of one backend.

    Attributes:
        compilations: programs that were compiled, or loaded from JAX's cache on disk, within a scope.
    """

    def __init__(self) -> None:
        self.compilations = 0
        self._thread = threading.local()
        jax.monitoring.register_event_duration_secs_listener(self._note)

    @contextmanager
    def scope(self, dtype: np.dtype) -> Iterator[None]:
        """64 bits where `dtype` has them, products in full precision; the user's settings stay as they are.

        JAX keeps these settings per thread, for the length of a `with`. Full precision matters on GPUs, which
        otherwise round float32 products to 10 bits of mantissa: other spikes. The others are what JAX begins
        with, whatever the user has: stricter ones refuse what is meant here, as an accuracy that is NaN.
        """
        with (
            changed(partial(setattr, self._thread, "inside"), getattr(self._thread, "inside", False), True),
            jax.enable_x64(dtype == np.float64),
            jax.default_matmul_precision("highest"),
            jax.numpy_rank_promotion("allow"),
            jax.numpy_dtype_promotion("standard"),
            jax.debug_nans(False),
            jax.debug_infs(False),
        ):
            yield

    def _note(self, event: str, duration_secs: float, **kwargs: str | int) -> None:
        """JAX calls this at each of its events that take time."""
        if event == _COMPILED and getattr(self._thread, "inside", False):
            self.compilations += 1
