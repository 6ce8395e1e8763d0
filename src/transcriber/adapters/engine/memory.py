"""Memory of the process that asks."""

import sys

import psutil


def resident_set() -> tuple[int, int]:
    """Return the resident set of this process in bytes: now, and at its largest."""
    now = psutil.Process().memory_info()
    if sys.platform == "win32":
        return now.rss, now.peak_wset
    import resource  # noqa: PLC0415 - exists on POSIX alone

    unit = 1 if sys.platform == "darwin" else 1024
    return now.rss, max(now.rss, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
