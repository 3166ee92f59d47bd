"""Products in the precision of their dtype, whatever the caller has set for others."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch


@contextmanager
def exact(tensor_or_device: torch.Tensor | torch.device) -> Iterator[None]:
    """Inside, torch's products on a device are neither cast (autocast) nor done with fewer bits of mantissa.

    Else there are 8 or 10 of them, and other spikes. Autocast is a setting of the thread, the precision of
    float32 products one of the process; both are what they were at the end.
    """
    is_tensor = isinstance(tensor_or_device, torch.Tensor)
    kind = torch.device(tensor_or_device.device if is_tensor else tensor_or_device).type
    cast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    with torch.autocast(kind, enabled=False) if cast else nullcontext(), _full_precision(kind):
        yield


@contextmanager
def _full_precision(kind: str) -> Iterator[None]:
    backend = getattr(torch.backends, "mkldnn" if kind == "cpu" else kind, None)
    products: Any = getattr(backend, "matmul", None)
    if not hasattr(products, "fp32_precision"):  # before PyTorch 2.9: one setting for all devices
        before = torch.get_float32_matmul_precision()
        if before == "highest":
            yield
            return
        torch.set_float32_matmul_precision("highest")
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before)
        return
    before = products.fp32_precision
    if before in ("none", "ieee"):
        yield
        return
    products.fp32_precision = "ieee"
    try:
        yield
    finally:
        products.fp32_precision = "none"  # as what is set for all backends says
        if products.fp32_precision != before:
            products.fp32_precision = before
