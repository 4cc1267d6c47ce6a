"""From the lines that the plugin wrote about a failure to the failure."""

from __future__ import annotations

import re
from typing import Any

from dispatcher.domain.failure import Failure, Kind, Place, Suspect, function_of
from dispatcher.domain.fingerprint import digest, mask
from dispatcher.scan import dump
from dispatcher.scan.causes import NAMING, cause_of, imported_name
from dispatcher.scan.crash import TIMEOUT
from dispatcher.scan.layout import Layout
from dispatcher.text import cut

MAX_MESSAGE_BYTES = 500
_FRAMES = 6


def make(fail: dict[str, Any], detail: dict[str, Any] | None, layout: Layout) -> Failure:
    """Return the failure that a `fail` line and its `detail` line, if there is one, describe."""
    known = detail or {}
    frames = [_frame(raw, layout) for raw in known.get("frames", [])]
    own = [frame for owner, frame in frames if owner != "library"]
    kind = _kind(fail, known)
    message = layout.shorten(str(known.get("message", fail["text"])))
    site, suspect = _site(known, layout)
    failure: Failure = {
        "test": fail["id"],
        "when": fail["when"],
        "kind": kind,
        "exception": _NAMED.get(kind) or known.get("type", "") or "Failure",
        "message": cut(message.strip(), MAX_MESSAGE_BYTES),
        "place": own[-1] if own else _place_in_chain(known, layout) or _place_of_test(fail["id"], kind, layout),
        "suspect": suspect if kind == "assertion" else _raiser(own) or suspect,
        "statement": site,
        "frames": [f"{f['path']}:{f['line']} {f['function']}: {f['code']}" for f in own[-_FRAMES:]],
        "fingerprint": "",
        "cause": "",
        "because": "",
    }
    if origin := _warning_behind(known):
        failure["origin"] = layout.shorten(cut(origin, MAX_MESSAGE_BYTES))
    failure["fingerprint"] = digest(*_identity(failure))
    if known.get("empty"):
        name, path = known["empty"]
        failure["given"] = {"path": layout.locate(path).path, "function": name}
    cause = cause_of(_as_raised(failure, known, layout))
    failure["cause"], failure["because"] = digest(*cause.key), cause.because
    failure["detail"] = _detail(fail, known, message, frames, layout)
    return failure


def _as_raised(failure: Failure, known: dict[str, Any], layout: Layout) -> Failure:
    """Return a failed assertion about the result of a client or a runner as the exception that the result keeps."""
    kept = known.get("kept")
    if kept is None or failure["kind"] != "assertion":
        return failure
    own = [frame for owner, frame in (_frame(raw, layout) for raw in kept["frames"]) if owner != "library"]
    if not own:
        return failure
    suspect = _raiser(own)
    failure["suspect"] = suspect or failure["suspect"]
    message = cut(layout.shorten(kept["message"]).strip(), MAX_MESSAGE_BYTES)
    raised: Failure = {**failure, "kind": "exception", "exception": kept["type"], "message": message, "place": own[-1]}
    return raised


_KINDS: tuple[tuple[Kind, tuple[str, ...]], ...] = (
    ("doctest", ("doctest.DocTestFailure", "doctest.UnexpectedException", "_pytest.doctest.MultipleDoctestFailures")),
    ("syntax", ("SyntaxError",)),
    ("import", ("ImportError",)),
    ("warning", ("Warning",)),
)
# Kinds whose exception is the way in which they are told: pytest's, or the scan's own.
_NAMED: dict[Kind, str] = {"timeout": TIMEOUT, "xpass": "XPASS(strict)"}
_UNEXPECTED = re.compile(r"XPASS\(strict\)|Unexpected success")
_PHASES: dict[str, Kind] = {"collect": "collection", "setup": "setup", "teardown": "teardown"}
_ASSERTIONS = ("AssertionError", "_pytest.outcomes.Failed", "Failed")


def _warning_behind(known: dict[str, Any]) -> str | None:
    """Return the warning, made an error, that an exception began with: C code turns it into something else."""
    chain = known.get("chain") or [{"type": "", "message": ""}]
    return f"{chain[-1]['type']}: {chain[-1]['message']}" if chain[-1]["type"].endswith("Warning") else None


