"""Records and journals of any content."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from dispatcher.domain.record import GENESIS, Record, Stamp, seal

# What could be taken for the frame of a record, among any text.
TEXT = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    st.sampled_from(['","crc":"00000000"}', '"}\n{"seq":1', "\n", '\\"', "}", "\x00", "\u2028"]),
)
VALUES = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), TEXT, st.lists(TEXT, max_size=3))


def events() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return a strategy for the events of one record."""
    event = st.dictionaries(TEXT, VALUES, max_size=4).map(lambda fields: {"type": "noted", **fields})
    return st.lists(event, min_size=1, max_size=3)


@st.composite
def _sealed(draw: st.DrawFn) -> tuple[Record, bytes]:
    stamp = Stamp(draw(TEXT), draw(TEXT), draw(TEXT))
    return seal(draw(st.integers(1, 2**40)), draw(TEXT), draw(st.integers(1, 2**40)), stamp, draw(events()))


RECORDS = _sealed()
"""A record and its line, newline included."""


# A few will do where it is their number and order that matters: many draws make an example slow.
_CONTENTS: list[list[dict[str, Any]]] = [
    [{"type": "noted"}],
    [{"type": "noted", "text": 'é🙂","crc":"00000000"}\n{"seq":1'}],
    [{"type": "noted", "text": "x" * 90}, {"type": "noted", "crc": "00000000"}],
]


@st.composite
def journals(draw: st.DrawFn, *, min_size: int = 0) -> tuple[list[Record], list[bytes]]:
    """Return the records and the lines of a sound journal, whose first record is the first or a checkpoint."""
    previous = GENESIS
    records: list[Record] = []
    lines: list[bytes] = []
    first = draw(st.sampled_from([1, 40]))
    contents = draw(st.lists(st.sampled_from(_CONTENTS), min_size=min_size, max_size=7))
    for number, said in enumerate(contents):
        if first > 1 and not number:
            previous, said = "01234567", [{"type": "checkpoint"}, *said]  # noqa: PLW2901 - the first one differs
        record, line = seal(first + number, previous, 1, Stamp("add", "ann", "2027"), said)
        records.append(record)
        lines.append(line)
        previous = record.crc
    return records, lines
