"""Reading a damaged journal: never a record that was not written, and torn tails told from damage."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from dispatcher.domain.record import Record, Stamp, seal
from dispatcher.store.journal import Segment, parse
from tests.property.journals import journals
from tests.property.world import examples

Journal = tuple[list[Record], list[bytes]]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[list[Record], list[bytes], bytes]:
    """Return a journal's records and lines, and its bytes after up to three accidents."""
    records, lines = draw(journals(min_size=1))
    data = b"".join(lines)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        to = at + draw(st.sampled_from([1, 2, 30, 200]))
        match draw(st.sampled_from(["flip", "cut", "remove", "insert", "zero", "repeat", "swap"])):
            case "flip" if data:
                data = data[:at] + bytes([data[at] ^ (1 << draw(st.integers(0, 7)))]) + data[at + 1 :]
            case "cut":
                data = data[:at]
            case "remove":
                data = data[:at] + data[to:]
            case "insert":
                data = data[:at] + draw(st.one_of(st.binary(max_size=20), st.sampled_from(lines))) + data[at:]
            case "zero":
                data = data[:at] + bytes(len(data[at:to])) + data[to:]
            case "repeat":
                data = data[:to] + data[at:]
            case "swap":
                kept = data.split(b"\n")
                one, other = draw(st.integers(0, len(kept) - 1)), draw(st.integers(0, len(kept) - 1))
                kept[one], kept[other] = kept[other], kept[one]
                data = b"\n".join(kept)
    return records, lines, data


def sound_lines(lines: list[bytes], data: bytes) -> int:
    """Return how many of a journal's lines its bytes still begin with."""
    number = 0
    while number < len(lines) and data.startswith(b"".join(lines[: number + 1])):
        number += 1
    return number


@examples(100)
@given(journals())
def test_a_sound_journal_is_read_whole(journal: Journal) -> None:
    records, lines = journal
    data = b"".join(lines)
    assert parse(data) == Segment(records, len(data), b"", None, [])


@examples(100)
@given(journals(min_size=2), st.integers(0))
def test_the_rest_of_a_journal_follows_the_record_before_it(journal: Journal, at: int) -> None:
    records, lines = journal
    at = 1 + at % (len(records) - 1)
    rest = b"".join(lines[at:])
    assert parse(rest, records[at - 1]) == Segment(records[at:], len(rest), b"", None, [])
    assert parse(rest).damage, "it is no whole segment"
    if at > 1:
        assert parse(rest, records[at - 2]).damage, "a record is missing before it"


@examples(200)
@given(damaged())
def test_no_accident_makes_a_record_that_was_not_written(accident: tuple[list[Record], list[bytes], bytes]) -> None:
    """What is read is what the bytes still begin with, no more and no less; what is salvaged was written too."""
    records, lines, data = accident
    found = parse(data)
    sound = sound_lines(lines, data)
    assert found.records == records[:sound]
    assert found.size == sum(map(len, lines[:sound]))
    assert all(record in records for record in found.salvaged)


@examples(200)
@given(damaged())
def test_it_is_damage_exactly_when_a_good_record_follows_the_first_bad_line(
    accident: tuple[list[Record], list[bytes], bytes],
) -> None:
    """Otherwise it can be an append that was cut short, and what is left over is the tail."""
    records, lines, data = accident
    found = parse(data)
    rest = data[found.size :]
    whole = {line[:-1]: record for line, record in zip(lines, records, strict=True)}
    good = [whole[line] for line in rest.split(b"\n")[:-1] if line in whole]
    assert found.salvaged == good
    if good:
        assert found.damage
        assert found.damage.line == len(found.records) + 1
        assert f"line {found.damage.line} " in found.damage.problem
        assert found.tail == b""
    else:
        assert found.damage is None
        assert found.tail == rest


@examples(100)
@given(journals(min_size=1), st.integers(0))
def test_an_append_cut_short_anywhere_is_a_tail(journal: Journal, at: int) -> None:
    records, lines = journal
    at %= len(lines[-1])
    found = parse(b"".join(lines[:-1]) + lines[-1][:at])
    assert found == Segment(records[:-1], sum(map(len, lines[:-1])), lines[-1][:at], None, [])


@examples(100)
@given(journals(min_size=3), st.integers(0), st.integers(0), st.integers(0, 7))
def test_a_flipped_bit_costs_no_good_record_behind_it(journal: Journal, where: int, at: int, bit: int) -> None:
    """Only the record it hits is lost; with its newline, the next one as well."""
    records, lines = journal
    hit = where % (len(lines) - 2)
    at %= len(lines[hit])
    line = lines[hit][:at] + bytes([lines[hit][at] ^ (1 << bit)]) + lines[hit][at + 1 :]
    found = parse(b"".join([*lines[:hit], line, *lines[hit + 1 :]]))
    lost = 2 if at == len(lines[hit]) - 1 else 1
    assert found.records == records[:hit]
    assert found.damage
    assert found.damage.line == hit + 1
    assert found.salvaged == records[hit + lost :]


@examples(60)
@given(journals(min_size=1), st.integers(2, 5))
def test_a_number_left_out_shows_though_the_link_is_right(journal: Journal, step: int) -> None:
    records, lines = journal
    stamp = Stamp("add", "ann", "2027")
    _, line = seal(records[-1].seq + step, records[-1].crc, 2, stamp, [{"type": "noted"}])
    found = parse(b"".join([*lines, line]))
    assert found.records == records
    assert found.damage
    assert f"{records[-1].seq + 1} was to follow" in found.damage.problem


@examples(60)
@given(journals(min_size=2), st.integers(0))
def test_a_record_of_another_history_does_not_fit(journal: Journal, at: int) -> None:
    """It may be whole and rightly numbered: the link to the one before shows that it is foreign."""
    records, lines = journal
    at = 1 + at % (len(records) - 1)
    stamp = Stamp("add", "bob", "2027")
    other, _ = seal(records[at - 1].seq, "abcdef01", 1, stamp, [{"type": "other"}])
    assume(other.crc != records[at - 1].crc)
    foreign, line = seal(records[at].seq, other.crc, 2, stamp, [{"type": "other"}])
    found = parse(b"".join([*lines[:at], line, *lines[at + 1 :]]))
    assert found.records == records[:at]
    assert found.damage
    assert found.salvaged[0] == foreign
