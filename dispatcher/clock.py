"""The machine's clocks."""

from __future__ import annotations

import time

from dispatcher.domain.moment import Moment

_LINUX_BOOT_ID = "/proc/sys/kernel/random/boot_id"


def now() -> Moment:
    """Return the present moment on this machine.

    The boot clock is CLOCK_BOOTTIME on Linux; on macOS CLOCK_MONOTONIC, which runs on in sleep there too.
    """
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Moment(time.time_ns() // 1_000_000, _boot_id(), time.clock_gettime(clock))


def _boot_id() -> str:
    try:
        with open(_LINUX_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        import subprocess

        session = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        return subprocess.run(session, capture_output=True, text=True, check=False).stdout.strip()
