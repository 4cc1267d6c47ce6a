"""Prices are whole cents, so that sums are exact."""

from __future__ import annotations


def parse_price(text: str) -> int:
    """Read a price such as ``12``, ``12.5`` or ``1,299.00`` into cents."""
    whole, _, cents = text.strip().replace(",", "").partition(".")
    if not whole.isdigit() or len(cents) > 2:
        raise ValueError(f"not a price: {text!r}")
    return int(whole) * 100 + int(cents.zfill(2))


def format_price(cents: int) -> str:
    """Write cents the way a price tag shows them.

    >>> format_price(129905)
    '1,299.05'
    """
    sign = "-" if cents < 0 else ""
    whole, rest = divmod(abs(cents), 100)
    return f"{sign}{whole:,}.{rest:02d}"


def add_vat(net: int, rate: int = 20) -> int:
    """Add value added tax of ``rate`` percent, rounded half up."""
    return net + (net * rate + 50) // 100


def percent_of(part: int, whole: int) -> int:
    """Say how many percent of ``whole`` the ``part`` is; of nothing, anything is 0 percent."""
    if part == 0:
        return 0
    return round(100 * part / whole)
