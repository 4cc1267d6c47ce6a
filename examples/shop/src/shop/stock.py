"""What is on the shelves."""

from __future__ import annotations

import csv
from pathlib import Path


class OutOfStockError(Exception):
    """There are fewer pieces on the shelf than were asked for."""


class Stock:
    """Pieces on the shelf, by article."""

    def __init__(self, counts: dict[str, int]) -> None:
        """Take over what was counted."""
        self.counts = dict(counts)

    def available(self, sku: str) -> int:
        """Say how many pieces there are; none of an article never heard of."""
        return self.counts.get(sku, 0)

    def take(self, sku: str, count: int = 1) -> None:
        """Take pieces off the shelf."""
        if self.available(sku) < count:
            raise OutOfStockError(f"{sku}: {self.available(sku)} left, {count} wanted")
        self.counts[sku] -= count

    def low(self, limit: int = 5) -> list[str]:
        """List the articles with fewer than ``limit`` pieces."""
        return sorted(sku for sku, count in self.counts.items() if count < limit)


def load_stock(path: Path) -> Stock:
    """Read the stock list that the scales write, with the columns sku, quantity and shelf."""
    with path.open(encoding="utf-8", newline="") as rows:
        return Stock({row["sku"]: int(row["count"]) for row in csv.DictReader(rows)})
