"""The memory meters against arrays of known size, in fresh processes as a measurement has."""

import subprocess
import sys
import textwrap
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from benchmarks.run import memory

ROOT = Path(__file__).parents[1]
MIB = 2**20

pytestmark = pytest.mark.skipif(memory.unavailable() is not None, reason=str(memory.unavailable()))


def measured(code: str) -> int:
    """What `code` prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.parametrize("mib", [16, 64, 256])
def test_an_array_shows_up_as_its_size(mib: int):
    growth = measured(
        f"""
        import numpy as np
        from benchmarks.run import memory
        print(memory.peak_growth_bytes(lambda: np.ones({mib} * 2**17).sum()))
        """
    )
    assert growth == pytest.approx(mib * MIB, rel=0.02)


def test_what_was_freed_before_and_memory_of_the_past_do_not_count():
    growth = measured(
        """
        import numpy as np
        from benchmarks.run import memory
        np.ones(2**27).sum()  # 1 GiB, gone
        kept = np.ones(2**25)  # 256 MiB, there before
        print(memory.peak_growth_bytes(lambda: np.ones(2**23).sum()))
        """
    )
    assert growth == pytest.approx(64 * MIB, rel=0.02)


def test_two_at_a_time_count_twice_and_one_after_the_other_once():
    code = """
        import numpy as np
        from benchmarks.run import memory

        def both():
            a, b = np.ones(2**23), np.ones(2**23)
            return a, b

        def in_turns():
            np.ones(2**23).sum()
            np.ones(2**23).sum()

        print(memory.peak_growth_bytes({name}))
        """
    assert measured(code.format(name="both")) == pytest.approx(128 * MIB, rel=0.02)
    assert measured(code.format(name="in_turns")) == pytest.approx(64 * MIB, rel=0.02)


def test_imports_do_not_count():
    growth = measured(
        """
        import numba, numpy, pandas, scipy.stats
        from benchmarks.run import memory
        print(memory.peak_growth_bytes(lambda: None))
        """
    )
    assert growth < MIB


def test_a_large_parent_process_does_not_count():
    ballast = np.ones(2**26)  # 512 MiB, which ru_maxrss of a child would inherit
    growth = measured(
        """
        import numpy as np
        from benchmarks.run import memory
        print(memory.peak_growth_bytes(lambda: np.ones(2**22).sum()))
        """
    )
    assert ballast.sum() == 2**26
    assert growth == pytest.approx(32 * MIB, rel=0.02)


class FakeCuda:
    """As much of torch.cuda as the meter calls: 5 bytes are held when it begins, and 12 at most."""

    held, most = 5, 100
    graphs: ClassVar[list[dict]] = []

    def is_initialized(self) -> bool:
        return True

    def reset_peak_memory_stats(self) -> None:
        self.most = self.held

    def memory_allocated(self) -> int:
        return self.held

    def max_memory_allocated(self) -> int:
        return self.most

    def memory_snapshot(self) -> list[dict]:
        shared = {"segment_pool_id": (0, 0), "total_size": 1000, "allocated_size": self.held}
        return [shared, *self.graphs]


def test_device_memory_is_the_growth_above_what_was_held(monkeypatch: pytest.MonkeyPatch):
    torch = type("torch", (), {"cuda": FakeCuda()})
    for name in ("torch", "jax"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert memory.device_peak_growth_bytes(lambda: setattr(torch.cuda, "most", 12)) == 7
    assert memory.device_peak_growth_bytes(lambda: None) == 0
    # a graph that was recorded after the meter was made works in memory that counts as free
    meter = memory.DevicePeak()
    monkeypatch.setattr(
        torch.cuda, "graphs", [{"segment_pool_id": (0, 1), "total_size": 64, "allocated_size": 4}]
    )
    assert meter.growth(lambda: None) == 60


def test_device_memory_of_jax_leaves_out_the_host(monkeypatch: pytest.MonkeyPatch):
    stats = {"bytes_in_use": 5, "peak_bytes_in_use": 6}
    gpu = type("gpu", (), {"platform": "gpu", "memory_stats": lambda: stats})
    host = type("host", (), {"platform": "cpu", "memory_stats": lambda: {"bytes_in_use": 1000}})
    jax = type("jax", (), {"local_devices": lambda: [gpu, host]})
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setitem(sys.modules, "jax", jax)
    assert memory.device_peak_growth_bytes(lambda: stats.update(peak_bytes_in_use=12)) == 7
