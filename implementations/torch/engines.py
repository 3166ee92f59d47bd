"""Which engine computes: the one place that says so."""

from typing import Any

from implementations import checks
from implementations.interface import Setting
from implementations.torch.cpp import data_parallel, extension
from implementations.torch.cpp.data_parallel import DataParallelEngine
from implementations.torch.cpp.engine import CppEngine
from implementations.torch.cuda_graph import Recorded, Recorder, cuda_graph
from implementations.torch.loop.engine import LoopEngine
from implementations.torch.triton import engine as triton_engine
from implementations.torch.triton.engine import TritonEngine
from implementations.torch.weights import Tensors
from implementations.triton import choices, use

CPP = "C++ operators"
LOOP = "torch operations"
TRITON = "Triton kernels"
GRAPH = "torch operations in a CUDA graph"


def engine(setting: Setting, weights: Tensors, *, record: Recorder = cuda_graph) -> tuple[str, Any]:
    """Its name and the engine itself.

    - On the CPU: the C++ operators; torch operations where there is no compiler, with a warning.
    - On other devices: the Triton kernels, for sizes that implementations/triton/sizes.py does not refuse;
      torch operations where it does and where there is no Triton, with a warning. Both are recorded as CUDA
      graphs, the kernels by choice.

    Args:
        setting: of the learner.
        weights: by name, on its device.
        record: what makes a graph of a function.

    Raises:
        InvalidArgument: (a ValueError) for several devices that are not there, or can't be used.
    """
    if setting.device == "cpu" and extension.usable():
        if setting.devices == 1:
            return CPP, CppEngine(setting, weights)
        data_parallel.check(setting)
        return CPP, DataParallelEngine(setting, weights)
    if setting.devices > 1:
        checks.fail("devices", setting.devices, "1 where PyTorch runs without its C++ operators on the CPU")
    if setting.device == "cpu":
        return LOOP, LoopEngine(setting, weights)
    reason = triton_engine.unusable(setting)
    if reason is None:
        found = TritonEngine(setting, weights)
        return TRITON, Recorded(found, record) if choices.IN_FORCE.now().graph else found
    use.warn(reason, triton_engine.SWITCH, "torch", LOOP)
    return GRAPH, Recorded(LoopEngine(setting, weights), record)
