"""Which engine computes: the one place that says so."""

from typing import Any

from implementations.interface import Setting
from implementations.torch import fused
from implementations.torch.captured import Captured, Recorder, cuda_graph
from implementations.torch.data_parallel import DataParallel
from implementations.torch.fused import Fused
from implementations.torch.kernels import Kernels
from implementations.torch.operations import Operations
from implementations.torch.weights import Tensors
from implementations.triton import use

OPERATORS = "C++ operators"
OPERATIONS = "torch operations"
TRITON = "Triton kernels"
GRAPH = "torch operations in a CUDA graph"


def engine(
    setting: Setting, weights: Tensors, *, operators: bool, record: Recorder = cuda_graph
) -> tuple[str, Any]:
    """Its name and the engine itself.

    - On the CPU: the C++ operators; torch operations where there is no compiler.
    - On other devices: the Triton kernels, for sizes that implementations/triton/sizes.py does not refuse;
      torch operations where it does and where there is no Triton, with a warning. Both are recorded as CUDA
      graphs.

    Args:
        setting: of the learner.
        weights: by name, on its device.
        operators: whether the C++ operators can be used.
        record: what makes a graph of a function.
    """
    if operators:
        return OPERATORS, (DataParallel if setting.devices > 1 else Kernels)(setting, weights)
    if setting.device == "cpu":
        return OPERATIONS, Operations(setting, weights)
    reason = fused.unusable(setting)
    if reason is None:
        return TRITON, Captured(Fused(setting, weights), record)
    use.warn(reason, fused.SWITCH, "torch", OPERATIONS)
    return GRAPH, Captured(Operations(setting, weights), record)
