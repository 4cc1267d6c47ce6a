"""A record's line: what was sealed comes back, and no changed line is taken for one."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from dispatcher.domain.record import Record, Stamp, seal, unseal
from tests.property.journals import RECORDS, events
from tests.property.world import examples

SAMPLE = seal(
    7, "89abcdef", 3, Stamp("claim", "ann", "2027-01-15T08:00:00.000Z"),
    [{"type": "task_claimed", "task": "parse-1a2b3c4d", "agent": "ann", "generation": 2, "said": 'quote " and é🙂'}],
)  # fmt: skip


@examples(100)
@given(RECORDS)
def test_what_is_sealed_is_unsealed_as_it_was(sealed: tuple[Record, bytes]) -> None:
    record, line = sealed
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert unseal(line[:-1]) == record


def test_every_flipped_bit_shows() -> None:
    line = SAMPLE[1][:-1]
    for at in range(len(line)):
        for bit in range(8):
            changed = bytearray(line)
            changed[at] ^= 1 << bit
            assert unseal(bytes(changed)) is None, (at, bit)


def test_every_other_byte_in_every_place_shows() -> None:
    line = SAMPLE[1][:-1]
    for at in range(len(line)):
        for byte in range(0, 256, 5):
            if byte != line[at]:
                assert unseal(line[:at] + bytes([byte]) + line[at + 1 :]) is None, (at, byte)


def test_every_cut_shows() -> None:
    line = SAMPLE[1][:-1]
    for at in range(len(line)):
        assert unseal(line[:at]) is None, at
        assert unseal(line[at + 1 :]) is None, at
    assert unseal(SAMPLE[1]) is None, "a newline is no part of the line"


@examples(100)
@given(RECORDS, st.integers(0), st.integers(1, 40), st.binary(max_size=40))
def test_every_stretch_of_other_bytes_shows(sealed: tuple[Record, bytes], at: int, length: int, other: bytes) -> None:
    line = sealed[1][:-1]
    at %= len(line)
    changed = line[:at] + other + line[at + length :]
    assume(changed != line)
    assert unseal(changed) is None


@examples(100)
@given(st.one_of(st.binary(max_size=200), st.binary(max_size=60).map(lambda b: b + b',"crc":"00000000"}')))
def test_foreign_bytes_are_no_record(data: bytes) -> None:
    assert unseal(data) is None


@examples(100)
@given(events(), st.integers(1, 9), st.integers(1, 9))
def test_every_field_is_under_the_checksum(said: list[dict[str, object]], seq: int, n: int) -> None:
    """A record in another place of the history has another checksum."""
    stamp = Stamp("add", "ann", "2027-01-15T08:00:00.000Z")
    first, _ = seal(seq, "00000000", n, stamp, said)
    others = [
        seal(seq + 1, "00000000", n, stamp, said),
        seal(seq, "00000001", n, stamp, said),
        seal(seq, "00000000", n + 1, stamp, said),
        seal(seq, "00000000", n, stamp, [*said, {}]),
        *(seal(seq, "00000000", n, stamp._replace(**{field: "x"}), said) for field in Stamp._fields),
    ]
    assert first.crc not in {record.crc for record, _ in others}
