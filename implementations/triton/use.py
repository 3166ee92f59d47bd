"""Whether the kernels can be used, for whichever framework launches them; asks Triton for its version."""

import os
import warnings
from importlib.util import find_spec

from implementations.triton.sizes import refused

OLDEST = (3, 5)  # of the versions of Triton that compile all kernels; PyTorch 2.9 brings it


def switched_off(switch: str) -> bool:
    """Whether somebody asked to do without the kernels; `switch` names an environment variable."""
    return os.environ.get(switch) == "0"


def unusable(switch: str, extra: str, packages: tuple[str, ...], n_rec: int) -> str | None:
    """Why the kernels are not used for a network of `n_rec` neurons; None where they are.

    Args:
        switch: as above.
        extra: of eprop-bench, that brings what is missing.
        packages: to be importable besides Triton.
    """
    if switched_off(switch):
        return f"{switch} is 0"
    for package in ("triton", *packages):
        if find_spec(package) is None:
            return f"{package} can't be imported: pip install 'eprop-bench[{extra}]'"
    import triton

    if tuple(map(int, triton.__version__.split(".")[:2])) < OLDEST:
        return f"triton is {triton.__version__}: install {'.'.join(map(str, OLDEST))} or newer"
    return refused(n_rec)


def warn(reason: str, switch: str, backend: str, instead: str) -> None:
    """Tell whoever asked for a learner what computes instead, unless they switched the kernels off."""
    if not switched_off(switch):
        warnings.warn(
            f"{reason}; the {backend} backend takes {instead} instead, for the same results in more time"
            f" ({switch}=0 asks for that, without this warning)",
            RuntimeWarning,
            stacklevel=5,
        )
