"""Ids and claim tokens: what is minted is valid and new, what is typed finds the one it means."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.domain import ids
from dispatcher.domain.ids import Token
from dispatcher.errors import AmbiguousTask, InvalidInput, UnknownTask
from tests.property.world import examples

VALID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
TITLES = st.text(st.characters(exclude_categories=["Cs"]), max_size=120) | st.text("abc XY-", min_size=20, max_size=200)
IDS = st.from_regex(VALID, fullmatch=True)
CLOSE_IDS = st.lists(
    st.text("ab-", min_size=1, max_size=6).filter(VALID.fullmatch), min_size=1, max_size=12, unique=True
)


@examples(200)
@given(TITLES, TITLES)
def test_what_is_minted_is_an_id_and_readable(title: str, seed: str) -> None:
    minted = ids.mint(title, seed, set())
    assert VALID.fullmatch(minted)
    assert ids.is_id(minted)
    assert minted == ids.mint(title, seed, set()), "the same input gives the same id (ST11)"
    words = re.findall(r"[a-z0-9]+", title.lower())
    assert minted.startswith(words[0][:20] if words else "task-")


@examples(100)
@given(TITLES, TITLES, TITLES)
def test_titles_alike_are_told_apart_by_their_seed(title: str, seed: str, other: str) -> None:
    assert (ids.mint(title, seed, set()) == ids.mint(title, other, set())) is (seed == other)


@examples(100)
@given(TITLES, TITLES)
def test_a_taken_id_is_not_minted_again(title: str, seed: str) -> None:
    taken: set[str] = set()
    for _ in range(6):
        minted = ids.mint(title, seed, taken)
        assert VALID.fullmatch(minted)
        assert minted not in taken
        taken.add(minted)


@examples(200)
@given(CLOSE_IDS, st.data())
def test_every_prefix_finds_exactly_what_begins_with_it(known: list[str], data: st.DataObject) -> None:
    meant = data.draw(st.sampled_from(known))
    given_ = meant[: data.draw(st.integers(1, len(meant)))]
    fitting = [i for i in known if i.startswith(given_)]
    if given_ in known or len(fitting) == 1:
        assert ids.find(given_, known) == (given_ if given_ in known else meant)
        assert ids.find(f" {given_.upper()} ", known) == ids.find(given_, known)
    else:
        with pytest.raises(AmbiguousTask, match=f"fits {len(fitting)} tasks"):
            ids.find(given_, known)


@examples(200)
@given(st.text(), CLOSE_IDS)
def test_what_fits_no_id_is_told_as_unknown(typed: str, known: list[str]) -> None:
    wanted = typed.strip().lower()
    if not wanted or not any(i.startswith(wanted) for i in known):
        with pytest.raises(UnknownTask):
            ids.find(typed, known)


@examples(200)
@given(st.text(max_size=80))
def test_an_id_is_safe_as_a_file_name(name: str) -> None:
    if ids.is_id(name):
        assert VALID.fullmatch(name)
        assert name not in (".", "..")
        assert not set(name) & set("/\\\0 \n")
    for bad in (f"{name}/", f"../{name}", f"{name}\n", f"{name}\0"):
        assert not ids.is_id(bad)


@pytest.mark.parametrize("name", ["", ".", "..", ".a", "-a", "_a", "A", "a b", "a/b", "a\n", "é", "x" * 65])
def test_these_are_no_ids(name: str) -> None:
    assert not ids.is_id(name)


@examples(200)
@given(IDS, st.integers(0, 999_999_999))
def test_a_token_is_read_as_it_was_written(task: str, generation: int) -> None:
    token = Token(task, generation)
    assert ids.parse_token(str(token)) == ids.parse_token(f" {token}\n") == token


@examples(200)
@given(st.text(st.sampled_from("ab@@.-/12 \n٣"), max_size=12))
def test_what_is_no_token_is_refused(typed: str) -> None:
    form = re.fullmatch(r"([a-z0-9][a-z0-9._-]{0,63})@([0-9]{1,9})", typed.strip())
    if form:
        assert ids.parse_token(typed) == Token(form[1], int(form[2]))
    else:
        with pytest.raises(InvalidInput):
            ids.parse_token(typed)


@examples(100)
@given(st.lists(IDS, min_size=1, max_size=9, unique=True), st.data())
def test_near_names_only_ids_there_are(known: list[str], data: st.DataObject) -> None:
    typed = data.draw(st.one_of(st.text(max_size=9), st.sampled_from(known).map(lambda i: i[1:] + "x")))
    said = ids.near(typed, known)
    if said:
        named = said.removeprefix("; did you mean ").removesuffix("?").split(" or ")
        assert 1 <= len(named) <= 3
        assert set(named) <= set(known)
