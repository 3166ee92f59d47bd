"""What pytest prints first: which backends are tested, and why others are not."""

import implementations as impl


def pytest_report_header() -> list[str]:
    lines = []
    for backend in impl.BACKENDS:
        reason = impl.unavailable(backend)
        lines.append(f"backend {backend}: " + ("tested" if reason is None else f"not tested, {reason}"))
    return lines
