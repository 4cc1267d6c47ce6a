"""Which failures have one cause: the key that they share, and the sentence that says so. Pure and deterministic."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from dispatcher.domain.failure import Failure, file_of, function_of
from dispatcher.domain.fingerprint import mask
from dispatcher.domain.testcode import is_test_code

# Their messages name the thing in the code that is missing or wrong, wherever it is used.
NAMING = ("AttributeError", "NameError", "UnboundLocalError", "TypeError", "FixtureLookupError")
_ABOUT_DATA = re.compile(r"^'NoneType'|^can(?:'t|not) |unsupported operand|not (?:callable|iterable|subscriptable)")
_LONGEST = 160


class Cause(NamedTuple):
    """What failures of one task share. `because` completes "these tests are one task because …"."""

    key: tuple[str, ...]
    because: str


def cause_of(failure: Failure) -> Cause:
    """Return what a failure shares with others of the same root cause, as far as the failure itself tells."""
    for rule in _RULES:
        if found := rule(failure):
            return found
    test = function_of(failure["test"])
    return Cause(("test", failure["kind"], failure["exception"], test), f"they are cases of {test}")


def _missing_import(failure: Failure) -> Cause | None:
    if failure["kind"] != "import":
        return None
    said = imported_name(failure["message"])
    words = f"they all fail with {_short_type(failure)}: {_cut(said)}"
    return Cause(("import", failure["exception"], said), words)


def _unreadable_file(failure: Failure) -> Cause | None:
    place = failure["place"]
    if failure["kind"] != "syntax" or place is None:
        return None
    words = f"they all need {place['path']}, which cannot be read: {_short_type(failure)} in line {place['line']}"
    return Cause(("syntax", place["path"]), words)


def _name_in_code(failure: Failure) -> Cause | None:
    """Something that is missing, misspelt or called in the wrong way fails wherever it is used."""
    if _short_type(failure) not in NAMING or _ABOUT_DATA.search(failure["message"]):
        return None
    said = mask(failure["message"], keep_names=True)
    return Cause(("name", failure["exception"], said), f"they all fail with {_short_type(failure)}: {_cut(said)}")


def _given_nothing(failure: Failure) -> Cause | None:
    """A fixture that gives None fails in the tests' own statements."""
    place, given = failure["place"], failure.get("given")
    if failure["kind"] != "exception" or given is None or "'NoneType'" not in failure["message"]:
        return None
    if place is None or not is_test_code(place["path"]):
        return None
    words = f"they were all given None by {given['function']}() of {given['path']}"
    return Cause(("given", given["path"], given["function"]), words)


def _raised_in_source(failure: Failure) -> Cause | None:
    place = failure["place"]
    if place is None or is_test_code(place["path"]) or _is_example(failure):
        return None
    kind, where = _short_type(failure), f"{place['function']}() of {place['path']}"
    if place["function"] == "<module>":
        where = place["path"]
    key = ("raised", failure["exception"], place["path"], place["function"], mask(failure["message"]))
    return Cause(key, f"they all end with {kind} in {where}")


def _in_test_code(failure: Failure) -> Cause | None:
    """Something that tests share went wrong: a helper, a setUp."""
    place = failure["place"]
    if failure["kind"] != "exception" or place is None:
        return None
    if place["function"].rpartition(".")[2] == function_of(failure["test"]).rpartition("::")[2]:
        return None
    kind, where = _short_type(failure), f"{place['function']}() of {place['path']}"
    key = ("test code", failure["exception"], place["path"], place["function"], mask(failure["message"]))
    return Cause(key, f"they all end with {kind} in {where}")


def _in_a_fixture(failure: Failure) -> Cause | None:
    place = failure["place"]
    if failure["when"] not in ("setup", "teardown") or place is None:
        return None
    key = ("fixture", failure["when"], failure["exception"], place["path"], place["function"])
    words = f"they all fail in {failure['when']}, in {place['function']}() of {place['path']}"
    return Cause((*key, mask(failure["message"])), words)


def _about_one_function(failure: Failure) -> Cause | None:
    suspect = failure["suspect"]
    wanted = failure["kind"] == "assertion" or _in_own_statement(failure) or _is_example(failure)
    if not wanted or suspect is None or is_test_code(suspect["path"]):
        return None
    words = f"they all check what {suspect['function']}() of {suspect['path']} does"
    return Cause(("checks", suspect["path"], suspect["function"]), words)


def _in_own_statement(failure: Failure) -> bool:
    """Tell whether an exception comes from a statement of the test itself, which then is about what that calls."""
    place = failure["place"]
    return failure["kind"] == "exception" and place is not None and is_test_code(place["path"])


def _is_example(failure: Failure) -> bool:
    """Tell whether an example in a function's docstring has shown something else than it should."""
    place = failure["place"]
    return _short_type(failure) == "DocTestFailure" and place is not None and place["function"] != "<module>"


def _same_warning(failure: Failure) -> Cause | None:
    if failure["kind"] != "warning":
        return None
    kind, _, message = (failure.get("origin") or f"{failure['exception']}: {failure['message']}").partition(": ")
    said = mask(message, keep_names=True)
    return Cause(("warning", kind, said), f"they all fail because of {kind.rpartition('.')[2]}: {_cut(said)}")


def _same_statement(failure: Failure) -> Cause | None:
    """Tests of one name in several classes often are one test for several things."""
    if failure["kind"] != "assertion" or not failure["statement"]:
        return None
    name = function_of(failure["test"]).rpartition("::")[2]
    key = ("statement", file_of(failure["test"]), name, failure["statement"])
    return Cause(key, f"they all fail at '{_cut(failure['statement'])}' of a {name}()")


def _uncollectable(failure: Failure) -> Cause | None:
    place = failure["place"]
    if failure["kind"] != "collection":
        return None
    where = f"{place['path']}::{place['function']}" if place else failure["test"]
    said = mask(failure["message"])
    words = f"they cannot be collected: {_short_type(failure)} in {where}"
    return Cause(("collection", failure["exception"], where, said), words)


_RULES: tuple[Callable[[Failure], Cause | None], ...] = (
    _missing_import,
    _unreadable_file,
    _same_warning,
    _name_in_code,
    _given_nothing,
    _raised_in_source,
    _in_a_fixture,
    _in_test_code,
    _about_one_function,
    _same_statement,
    _uncollectable,
)


def imported_name(message: str) -> str:
    """Return what an import error is about, without where a package lies, which differs from machine to machine."""
    return mask(re.sub(r" \([^()]*\)$", "", message), keep_names=True)


def _short_type(failure: Failure) -> str:
    return failure["exception"].rpartition(".")[2]


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]}…"