def _kind(fail: dict[str, Any], known: dict[str, Any]) -> Kind:
    names = {known.get("type", ""), *known.get("bases", [])}
    if known.get("message", "") == "Unexpected success" or (not known and _UNEXPECTED.search(fail["text"])):
        return "xpass"
    if ended := _ended(fail, known):
        return ended
    if not known:
        return "exception"
    if _warning_behind(known):
        return "warning"
    for kind, types in _KINDS:
        if not names.isdisjoint(types):
            return kind
    return _PHASES.get(fail["when"]) or ("exception" if names.isdisjoint(_ASSERTIONS) else "assertion")


def _ended(fail: dict[str, Any], known: dict[str, Any]) -> Kind | None:
    """Return how a test was ended, if it did not end by itself."""
    if "ended" in fail:  # by the scan
        return "timeout" if fail["ended"] == "timeout" else "crash"
    if re.match(r"Timeout \(?>", known.get("message", "")):  # as pytest-timeout says it, and we
        return "timeout"
    return None


def _frame(raw: list[Any], layout: Layout) -> tuple[str, Place]:
    path, line, function, code = raw
    owner, name = layout.locate(path)
    place: Place = {"path": name, "line": line, "function": named(function), "code": code}
    return owner, {**place, "tests_own": True} if owner == "test" else place


def _place_in_chain(known: dict[str, Any], layout: Layout) -> Place | None:
    """Return where what led to an exception happened: in a thread, or while something was thrown away."""
    for link in known.get("chain", []):
        owner, place = _frame([*link["place"], ""], layout)
        if place["path"] and owner != "library":
            return place
    return None


def _place_of_test(test: str, kind: Kind, layout: Layout) -> Place | None:
    """Return where a test is defined that was ended where no code of the project's was on the stack."""
    frames = dump.definition(layout.rootdir, test) if kind in ("timeout", "crash") else []
    return _frame(frames[0], layout)[1] if frames else None


def named(function: str) -> str:
    """Return the function that a comprehension, a generator expression or a lambda is in: newer Pythons inline them."""
    return re.sub(r"(?:\.<locals>)?\.?<(?:listcomp|setcomp|dictcomp|genexpr|lambda)>", "", function) or "<module>"


def _raiser(own: list[Place]) -> Suspect | None:
    """Return the innermost function of the project, if it is none of the tests'."""
    last = own[-1] if own else None
    if last is None or "tests_own" in last or not last["path"].endswith(".py"):
        return None
    return {"path": last["path"], "function": last["function"]}


def _site(known: dict[str, Any], layout: Layout) -> tuple[str, Suspect | None]:
    """Return the innermost failing statement of the tests, and the project's function that it is about."""
    statement = ""
    for site in known.get("sites", []):
        statement = statement or site["statement"]
        for name, path in site["calls"]:
            owner, shown = layout.locate(path)
            if owner == "source":
                return statement, {"path": shown, "function": named(name)}
    return statement, None


def _identity(failure: Failure) -> tuple[str, ...]:
    """What a failure of a test function is known by. Lines, values and parameters are no part of it.

    The words of a failed assertion are made of values, sets in any order among them, so its source stands
    for them.
    """
    place = failure["place"]
    where = f"{place['path']}::{place['function']}" if place else ""
    if failure["kind"] == "assertion":
        said = failure["statement"]
    elif failure["kind"] in ("timeout", "crash"):
        # Where it was when the time was up is chance, and how a worker of pytest-xdist's died is not known.
        return function_of(failure["test"]), failure["kind"]
    elif failure["kind"] == "import":
        said = imported_name(failure["message"])
    else:
        said = mask(failure["message"], keep_names=failure["exception"].rpartition(".")[2] in NAMING)
    return function_of(failure["test"]), failure["when"], failure["exception"], where, said


def _detail(
    fail: dict[str, Any], known: dict[str, Any], message: str, frames: list[tuple[str, Place]], layout: Layout
) -> dict[str, Any]:
    """Return the bulk: everything else, with paths as they are shown."""
    calls = [
        {"statement": site["statement"], "calls": [[n, layout.locate(p).path] for n, p in site["calls"]]}
        for site in known.get("sites", [])
    ]
    chain = [
        {**link, "place": [layout.locate(link["place"][0]).path, *link["place"][1:]]} for link in known.get("chain", [])
    ]
    found: dict[str, Any] = {
        "message": message,
        "frames": [[owner, f["path"], f["line"], f["function"], f["code"]] for owner, f in frames],
        "chain": chain,
        "sites": calls,
        "output": fail.get("sections", []),
    }
    if fail.get("subtest"):
        found["subtest"] = fail["subtest"]
    return found
