"""What the tests share."""

from pathlib import Path

import pytest
from shop.orders import Line, Order
from shop.stock import load_stock


@pytest.fixture
def shelves():
    """The stock list as the scales wrote it."""
    return load_stock(Path(__file__).parent / "data" / "stock.csv")


@pytest.fixture
def week():
    """Two ordinary orders."""
    return [
        Order(1, [Line("tea", 4, 500, 300), Line("mug", 1, 800, 400)]),
        Order(2, [Line("pot", 1, 2000, 1800)]),
    ]
