"""Files for the accountant."""

from __future__ import annotations

import csv
import io

from shop.orders import Order
from shop.prices import format_price
from shop.text import slugify


def file_name(customer: str, number: int) -> str:
    """Name the file of an order.

    >>> file_name("Miller & Sons", 7)
    'miller-sons-0007.csv'
    """
    return f"{slugify(customer)}-{number:04d}.csv"


def to_csv(order: Order) -> str:
    """Write an order as comma-separated values, one line a row."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(["sku", "count", "price"])
    for line in order.lines:
        rows.writerow([line.sku, line.count, format_price(line.price)])
    return out.getvalue()
