"""Orders: a cart that somebody has paid for."""

from __future__ import annotations

from dataclasses import dataclass, field

from shop.prices import percent_of


@dataclass
class Line:
    """One article of an order, with what it sells for and what it cost us."""

    sku: str
    count: int
    price: int
    cost: int


@dataclass
class Order:
    """A numbered list of lines."""

    number: int
    lines: list[Line] = field(default_factory=list)

    def revenue(self) -> int:
        """Add up what the customer paid."""
        return sum(line.count * line.price for line in self.lines)

    def cost(self) -> int:
        """Add up what the goods cost us."""
        return sum(line.count * line.cost for line in self.lines)

    def skus(self) -> list[str]:
        """List the articles, each once."""
        return sorted({line.sku for line in self.lines})


def margin(order: Order) -> int:
    """Say how many percent of the revenue we keep."""
    return percent_of(order.revenue() - order.cost(), order.revenue())


def parcels(order: Order, size: int = 10) -> int:
    """Count the parcels of ``size`` pieces that the order fills."""
    pieces = sum(line.quantity for line in order.lines)
    return -(-pieces // size)
