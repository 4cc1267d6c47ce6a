"""Files for the accountant."""

from shop.export import file_name, to_csv


def test_file_name():
    assert file_name("Ms. Å. Berg", 12) == "ms-berg-0012.csv"


def test_header_of_an_empty_order(week):
    week[0].lines.clear()
    assert to_csv(week[0]) == "sku,count,price\n"


def test_one_row_a_line(week):
    assert to_csv(week[0]).splitlines() == ["sku,count,price", "tea,4,5.00", "mug,1,8.00"]
