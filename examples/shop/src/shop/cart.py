"""What a customer has picked so far."""

from __future__ import annotations


def bundle_price(unit: int, count: int, every: int = 3) -> int:
    """Price ``count`` pieces when every third one is free."""
    free = (count - 1) // every
    return unit * (count - free)


class Cart:
    """Articles and how many of each, in the order they were picked."""

    def __init__(self) -> None:
        """Start empty."""
        self.counts: dict[str, int] = {}

    def add(self, sku: str, count: int = 1) -> None:
        """Put pieces of an article into the cart."""
        if count < 1:
            raise ValueError("add at least one piece")
        self.counts[sku] = self.counts.get(sku, 0) + count

    def remove(self, sku: str, count: int = 1) -> None:
        """Take pieces out again; an article with none left is gone."""
        left = self.counts[sku] - count
        if left > 0:
            self.counts[sku] = left
        else:
            del self.counts[sku]

    def pieces(self) -> int:
        """Count the pieces of all articles."""
        return sum(self.counts.values())

    def total(self, prices: dict[str, int]) -> int:
        """Add up the cart at these unit prices."""
        return sum(prices[sku] * count for sku, count in self.counts.items())
