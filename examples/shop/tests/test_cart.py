"""The cart, and three for two."""

import pytest
from shop.cart import Cart, bundle_price


@pytest.fixture
def cart():
    cart = Cart()
    cart.add("tea", 2)
    cart.add("mug")
    return cart


def test_third_one_is_free():
    assert bundle_price(250, 3) == 500


def test_two_free_in_six():
    result = bundle_price(120, 6)
    assert result == 480


def test_two_cost_two():
    assert bundle_price(250, 2) == 500


def test_four_cost_three():
    assert bundle_price(250, 4) == 750


def test_removing_the_last_piece(cart):
    cart.remove("mug")
    assert "mug" not in cart.counts


def test_total(cart):
    assert cart.total({"tea": 500, "mug": 800}) == 1800


def test_nothing_cannot_be_added(cart):
    with pytest.raises(ValueError, match="at least one"):
        cart.add("pot", 0)
