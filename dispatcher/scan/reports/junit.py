"""JUnit XML, as pytest and the runners of other languages write it, read as the records that our plugin writes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, NoReturn
from xml.sax import ContentHandler, SAXParseException
from xml.sax.xmlreader import AttributesImpl, InputSource, Locator

from dispatcher.errors import InvalidInput
from dispatcher.scan.reports.encoded import Encoded, where
from dispatcher.scan.reports.ids import Name, Tests
from dispatcher.scan.reports.refusal import Refused, name_of
from dispatcher.scan.reports.sources import Sources
from dispatcher.scan.reports.texts import MAX_TEXT, Excerpt, Redact, clean, head, shortened, tail
from dispatcher.scan.reports.traces import Said, describe

_LONGEST_MESSAGE = 131_072
_DEEPEST = 100
_MOST_NAMES = 1000

Take = Callable[[Any], None]


def read(source: BinaryIO, project: Path, take: Take, redact: Redact) -> None:
    """Give `take` the records of what a report tells. Memory stays bounded whatever the report holds.

    `redact` takes the secrets out of texts that are cut; those in ids are left to `take`.

    Raises InvalidInput for what is no report, is not whole, or has a document type, entities or absurd nesting.
    """
    from defusedxml import DefusedXmlException
    from defusedxml.sax import make_parser

    parser = make_parser()
    parser.forbid_dtd = True
    what = name_of(source)
    wrapped = InputSource()
    wrapped.setEncoding("utf-8")
    try:
        handler = _Handler(Sources(project, redact), take, redact)
        parser.setContentHandler(handler)
        wrapped.setByteStream(Encoded(source, parser, handler.drain))
        parser.parse(wrapped)
    except Refused as error:
        raise InvalidInput(what=what, problem=str(error)) from error
    except SAXParseException as error:
        problem = _ENDS.get(error.getMessage(), f"no well-formed XML: {error.getMessage()}")
        raise InvalidInput(what=what, problem=problem + where(error)) from error
    except DefusedXmlException as error:
        problem = "it has a document type declaration or entities, which are refused"
        raise InvalidInput(what=what, problem=problem) from error


_ENDS = dict.fromkeys(
    ("no element found", "unclosed token", "unclosed CDATA section"), "no whole JUnit report: it ends too early"
)

# Elements


class _Case:
    """A test case, or a suite that has failed as a whole, while it is read."""

    def __init__(self, attributes: dict[str, str], suite: str) -> None:
        self.attributes = attributes
        self.suite = suite
        self.problems: dict[str, _Problem] = {}
        self.skipped: str | None = None
        self.sections: list[list[str]] = []


class _Problem(NamedTuple):
    element: str
    type: str
    message: str
    text: str


_ROOTS = ("testsuites", "testsuite")
_TEXTS = ("failure", "error", "skipped", "system-out", "system-err")


class _Handler(ContentHandler):
    """Takes the report's elements; a test case's records are given when it ends."""

    def __init__(self, sources: Sources, take: Take, redact: Redact) -> None:
        super().__init__()
        self._redact = redact
        self._open: list[str] = []
        self._names: set[str] = set()
        self._suites: list[str] = []
        self._case: _Case | None = None
        self._case_depth = 0
        self._text: Excerpt | None = None
        self._text_depth = 0
        self._about: dict[str, str] = {}
        self._records = _Records(sources, take)
        self._parts: list[str] = []
        # The parser gives each line by itself, and each end of a line: too often to run Python for it.
        self.characters = self._parts.append  # type: ignore[assignment, method-assign]

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802 - SAX's name
        """Learn who knows where the parser is."""
        self._place = locator

    def startElement(self, name: str, attrs: AttributesImpl) -> None:  # noqa: N802 - SAX's name
        """Begin an element."""
        self.drain()
        local = name.rpartition(":")[2]
        if not self._open and local not in _ROOTS:
            self._refuse(f"no JUnit report: its root element is <{head(name, 60) or '…'}>")
        self._open.append(local)
        self._names.update((name, *attrs.getNames()))
        if len(self._open) > _DEEPEST:
            self._refuse(f"its elements are nested more than {_DEEPEST} deep")
        if len(self._names) > _MOST_NAMES:  # the parser keeps them all
            self._refuse(f"it has more than {_MOST_NAMES} kinds of elements and attributes")
        if self._case is None:
            self._begin_outside(local, attrs)
        elif len(self._open) == self._case_depth + 1 and local in _TEXTS:
            self._begin_text(attrs)

    def _refuse(self, problem: str) -> NoReturn:
        raise Refused(problem + where(self._place))  # now: the parser goes on to the end of the part that it has

    def _begin_outside(self, local: str, attrs: AttributesImpl) -> None:
        if local == "testsuite":
            self._suites.append(attrs.get("name") or "")
        elif local == "testcase":
            self._case, self._case_depth = _Case(_plain(attrs), self._suite()), len(self._open)
        elif local in ("failure", "error") and self._open[-2] == "testsuite":
            self._case, self._case_depth = _Case({}, self._suite()), len(self._open) - 1
            self._begin_text(attrs)

    def _suite(self) -> str:
        return next((name for name in reversed(self._suites) if name), "")

    def _begin_text(self, attrs: AttributesImpl) -> None:
        self._text, self._text_depth, self._about = Excerpt(), len(self._open), _plain(attrs)

    def drain(self) -> None:
        """Take the parts of a text that have come since the last time."""
        if self._text is not None and len(self._open) == self._text_depth:
            self._text.add("".join(self._parts))
        self._parts.clear()

    def endElement(self, name: str) -> None:  # noqa: N802 - SAX's name
        """End an element."""
        del name
        self.drain()
        local = self._open.pop()
        case = self._case
        if case is not None and self._text is not None and len(self._open) < self._text_depth:
            self._end_text(case, local, self._text.text())
            self._text = None
        if case is not None and (len(self._open) < self._case_depth or self._is_suites_own(local)):
            self._case = None
            self._records.give(case)
        elif local == "testsuite" and self._suites:
            self._suites.pop()

    def _is_suites_own(self, local: str) -> bool:
        return local in ("failure", "error") and self._open[-1] == "testsuite"

    def _end_text(self, case: _Case, local: str, text: str) -> None:
        text = self._redact(text)
        kind, message = (self._redact(clean(self._about.get(name, ""))) for name in ("type", "message"))
        if local in ("failure", "error"):
            problem = _Problem(local, kind, message, text)
            case.problems.setdefault(_phase(local, message), problem)
        elif local == "skipped":
            case.skipped = f"{kind}: {message}"
        elif text.strip() and len(case.sections) < len(_TEXTS):
            case.sections.append([local, tail(text, MAX_TEXT)])


def _plain(attrs: AttributesImpl) -> dict[str, str]:
    return {name: value for name, value in attrs.items() if name in _ATTRIBUTES and value}


_ATTRIBUTES = ("name", "classname", "class", "file", "time", "status", "result", "type", "message")

# pytest's words, those of versions before 6 too.
_IN_PHASE = re.compile(r'(?:failed on (setup|teardown) with "(.*?)"?|test (setup|teardown) failure)', re.DOTALL)
# Since 9.2 it cuts them, words too, and says so.
_CUT = re.compile(r"\n\[(?:\+[0-9]+ more lines?|truncated); full report in element text\]\Z")
_PHASES = ("collect", "setup", "call", "teardown")


def _phase(element: str, message: str) -> str:
    if element == "error" and message == "collection failure":
        return "collect"
    found = _IN_PHASE.fullmatch(message) if element == "error" else None
    return (found[1] or found[3]) if found else "call"


# Records


class _Records:
    """Makes records of test cases."""

    def __init__(self, sources: Sources, take: Take) -> None:
        self._sources = sources
        self._take = take
        self._tests = Tests(sources)

    def give(self, case: _Case) -> None:
        """Give the records of one test case: what is wrong in each phase, then how it ended."""
        said = Name(*(case.attributes.get(name, "") for name in ("classname", "name", "file")))
        said = said._replace(classname=said.classname or case.attributes.get("class", ""))
        test, forced = self._tests.id_of(said, collecting="collect" in case.problems)
        test = test or case.suite or "testcase"
        if forced:
            case.problems = dict(zip([forced], case.problems.values(), strict=False))
        outcome = _outcome(case)
        if outcome in ("failed", "error") and not case.problems:
            case.problems["call"] = _Problem(outcome, "", "", "it failed, and nothing more was reported")
        for when in (phase for phase in _PHASES if phase in case.problems):
            self._give_problem(test, when, case.problems[when], case, near=said.classname)
        if case.skipped is not None and case.skipped.endswith(": collection skipped"):
            path = self._tests.id_of(said, collecting=True)[0]
            self._take({"t": "without_items", "id": path, "skipped": True})
        elif "collect" not in case.problems:
            self._take([outcome, test, _seconds(case.attributes.get("time", ""))])

    def _give_problem(self, test: str, when: str, problem: _Problem, case: _Case, near: str) -> None:
        in_phase = _IN_PHASE.fullmatch(problem.message)
        message = (in_phase[2] or "") if in_phase else problem.message
        if problem.text and (_CUT.search(message) or (when == "collect" and message == "collection failure")):
            message = ""  # all is in the text
        detail = describe(Said(shortened(message, _LONGEST_MESSAGE), problem.text, problem.type, near), self._sources)
        sections = list(case.sections)
        if detail and not detail["frames"] and problem.text.strip() not in (detail["message"], ""):
            sections.insert(0, [problem.element, tail(problem.text, MAX_TEXT)])
        text = shortened(message or problem.text)
        self._take({"t": "fail", "id": test, "when": when, "text": text, "sections": sections})
        if detail is not None:
            self._take({"t": "detail", "id": test, "when": when, **detail})


_BY_STATUS = {
    "notrun": "skipped", "disabled": "skipped", "skipped": "skipped", "suppressed": "skipped", "ignored": "skipped",
    "failed": "failed", "failure": "failed", "error": "error",
}  # fmt: skip


def _outcome(case: _Case) -> str:
    for when in _PHASES:  # the first bad phase decides
        if when in case.problems:
            return "failed" if when == "call" and case.problems[when].element == "failure" else "error"
    if case.skipped is None:
        states = (case.attributes.get(name, "").lower() for name in ("status", "result"))
        return next((_BY_STATUS[state] for state in states if state in _BY_STATUS), "passed")
    if case.skipped == ": xfail-marked test passes unexpectedly":
        return "xpassed"
    return "xfailed" if re.match(r"(?:pytest\.xfail|XFAIL): |: expected (?:test )?failure", case.skipped) else "skipped"


def _seconds(words: str) -> float:
    try:
        seconds = float(words.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if math.isfinite(seconds) and seconds >= 0 else 0.0
