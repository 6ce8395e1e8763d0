"""What the computer is: asked of the system, nothing is measured."""

import ctypes
import os
import platform
import struct
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from transcriber.core.diagnosis import Machine

_X86 = {"x86_64", "amd64", "i386", "i686", "x86"}
_PF_AVX2 = 40
"""PF_AVX2_INSTRUCTIONS_AVAILABLE, winnt.h."""


def probe_machine() -> Machine:
    """Return what the system says."""
    memory = psutil.virtual_memory()
    return Machine(
        system=platform.platform(),
        build=sys.getwindowsversion().build if sys.platform == "win32" else None,
        python=f"{platform.python_implementation()} {platform.python_version()}",
        bits=8 * struct.calcsize("P"),
        architecture=platform.machine(),
        avx2=has_avx2(),
        cores=os.process_cpu_count() or 1,
        memory=memory.total,
        memory_free=memory.available,
    )


def has_avx2() -> bool | None:
    """Tell whether the processor has AVX2; None if it is of another family, or nobody says."""
    if platform.machine().lower() not in _X86:
        return None
    with suppress(OSError, subprocess.SubprocessError):
        if sys.platform == "win32":
            return bool(ctypes.windll.kernel32.IsProcessorFeaturePresent(_PF_AVX2))
        if sys.platform == "darwin":
            asked = ["/usr/sbin/sysctl", "-n", "hw.optional.avx2_0"]
            return subprocess.run(asked, capture_output=True, check=True, timeout=5).stdout.strip() == b"1"  # noqa: S603 - nothing of it is given
        return "avx2" in Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    return None
