"""Task ids and claim tokens: minting, reading, finding by prefix."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

from dispatcher.errors import AmbiguousTask, InvalidInput, UnknownTask

MAX_ID = 64
_SLUG_LENGTH = 30
_DIGEST_LENGTH = 8
_ID = r"[a-z0-9][a-z0-9._-]{0,63}"
_CLAIM = r"(?P<id>[^@]+)@(?P<generation>[0-9]{1,9})"
_NEAR_POOL = 5000


class Token(NamedTuple):
    """A claim as its holder names it: `<id>@<generation>`."""

    task: str
    generation: int

    def __str__(self) -> str:
        return f"{self.task}@{self.generation}"


def mint(title: str, seed: str, taken: Collection[str]) -> str:
    """Return a new id: a readable slug of the title and a digest of `seed`, longer if that is taken."""
    import hashlib

    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")
    slug = words[:_SLUG_LENGTH].rstrip("-") or "task"
    if len(words) > _SLUG_LENGTH and "-" not in words[_SLUG_LENGTH - 1 : _SLUG_LENGTH + 1] and "-" in slug[10:]:
        slug = slug[: slug.rindex("-")]  # rather a word less than half a word
    digest = hashlib.sha256(seed.encode()).hexdigest()
    for length in range(_DIGEST_LENGTH, MAX_ID - _SLUG_LENGTH):
        if (minted := f"{slug}-{digest[:length]}") not in taken:
            return minted
    raise InvalidInput(what="title", problem="no free id is left for it")


def parse_token(text: str) -> Token:
    """Read a claim token. Raises InvalidInput."""
    match = re.fullmatch(_CLAIM, text.strip())
    if not match or not is_id(match["id"]):
        raise InvalidInput(what=f"claim '{text}'", problem="must look like <id>@<generation>, as 'claim' printed it")
    return Token(match["id"], int(match["generation"]))


def is_id(text: str) -> bool:
    """Tell whether `text` has the form of an id: it is then safe as a file name too."""
    return re.fullmatch(_ID, text) is not None


def looks_whole(text: str) -> bool:
    """Tell whether `text` ends as minted ids do."""
    return re.search(rf"-[0-9a-f]{{{_DIGEST_LENGTH}}}$", text) is not None


def find(given: str, ids: Collection[str]) -> str:
    """Return the one id that is `given` or begins with it. Raises UnknownTask or AmbiguousTask."""
    wanted = given.strip().lower()
    if wanted in ids:
        return wanted
    if not is_id(wanted):
        raise UnknownTask(given=given, near=" (an id has only a-z, 0-9, '.', '_' and '-')")
    matches = [i for i in ids if i.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    if matches:
        shown = ", ".join(matches[:5]) + (", …" if len(matches) > 5 else "")
        raise AmbiguousTask(given=given, count=len(matches), matches=shown)
    raise UnknownTask(given=given, near=near(wanted, ids))


def near(wanted: str, ids: Iterable[str]) -> str:
    """Return "; did you mean …" for the ids most like `wanted`, or an empty string."""
    import difflib

    pool = list(ids)
    close = [i for i in pool if len(wanted) >= 3 and wanted in i][:3]
    close = close or difflib.get_close_matches(wanted, pool[-_NEAR_POOL:], n=3, cutoff=0.6)
    if not close:
        heads = {i[: len(wanted)]: i for i in pool[-_NEAR_POOL:]}
        close = [heads[h] for h in difflib.get_close_matches(wanted, list(heads), n=3, cutoff=0.6)]
    return f"; did you mean {' or '.join(close)}?" if close else ""
