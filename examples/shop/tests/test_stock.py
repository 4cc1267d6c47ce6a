"""The shelves."""

import pytest
from shop.stock import OutOfStockError, Stock


def test_scales_know_the_tea(shelves):
    assert shelves.available("tea") == 12


def test_scales_tell_what_is_low(shelves):
    assert shelves.low() == ["mug", "pot"]


def test_taking():
    stock = Stock({"tea": 2})
    stock.take("tea")
    assert stock.available("tea") == 1


def test_taking_too_many():
    stock = Stock({"tea": 2})
    with pytest.raises(OutOfStockError, match="2 left, 3 wanted"):
        stock.take("tea", 3)


def test_unknown_articles_are_not_there():
    assert Stock({}).available("gold") == 0
