"""What the owner reads on Sunday evening."""

from __future__ import annotations

from shop.orders import Order, margin
from shop.prices import format_price
from shop.text import plural


def revenue(orders: list[Order]) -> int:
    """Add up the revenue of all orders."""
    return sum(order.revenue() for order in orders)


def margins(orders: list[Order]) -> dict[int, int]:
    """List the margin of each order by its number."""
    return {order.number: margin(order) for order in orders}


def worst_order(orders: list[Order]) -> int:
    """Find the number of the order that earned least for what it sold."""
    return min(orders, key=margin).number


def headline(orders: list[Order]) -> str:
    """Sum the week up in one line."""
    return f"{plural(len(orders), 'order')}, {format_price(revenue(orders))} in the till"
