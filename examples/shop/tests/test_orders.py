"""Orders, in the older style of this suite."""

import unittest

from shop.orders import Line, Order, margin, parcels


class OrderTest(unittest.TestCase):
    def setUp(self):
        self.order = Order(7, [Line("tea", 4, 500, 300), Line("mug", 2, 800, 400)])

    def test_revenue(self):
        self.assertEqual(self.order.revenue(), 3600)

    def test_margin(self):
        self.assertEqual(margin(self.order), 44)

    def test_skus(self):
        self.assertEqual(self.order.skus(), ["mug", "tea"])

    def test_small_orders_fit_one_parcel(self):
        self.assertEqual(parcels(self.order), 1)

    def test_the_last_parcel_may_be_half_full(self):
        self.order.lines.append(Line("pot", 9, 2000, 1800))
        count = parcels(self.order, size=6)
        self.assertEqual(count, 3)
