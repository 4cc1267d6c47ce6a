"""What the reports of test runners say of a failure: exceptions and stack traces, in the styles of several languages."""

from __future__ import annotations

import builtins
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from dispatcher.scan.reports.sources import Place, Sources
from dispatcher.scan.reports.texts import MAX_LINE, shortened
from dispatcher.text import one_line

_FIRST_FRAMES, _LAST_FRAMES = 10, 40
_MOST_SITES = 3
_LONGEST_LINE = 1000  # of a text, to look for a place in

# What a text says


class Said(NamedTuple):
    """What a report says of one failure.

    `type` is the exception if the report names it, `message` its words, `text` everything; `near` is the
    package that the test lies in. `places` are the frames if the report has them as data.
    """

    message: str
    text: str
    type: str = ""
    near: str = ""
    places: Sequence[Place] = ()


_SAYS_NOTHING = re.compile(r"(?:test )?(?:fail(?:ed|ure)?|errors?)[.!]?$", re.IGNORECASE)
_A_NAME = re.compile(r"[\w.$\\:]{1,200}")
_UNEXPECTED = re.compile(r"\[XPASS\(strict\)\]|Unexpected success")


def describe(said: Said, sources: Sources) -> dict[str, Any] | None:
    """Return what a failure's `detail` line says, or None if there is no exception behind it."""
    if _UNEXPECTED.match(said.message or said.text):
        return None
    lines = said.text.split("\n")
    if not _A_NAME.fullmatch(said.type) or _SAYS_NOTHING.match(said.type):
        said = said._replace(type="")
    example = _doctest(said, lines)
    kind, message, places = example or _python(said, lines) or _foreign(said, lines, sources)
    statements = [] if example else [s for place in reversed(places) if (s := sources.statement(place))]
    if len(places) > _FIRST_FRAMES + _LAST_FRAMES:
        places = [*places[:_FIRST_FRAMES], *places[-_LAST_FRAMES:]]
    return {
        "type": kind,
        "bases": _bases(kind),
        "message": shortened(message.strip()),
        "frames": [sources.frame(place, said.near) for place in places],
        "chain": [],
        "sites": [{"statement": statement, "calls": []} for statement in statements[:_MOST_SITES]],
    }


Told = tuple[str, str, list[Place]]
"""An exception, its message, its frames from the outside in."""

_NAME = re.compile(r"((?:(?:\w+|<locals>)[.\\$])*\w+)(?::\s|:?\s*$|\s*\n)")
_LIKE_AN_EXCEPTION = re.compile(
    r"(?:Error|Exception|Warning|Failure|Failed|Fault|Exit|Interrupt|Timeout|Expired|Group)$"
)
_ASSERTION = re.compile(r"Assert\w*(?:Error|Exception)$|ComparisonFailure$|ExpectationFailedException$")


def _bases(kind: str) -> list[str]:
    """Return the names of what an exception derives from, as far as its name tells."""
    known = getattr(builtins, kind, None)
    if isinstance(known, type) and issubclass(known, BaseException):
        return [base.__name__ for base in known.__mro__[1:-1]]
    if _ASSERTION.search(kind):
        return ["AssertionError"]
    return ["Warning"] if kind.endswith("Warning") else []


def _split(words: str, last: str = "", *, python: bool = False) -> tuple[str, str]:
    """Return the exception that words begin with, and the rest. `last` is its name without a module, if that is known."""
    found = _NAME.match(words[:_LONGEST_LINE])
    name = re.split(r"[.\\$]", found[1])[-1] if found else ""
    if (
        found
        and len(found[1]) <= MAX_LINE
        and (
            name == last
            or _LIKE_AN_EXCEPTION.search(name)
            or _bases(name)
            or (python and (name[0].isupper() or "." in found[1]))
        )
    ):
        return found[1], words[found.end() :]
    return "", words


# Python

_CHAINED = re.compile(
    r"(?:During handling of the above exception, another|The above exception was the direct cause of the following) exc"
)
_NATIVE = re.compile(r'([\s|]*|E\s+)File "(.+)", line ([0-9]{1,7})(?:, in (.+))?$')
_PYTEST = re.compile(r"(?![E>] )((?:[A-Za-z]:)?[^\s:][^:]*):([0-9]{1,7})(?::\s?(?:in (.+)|([A-Za-z_][\w.]*))?)?$")
_FIRST, _SECOND = re.compile(r"\s*\+-\+-+ 1 -+$"), re.compile(r"\s*\+-+(?: [2-9] -+)?$")
_TRACEBACK = "Traceback (most recent call last):"
_SYNTAX = re.compile(r'\s*File "(.+)", line ([0-9]{1,7})\n')
_NO_MODULE = re.compile(r"Failed to import test module: ")
_NO_FIXTURE = re.compile(r"^(?:E\s+)?(fixture '[^'\n]*' not found)", re.MULTILINE)
_EXAMPLE = re.compile(
    r"^[0-9]{3,} +>>> (.*)\n(?:[0-9]{3,} +\.\.\. .*\n)*Expected:\n((?:    .*\n|\n)*)Got:\n((?:    .*\n|\n)*)",
    re.MULTILINE,
)


