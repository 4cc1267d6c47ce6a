"""Floats as Go's strconv writes them: the fewest digits that give the same number again."""

from __future__ import annotations

from decimal import Decimal


def decimal(value: float, *, lowest: int, highest: int, exponent_digits: int) -> str:
    """Return a number, with an exponent of so many digits at least if it would be under `lowest`, or `highest` or more."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    written = "".join(map(str, digits))
    point = len(written) + int(exponent)
    minus = "-" if sign else ""
    if value and not lowest <= point - 1 < highest:
        mantissa = f"{written[0]}.{written[1:]}" if len(written) > 1 else written
        return f"{minus}{mantissa}e{'-' if point < 1 else '+'}{abs(point - 1):0{exponent_digits}d}"
    if point <= 0:
        return f"{minus}0.{'0' * -point}{written}"
    if len(written) > point:
        return f"{minus}{written[:point]}.{written[point:]}"
    return f"{minus}{written}{'0' * (point - len(written))}"
