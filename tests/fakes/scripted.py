"""A real HTTP server on this machine that answers as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple, Self

import orjson

from dispatcher.llm.address import Address


class Asked(NamedTuple):
    """A request as it came. `body` is None where there was none."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


class Call:
    """A request that waits for its answer, and the ways to give one."""

    def __init__(self, handler: BaseHTTPRequestHandler, asked: Asked, over: threading.Event) -> None:
        self._handler, self.asked, self._over = handler, asked, over

    def whole(self, status: int, data: bytes, kind: str = "application/json", **headers: str) -> None:
        """Answer at once, with a length."""
        self._handler.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()
        self._handler.wfile.write(data)

    def begin(self, kind: str = "application/x-ndjson") -> None:
        """Answer in chunks, as servers in Go stream."""
        self._handler.send_response(200)
        self._handler.send_header("Content-Type", kind)
        self._handler.send_header("Transfer-Encoding", "chunked")
        self._handler.end_headers()

    def chunk(self, data: bytes) -> None:
        """Send a piece; an empty one is the end."""
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self._handler.wfile.flush()

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until the server ends, at most so long; tell whether it does."""
        return self._over.wait(seconds)

    def close(self) -> None:
        """Have the connection closed after this."""
        self._handler.close_connection = True


Reply = Callable[[Call], None]


def says(status: int, answer: object) -> Reply:
    """Answer with one JSON document."""
    return lambda call: call.whole(status, orjson.dumps(answer))


def streams(*lines: object, ends: bool = True, prefix: bytes = b"", between: bytes = b"\n") -> Reply:
    """Answer with a JSON document for each line; unless it `ends`, the connection is closed after the last one."""

    def reply(call: Call) -> None:
        call.begin()
        for line in lines:
            call.chunk(prefix + (line if isinstance(line, bytes) else orjson.dumps(line)) + between)
        if ends:
            call.chunk(b"")
        else:
            call.close()

    return reply


def hangs(call: Call) -> None:
    """Accept the request and never answer."""
    call.wait()


def closes(call: Call) -> None:
    """Hang up without an answer."""
    call.close()


def drips(data: bytes, seconds: float = 0.01) -> Reply:
    """Send a byte now and then, for ever: each comes within any timeout for one read."""

    def reply(call: Call) -> None:
        at = 0
        while not call.wait(seconds):
            call.raw(data[at : at + 1] or b" ")
            at += 1

    return reply


def redirects(to: str) -> Reply:
    """Send the client elsewhere."""
    return lambda call: call.whole(307, b"", Location=to)


def html(call: Call) -> None:
    """Answer as a web site does."""
    call.whole(200, b"<!DOCTYPE html>\n<html><body>Welcome</body></html>", "text/html")


class Scripted:
    """The server. Replies of `script` are used one after the other, the last for ever; else `usual` ones by path."""

    def __init__(self, usual: Mapping[str, Reply]) -> None:
        self.asked: list[Asked] = []
        self.troubles: list[BaseException] = []
        self._usual = dict(usual)
        self._scripts: dict[str, deque[Reply]] = defaultdict(deque)
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if error is None and self.troubles:
            raise self.troubles[0]

    @property
    def address(self) -> Address:
        """Where it listens."""
        return Address("http", "127.0.0.1", self._server.server_port, "", loopback=True)

    def script(self, path: str, *replies: Reply) -> None:
        """Answer the next requests for a path so, the last reply again and again."""
        self._scripts[path] = deque(replies)

    def bodies(self, path: str) -> list[Any]:
        """Return what was sent to a path, request by request."""
        return [asked.body for asked in self.asked if asked.path == path]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        length = int(handler.headers.get("Content-Length") or 0)
        data = handler.rfile.read(length)
        asked = Asked(handler.command, handler.path, dict(handler.headers), orjson.loads(data) if data else None)
        self.asked.append(asked)
        script = self._scripts[handler.path]
        usual = self._usual.get(handler.path, says(404, {"error": "404 page not found"}))
        reply = (script.popleft() if len(script) > 1 else script[0]) if script else usual
        try:
            reply(Call(handler, asked, self._over))
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True
        except BaseException as error:
            self.troubles.append(error)
            raise

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        scripted = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                scripted._answer(self)

            do_POST = do_GET  # noqa: N815 - as above

            def log_message(self, *_args: object) -> None:
                """Say nothing: a test's output is for its failures."""

        return Handler


def words_of(messages: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the tokens of messages: in these servers' one vocabulary a word is one."""
    return [word for message in messages for word in message["content"].split()]
