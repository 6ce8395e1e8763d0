"""What psutil says about the machine, and about the processes of the program."""

import contextlib
import os

import psutil

from transcriber.core.snapshot import ProcessSnapshot

CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "acpitz")
"""Names under which Linux has the temperature of a processor, the most exact first."""


class ProcessProbe:
    """Reads what the operating system counts. Shares are since the call before, so the first says 0."""

    def __init__(self) -> None:
        self._known: dict[str, psutil.Process] = {}
        psutil.cpu_percent(percpu=True)  # the first call has nothing to compare with

    def cores(self) -> tuple[float, ...]:
        """Return how busy each core of the machine was since the last call, in per cent."""
        return tuple(psutil.cpu_percent(percpu=True))

    def temperature(self) -> float | None:
        """Return the temperature of the processor in degrees Celsius; None where no sensor can be read."""
        # Only Linux and FreeBSD have them; on a virtual machine there are none.
        read = getattr(psutil, "sensors_temperatures", None)
        if read is None:
            return None
        with contextlib.suppress(OSError):
            sensors = read()
            for name in CPU_SENSORS:
                if found := [sensor.current for sensor in sensors.get(name, ()) if sensor.current]:
                    return max(found)
        return None

    def process(self, name: str, pid: int | None = None) -> ProcessSnapshot | None:
        """Return how a process is, by default this one; None if it is not there, or no longer."""
        if pid is None:
            pid = os.getpid()
        try:
            process = self._known.get(name)
            if process is None or process.pid != pid:
                process = self._known[name] = psutil.Process(pid)
            with process.oneshot():
                memory = process.memory_info().rss
                return ProcessSnapshot(
                    name=name, pid=pid, cpu=process.cpu_percent(), memory=memory, priority=int(process.nice() or 0)
                )
        except psutil.Error:
            self._known.pop(name, None)
            return None
