"""Names."""

from shop.text import shorten, slug


def test_slug_drops_what_file_names_cannot_hold():
    assert slug("  Miller & Sons  ") == "miller-sons"


def test_short_names_stay():
    assert shorten("Green Tea", width=9) == "Green Tea"
