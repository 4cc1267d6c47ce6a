"""Prices in, prices out."""

import pytest
from shop.prices import add_vat, format_price, parse_price, percent_of


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ("12", 1200),
        ("0.99", 99),
        ("7.05", 705),
        ("1,299.00", 129900),
        ("0.5", 50),
        ("3.5", 350),
        ("12.1", 1210),
        ("80.9", 8090),
        (" 4.2 ", 420),
        ("1,000.3", 100030),
    ],
)
def test_parse_price(text, cents):
    assert parse_price(text) == cents


@pytest.mark.parametrize("text", ["free", "1.234"])
def test_parse_price_refuses(text):
    with pytest.raises(ValueError, match="not a price"):
        parse_price(text)


def test_format_price():
    assert format_price(1250) == "12.50"


def test_format_price_of_a_refund():
    assert format_price(-5) == "-0.05"


def test_vat_is_rounded_half_up():
    assert add_vat(1003) == 1204
    assert add_vat(50, rate=7) == 54


def test_percent():
    assert percent_of(30, 120) == 25


def test_percent_of_nothing_sold():
    assert percent_of(0, 120) == 0
