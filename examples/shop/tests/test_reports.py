"""The Sunday evening report."""

from shop.orders import Line, Order
from shop.reports import headline, margins, worst_order


def test_headline(week):
    assert headline(week) == "2 orders, 48.00 in the till"


def test_margins(week):
    assert margins(week) == {1: 43, 2: 10}


def test_a_gift_earns_nothing(week):
    week.append(Order(3, [Line("tea", 1, 0, 300)]))
    assert margins(week)[3] == 0


def test_worst_order(week):
    assert worst_order(week) == 2


def test_worst_order_of_a_week_with_a_gift(week):
    gift = Order(3, [Line("mug", 1, 0, 400)])
    assert worst_order([gift, *week]) == 3