def _doctest(said: Said, lines: list[str]) -> Told | None:
    place = _PYTEST.match(next((line for line in reversed(lines) if line.strip()), ""))
    if place is None or place[4] not in ("DocTestFailure", "UnexpectedException"):
        return None
    where = Place(place[1], int(place[2]))
    if found := _EXAMPLE.search(said.text):
        source, wanted, got = (one_line(part) if n == 0 else part.strip() for n, part in enumerate(found.groups()))
        return "doctest.DocTestFailure", f">>> {source}: expected {wanted}, got {got}", [where._replace(code=source)]
    raised = re.search(r"^UNEXPECTED EXCEPTION: (.*)$", said.text, re.MULTILINE)
    return f"doctest.{place[4]}", raised[1] if raised else said.text, [where]


def _python(said: Said, lines: list[str]) -> Told | None:
    """Read a traceback of Python's, or one in one of pytest's styles: only what led to the last exception of a chain."""
    begin = max((n for n, line in enumerate(lines) if _CHAINED.match(line.strip(" |"))), default=0)
    end = next(
        (n for n, line in enumerate(lines) if _SECOND.match(line)), len(lines)
    )  # of what a group holds the first counts
    lines = lines[: max(begin, end)]
    read, last = _python_places(lines[begin:])
    places = list(said.places) or read
    if not (places or _TRACEBACK in said.text or any(line.startswith("E  ") for line in lines)):
        return None
    if fixture := _NO_FIXTURE.search(said.text):
        return "_pytest.fixtures.FixtureLookupError", fixture[1], []
    words = "" if _NO_MODULE.match(said.message) else said.message  # unittest puts the whole traceback there
    words = words or _marked(lines[begin:]) or _raised(lines[begin:]) or said.text
    if found := _SYNTAX.match(words):
        kind, message = _split(words.rstrip().rpartition("\n")[2])
        if not places or places[-1].path != found[1]:
            places.append(Place(found[1], int(found[2]), "<module>", words.split("\n")[1].strip()))
        return kind or "SyntaxError", f"{message} ({os.path.basename(found[1])}, line {found[2]})", places
    kind, message = _split(words, last or said.type, python=not said.type)
    if kind.endswith("ExceptionGroup") and (inner := _first_of_group(lines)):
        kind, message = _split(inner, python=True)
    return kind or last or said.type or ("AssertionError" if words.startswith("assert ") else ""), message, places


def _python_places(lines: list[str]) -> tuple[list[Place], str]:
    """Return the frames, and the exception if the last of pytest's long ones names it."""
    places: list[Place] = []
    marked = kind = ""
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if len(line) > _LONGEST_LINE:
            continue
        if (found := _NATIVE.match(line)) and not (found[1].startswith("E") and found[4]):
            code = re.sub(r"^(?:E\s|[\s|])+", "", following)
            places.append(
                Place(found[2], int(found[3]), found[4] or "<module>", "" if _NATIVE.match(following) else code)
            )
        elif (found := _PYTEST.match(line)) and (found[3] or found[1].endswith(".py")):
            if found[3]:
                code = "" if following.startswith("E ") else following.lstrip("> ").strip()
            else:
                code = marked if line.endswith((":", ": ", found[4] or ":")) else ""
            places.append(Place(found[1], int(found[2]), found[3] or "", code if code != "???" else ""))
            marked, kind = "", found[4] or ""
        elif line.startswith(">"):
            marked = line[1:].strip()
    return places, kind


def _first_of_group(lines: list[str]) -> str:
    """Return the first exception that an exception group holds, or the first of the first group in it."""
    last = max((n for n, line in enumerate(lines) if _FIRST.match(line)), default=len(lines)) + 1
    inner = [line.lstrip().removeprefix("|")[1:] for line in lines[last:]]
    return _raised(inner) if any(_TRACEBACK in line for line in inner) else "\n".join(inner)


def _marked(lines: list[str]) -> str:
    """Return what pytest has marked as the error: the last lines that begin with an E."""
    block: list[str] = []
    for line in reversed(lines):
        if line == "E" or line.startswith("E "):
            block.append(line[1:])
        elif block:
            break
    block.reverse()
    indent = len(block[0]) - len(block[0].lstrip()) if block else 0
    # In a SyntaxError the first line is indented more than the last.
    indent = min([indent, *(len(line) - len(line.lstrip()) for line in block if line.strip())])
    return "\n".join(line[indent:] for line in block)


