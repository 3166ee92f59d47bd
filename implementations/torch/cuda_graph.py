"""An engine recorded as CUDA graphs: what it launches for a shape of batch is launched again as one.

Torch operations launch some ten kernels at each step, and BPTT of large networks one: to ask for them would
take the host longer than the device takes to do them.
"""

from collections.abc import Callable
from typing import Any

import torch

from implementations.optimizer import TRAINED
from implementations.types import Batch, Metrics

Tensors = list[torch.Tensor]
Recorder = Callable[[Callable[[], Tensors]], Callable[[], Tensors]]


def cuda_graph(run: Callable[[], Tensors]) -> Callable[[], Tensors]:
    """`run` as a graph: called again, it fills the tensors that it returned before."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        run()  # compiles, and allocates what outlives a call, neither of which can be recorded
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        returned = run()

    def replay() -> Tensors:
        graph.replay()
        return returned

    return replay


class Recorded:
    """Records `gradients` and `evaluate` of an engine, for the latest shape of batches only.

    Args:
        record: makes of a function one that does the same again, e.g. `cuda_graph`.
    """

    def __init__(self, engine: Any, record: Recorder) -> None:
        self._engine, self._record = engine, record
        self._recorded: dict[str, tuple[Any, Tensors, Callable[[], Tensors]]] = {}
        self.loaded = engine.loaded

    def load(self, batch: Batch) -> Any:
        """As the engine does."""
        return self._engine.load(batch)

    def gradients(self, loaded: Any) -> tuple[dict[str, torch.Tensor], Metrics]:
        """By name, in tensors that the next call fills again; and the metrics, which are the caller's."""

        def run(fixed: Any) -> Tensors:
            gradients, metrics = self._engine.gradients(fixed)
            return [*(gradients[name] for name in TRAINED), _stack(metrics)]

        *found, figures = self._again("gradients", run, loaded)
        return dict(zip(TRAINED, found, strict=True)), _unstack(figures)

    def evaluate(self, loaded: Any) -> Metrics:
        """As the engine does."""
        (figures,) = self._again("evaluate", lambda fixed: [_stack(self._engine.evaluate(fixed))], loaded)
        return _unstack(figures)

    def simulate(self, loaded: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """As the engine does, once and unrecorded."""
        self._recorded.pop("evaluate", None)  # the engine may give back buffers that it shares with this
        return self._engine.simulate(loaded)

    def _again(self, name: str, run: Callable[[Any], Tensors], loaded: Any) -> Tensors:
        shapes = tuple(tensor.shape for tensor in loaded.tensors)
        if name not in self._recorded or self._recorded[name][0] != shapes:
            self._recorded.pop(name, None)  # first give back the old buffers
            fixed = [tensor.clone() for tensor in loaded.tensors]
            batch = loaded.with_tensors(fixed)
            self._recorded[name] = shapes, fixed, self._record(lambda: run(batch))
        _, fixed, replay = self._recorded[name]
        for mine, theirs in zip(fixed, loaded.tensors, strict=True):
            mine.copy_(theirs, non_blocking=True)
        return replay()


def _stack(metrics: Metrics) -> torch.Tensor:
    figures = (metrics.loss, metrics.task_loss, metrics.rate_loss, metrics.accuracy, metrics.rate_hz)
    return torch.stack([torch.as_tensor(figure) for figure in figures])


def _unstack(figures: torch.Tensor) -> Metrics:
    """Of a copy, as the next replay fills them again."""
    return Metrics(*figures.clone().unbind())
