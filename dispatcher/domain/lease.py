"""How long a claim holds, whatever happens to the clocks."""

from __future__ import annotations

from dispatcher.domain.moment import Moment, from_iso, to_iso
from dispatcher.domain.task import Lease


def grant(seconds: float, now: Moment) -> Lease:
    """Return a lease of `seconds` from now."""
    return {
        "seconds": seconds,
        "renewed_at": now.iso,
        "expires_at": to_iso(now.wall + round(seconds * 1000)),
        "boot_id": now.boot_id,
        "deadline": round(now.boot + seconds, 3),
    }


def remaining(lease: Lease, now: Moment) -> float:
    """Return the seconds a lease still has; zero or less when it has run out.

    In the boot that granted it the boot clock decides, so setting the clock changes nothing. After a
    reboot only the wall clock is left. If that stands so far before the grant that it cannot be right
    (by more than the lease itself), the lease counts as run out rather than as endless.
    """
    if lease["boot_id"] == now.boot_id:
        return lease["deadline"] - now.boot
    left = (from_iso(lease["expires_at"]) - now.wall) / 1000
    return left if left <= 2 * lease["seconds"] else 0.0


def lapsed(lease: Lease, now: Moment) -> bool:
    """Tell whether a lease has run out."""
    return remaining(lease, now) <= 0
