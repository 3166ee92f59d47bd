"""What pytest prints first: which backends are tested, and why others are not."""

from cases import LEFT_OUT

import implementations as impl


def pytest_report_header() -> list[str]:
    lines = []
    for backend in impl.BACKENDS:
        reason = impl.unavailable(backend)
        lines.append(f"backend {backend}: " + ("tested" if reason is None else f"not tested, {reason}"))
    lines += [f"not tested: {' '.join(case)}, {reason}" for case, reason in LEFT_OUT.items()]
    return lines
