"""One HTTP exchange under a limit on its whole time. It imports requests at its top: import it where it is used."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError, ReadTimeoutError

from dispatcher.llm.address import Address
from dispatcher.llm.client import BadAnswer, NotReached, ServerGone
from dispatcher.text import clean_line, one_line

_CONNECT = 10.0
"""Seconds until a server has to accept: on a local network it takes milliseconds, or for ever."""

_CHUNK = 65_536
_DEEPEST = 10
_NOTHING = "nothing answers there ({why}); is the model server running?"


class Deadline:
    """Ends an exchange when its time is up, whatever the server does.

    The timeouts of sockets are for one read each, which a server that sends a byte now and then never exceeds. So a
    timer shuts the connection down, and whoever reads from it sees its end.
    """

    def __init__(self, server: str, seconds: float, clock: Callable[[], float]) -> None:
        self._server, self._seconds, self._clock = server, seconds, clock
        self._end = clock() + seconds
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True
        self.passed = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()

    def left(self) -> float:
        """Return the seconds that are left, never 0, which means none to sockets."""
        return max(0.001, self._end - self._clock())

    def watch(self, connection: socket.socket | None) -> None:
        """Shut this connection down when the time is up, which it may be already."""
        self._socket = connection
        if self.passed:
            self._shut()

    def error(self, what: str) -> ServerGone:
        """Return the error for a server that has had its time."""
        return ServerGone(server=self._server, problem=f"{what} within {self._seconds:g} s")

    def _pass(self) -> None:
        self.passed = True
        self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class Exchange:
    """An answer that has begun: its status and headers are there."""

    def __init__(self, server: str, response: requests.Response, deadline: Deadline) -> None:
        self._server, self._response, self._deadline = server, response, deadline
        self.status = response.status_code
        self.headers: Mapping[str, str] = response.headers

    def close(self) -> None:
        """Hang up, which also makes the server stop to generate."""
        self._response.close()

    def chunks(self, most: int) -> Iterator[bytes]:
        """Yield the body as it comes, never decompressed. Raises ServerGone, and BadAnswer beyond `most` bytes."""
        total = 0
        try:
            for chunk in self._response.raw.stream(_CHUNK, decode_content=False):
                total += len(chunk)
                if total > most:
                    raise BadAnswer(server=self._server, problem=f"its answer is larger than {most:,} bytes")
                yield chunk
        except (HTTPError, OSError) as error:
            if not (self._deadline.passed or isinstance(error, ReadTimeoutError)):
                problem = "the server closed the connection in the middle of its answer"
                raise ServerGone(server=self._server, problem=problem) from error
            raise self._deadline.error("did not come to the end of its answer") from error
        if self._deadline.passed:  # a body without a length ends when the connection does
            raise self._deadline.error("did not come to the end of its answer")


def send(address: Address, method: str, path: str, body: bytes | None, deadline: Deadline) -> Exchange:
    """Send one request and wait for the head of its answer. Follows no redirect and sends nothing but the request.

    Raises NotReached if no answer began, ServerGone for one that never does, BadAnswer if it is not HTTP.
    """
    server = address.url
    session = requests.Session()
    session.trust_env = not address.loopback  # a proxy of the environment does not know this machine's servers
    session.auth = _unsigned
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Watched(deadline))
    headers = {"Accept-Encoding": "identity", "Connection": "close", "User-Agent": "dispatcher"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        response = session.request(
            method, server + path, data=body, headers=headers, stream=True, allow_redirects=False,
            timeout=(min(_CONNECT, deadline.left()), deadline.left()),
        )  # fmt: skip
    except (requests.RequestException, HTTPError, OSError) as error:
        raise _failure(server, error, deadline) from error
    if deadline.passed:  # to http.client a head that breaks off is one that has ended
        response.close()
        raise deadline.error("gave no answer")
    return Exchange(server, response, deadline)


def _unsigned(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Authenticate as nobody: otherwise requests looks for passwords in ~/.netrc."""
    return request


class _Watched(HTTPAdapter):
    """Makes connections that a deadline watches."""

    def __init__(self, deadline: Deadline) -> None:
        self._pools = _watched_pools(deadline)
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - as HTTPAdapter has it
        super().init_poolmanager(*args, **kwargs)
        manager: PoolManager = self.poolmanager
        manager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as HTTPAdapter has it
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager


def _watched_pools(deadline: Deadline) -> dict[str, Any]:
    class Plain(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            deadline.watch(self.sock)

    class Secure(HTTPSConnection):
        def connect(self) -> None:
            super().connect()
            deadline.watch(self.sock)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _failure(server: str, error: Exception, deadline: Deadline) -> Exception:
    """Return the error of ours for what requests raised before an answer began."""
    if isinstance(error, requests.ConnectTimeout):
        return ServerGone(server=server, problem=_NOTHING.format(why="it does not accept the connection"))
    if deadline.passed or isinstance(error, requests.Timeout):
        return deadline.error("gave no answer")
    if isinstance(error, requests.ConnectionError):
        return _no_connection(server, error, list(_causes(error)))
    return BadAnswer(server=server, problem=f"cannot be asked: {_brief(error)}")


def _no_connection(server: str, error: Exception, causes: Sequence[BaseException]) -> Exception:
    """Return NotReached for what may be over at the next try, another error for what will not be."""
    broken = [cause for cause in causes if isinstance(cause, http.client.HTTPException)]
    if any(not isinstance(cause, http.client.RemoteDisconnected) for cause in broken):
        return BadAnswer(server=server, problem="what answers there does not speak HTTP")
    if broken or any(isinstance(cause, ConnectionResetError | BrokenPipeError) for cause in causes):
        return NotReached(server=server, problem="the server closed the connection before it answered")
    if isinstance(error, requests.exceptions.SSLError):
        return ServerGone(server=server, problem=f"is not reached by https: {_brief(causes[-1])}")
    if any(isinstance(cause, NameResolutionError) for cause in causes):
        return ServerGone(server=server, problem="is a host name that nobody knows here")
    told = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return NotReached(server=server, problem=_NOTHING.format(why=(told or ["no connection"])[-1].lower()))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it wraps: requests and urllib3 put causes into arguments as well as into chains."""
    found: BaseException | None = error
    for _ in range(_DEEPEST):
        if found is None:
            return
        yield found
        inner = (getattr(found, "reason", None), *found.args, found.__cause__, found.__context__)
        found = next((i for i in inner if isinstance(i, BaseException)), None)


def _brief(error: BaseException) -> str:
    return clean_line(one_line(str(error)))[:200]
