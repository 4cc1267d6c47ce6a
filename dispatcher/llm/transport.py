"""JSON over HTTP to a model server: retries where they can help, answers of a bounded size, errors of one line."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from dispatcher.llm.address import Address
from dispatcher.llm.client import BadAnswer, NotReached, ServerBusy
from dispatcher.llm.words import Declined, error_in, shown

if TYPE_CHECKING:  # at run time it would import requests, which many commands never need
    from dispatcher.llm.wire import Deadline, Exchange

NOT_REACHED_WAITS = (0.25, 0.5)
BUSY_WAITS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between tries: a server that is not there rarely comes, a full queue empties and a model gets loaded."""

_BUSY = 503
_LONGEST_ERROR = 65_536


class Limits(NamedTuple):
    """Of one call: seconds in all, tries and waits included; bytes of a JSON document, of a stream, of one line in it.

    The document has room for a vocabulary in JSON: gemma's 262,144 tokens take some 20 MB.
    """

    seconds: float = 120.0
    document: int = 134_217_728
    stream: int = 67_108_864
    line: int = 4_194_304


DEFAULT_LIMITS = Limits()


class Transport:
    """Asks one server. `clock` gives seconds from any start on, `sleep` waits so many; both for tests to replace."""

    def __init__(
        self,
        address: Address,
        limits: Limits = DEFAULT_LIMITS,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.server = address.url
        self._address, self._limits, self._clock, self._sleep = address, limits, clock, sleep

    def ask(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return the JSON object that answers. Raises Declined, ServerGone, ServerBusy, BadAnswer."""
        with self._answered(method, path, body) as exchange:
            return self.parsed(b"".join(exchange.chunks(self._limits.document)))

    def lines(self, path: str, body: object) -> Generator[bytes]:
        """Post `body` and yield the lines of the answer as they come, empty ones left out. Raises as `ask` does."""
        rest = b""
        with self._answered("POST", path, body) as exchange:
            for chunk in exchange.chunks(self._limits.stream):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from filter(None, map(bytes.strip, whole))
                if len(rest) > self._limits.line:
                    problem = f"a line of its answer is larger than {self._limits.line:,} bytes"
                    raise BadAnswer(server=self.server, problem=problem)
            if rest.strip():
                yield rest.strip()

    def parsed(self, data: bytes) -> dict[str, Any]:
        """Return the object that JSON bytes hold. Raises BadAnswer."""
        try:
            found = orjson.loads(data)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            begins = shown(data[:60].decode(errors="replace")) or "nothing"
            problem = f"its answer is no JSON object (it begins with '{begins}'); is it a model server?"
            raise BadAnswer(server=self.server, problem=problem)
        return found

    @contextmanager
    def _answered(self, method: str, path: str, body: object) -> Iterator[Exchange]:
        from dispatcher.llm.wire import Deadline

        data = None if body is None else orjson.dumps(body)
        with (
            Deadline(self.server, self._limits.seconds, self._clock) as deadline,
            closing(self._tried(method, path, data, deadline)) as exchange,
        ):
            if exchange.status != 200:
                raise self._refusal(exchange)
            yield exchange

    def _tried(self, method: str, path: str, data: bytes | None, deadline: Deadline) -> Exchange:
        """Return an answer that has begun; try again only when it did not, or when the server was busy."""
        from dispatcher.llm.wire import send

        tries = 0
        while True:
            tries += 1
            try:
                exchange = send(self._address, method, path, data, deadline)
            except NotReached:
                if not self._waited(NOT_REACHED_WAITS, tries, deadline):
                    raise
                continue
            if exchange.status != _BUSY:
                return exchange
            with closing(exchange):
                words = error_in(self._head_of(exchange))[0]
            if not self._waited(BUSY_WAITS, tries, deadline):
                raise ServerBusy(server=self.server, problem=words or "503", tries=tries)

    def _waited(self, waits: tuple[float, ...], tries: int, deadline: Deadline) -> bool:
        """Wait for the next try; False if there is none, or no time for it."""
        if tries > len(waits) or deadline.left() <= waits[tries - 1]:
            return False
        self._sleep(waits[tries - 1])
        return True

    def _refusal(self, exchange: Exchange) -> Exception:
        if 300 <= exchange.status < 400:
            to = shown(exchange.headers.get("Location", "elsewhere"))
            problem = f"it redirects to '{to}', which is not followed; give the address itself"
            return BadAnswer(server=self.server, problem=problem)
        words, detail = error_in(self._head_of(exchange))
        return Declined(exchange.status, words, detail)

    def _head_of(self, exchange: Exchange) -> bytes:
        data = b""
        for chunk in exchange.chunks(self._limits.document):
            data += chunk
            if len(data) >= _LONGEST_ERROR:
                break
        return data[:_LONGEST_ERROR]