def _raised(lines: list[str]) -> str:
    """Return what stands behind the frames of the last traceback: the exception. A SyntaxError's place comes with it."""
    begin = max(n for n, line in enumerate(lines) if _TRACEBACK in line or n == 0) + 1
    end = next(
        (n for n in range(begin, len(lines)) if lines[n].strip() and not lines[n].startswith((" ", "\t"))), begin
    )
    places = [n for n in range(begin, end) if (found := _NATIVE.match(lines[n])) and not found[4]]
    return "\n".join(lines[places[-1] if places else end :]).strip()


# Other languages

_JAVA = re.compile(r"\s*at (?:[\w.@-]*//?)?([\w$.]+)\.([^().]+)\(([^():\s]+):([0-9]{1,7})\)")
_DOTNET = re.compile(r"\s*at ([^\s(]+)\(.*\) in (.+):line ([0-9]{1,7})")
_JS = re.compile(r"\s*at (?:(?:async |new )?([^()]+?) \()?([^()]+?):([0-9]{1,7}):[0-9]+\)?$")
_PANIC = re.compile(
    r"thread '[^'\n]{0,300}' (?:\([0-9]+\) )?panicked at (?:'(.{0,2000}?)', )?[^\s']+:[0-9]+:[0-9]+:?(?:\n|$)",
    re.DOTALL,
)
_ANY = re.compile(r"(?<![\w./\\@+-])((?:[A-Za-z]:)?[\w./\\@+-]*\.[A-Za-z]\w{0,4})(?::| \(|\()([0-9]{1,7})\b")
_AT_FIRST = re.compile(r"\s*[\w./\\@+-]*\.[A-Za-z]\w{0,4}:[0-9]{1,7}(?::[0-9]+)?(?:: ?(?:Failure\n)?|\n)")
_PHP_TEST = re.compile(r"\A[\w\\]+::\w+(?: with data set .*)?\n")


def _foreign(said: Said, lines: list[str], sources: Sources) -> Told:
    """Read what another language's runner says. What is mentioned first is the innermost frame there."""
    cause = next((n for n, line in enumerate(lines) if line.startswith(("Caused by:", "Suppressed:"))), len(lines))
    places, first = _foreign_places(lines[:cause], said.near, sources)
    body = _PHP_TEST.sub("", "\n".join(lines[: first or cause]) if first != 0 else said.text)
    words = body if not said.message or _SAYS_NOTHING.match(said.message) else said.message
    if panic := _PANIC.search(said.text) or _PANIC.search(said.message):
        after = panic.string[panic.end() :]
        told = panic[1] or re.split(r"\nnote: |\nstack backtrace:", after)[0]
        return "panic", told, places
    words = _AT_FIRST.sub("", words, count=1).strip() or said.message or said.text
    if words.startswith("panic: "):
        return "panic", words[7:], places
    named, rest = _split(words, re.split(r"[.\\$]", said.type)[-1])
    return said.type or named, rest, places


def _foreign_places(lines: list[str], near: str, sources: Sources) -> tuple[list[Place], int | None]:
    """Return the frames from the outside in, and the number of the line that has the first of a stack's."""
    lines = [line if len(line) <= _LONGEST_LINE else "" for line in lines]
    for pattern, make in ((_JAVA, _java_place), (_DOTNET, _dotnet_place), (_JS, _js_place)):
        found = [(n, match) for n, line in enumerate(lines) if (match := pattern.match(line))]
        if found:
            return [make(match, sources) for _, match in reversed(found)], found[0][0]
    mentioned = [Place(match[1], int(match[2])) for line in lines for match in _ANY.finditer(line)]
    return [place for place in reversed(mentioned) if sources.find(place.path, near)], None


def _java_place(match: re.Match[str], sources: Sources) -> Place:
    name = match[1].partition("$")[0]
    found = sources.find_class(name, match[3])
    path = found or f"<{os.path.join(name.rpartition('.')[0].replace('.', '/'), match[3])}>"  # a library's
    return Place(path, int(match[4]), f"{match[1].rpartition('.')[2].replace('$', '.')}.{match[2]}")


def _dotnet_place(match: re.Match[str], _sources: Sources) -> Place:
    return Place(match[2], int(match[3]), match[1])


def _js_place(match: re.Match[str], _sources: Sources) -> Place:
    path = match[2].removeprefix("file://")
    return Place(f"<{path}>" if path.startswith("node:") else path, int(match[3]), match[1] or "")
