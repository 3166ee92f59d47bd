"""jax-triton, without what importing it does to the rest of the process."""

import os

_CACHE = "TRITON_CACHE_DIR"
_before = os.environ.get(_CACHE)
try:
    # sets the variable to "", with which PyTorch's kernels could not be compiled any more
    from jax_triton import triton_call
finally:
    if _before is None:
        os.environ.pop(_CACHE, None)
    else:
        os.environ[_CACHE] = _before

__all__ = ["triton_call"]
