"""A corner shop: prices, a cart, stock, orders, reports and exports."""

__version__ = "1.4.0"
