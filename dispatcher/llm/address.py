"""The address of a model server: read as Ollama reads OLLAMA_HOST, and checked before anything is sent there.

Prompts hold the user's code, so an address that may be anywhere in the world has to be allowed first; and what other
programs would take for another host than the reader does (user info, numbers in place of an address) is refused.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from dispatcher.errors import BadConfig
from dispatcher.text import clean_line

DEFAULT_PORT = 11434
ALLOW = "llm.allowRemote"
"""The setting that allows addresses outside of this machine and private networks."""

_SCHEMES = {"http": 80, "https": 443}
"""With their ports: after a scheme Ollama's own client takes the scheme's port, not 11434 (its envconfig.Host)."""

_PRIVATE = tuple(ipaddress.ip_network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
"""RFC 1918 and RFC 4193. Link-local ones are not among them: there cloud machines have their metadata service."""

_CLOUD = ("ollama.com", "ollama.ai")
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+")
_BRACKETS = re.compile(r"\[([0-9A-Fa-f:.]+)\](?:(:)(.*))?")
_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*/?")
_LONGEST, _LONGEST_NAME, _LONGEST_SHOWN = 2048, 253, 80

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str], Iterable[str]]
"""Returns the numeric addresses of a host name; raises OSError if it has none."""


class Address(NamedTuple):
    """Where a server listens. `path` is '' or begins with a slash; `loopback` says that it is on this machine."""

    scheme: str
    host: str
    port: int
    path: str
    loopback: bool

    @property
    def url(self) -> str:
        """The address without a slash at its end: http://[::1]:11434."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def is_here(address: Address) -> bool:
    """Tell whether a server's address is one of this machine's own: nobody can listen on another's."""
    import socket

    if address.loopback:
        return True
    try:
        found = socket.getaddrinfo(address.host, 0, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return any(_can_listen(family, where) for family, _, _, _, where in found)


def _can_listen(family: int, where: tuple[object, ...]) -> bool:
    import socket

    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(where)
        except OSError:
            return False
    return True


def resolved(name: str) -> list[str]:
    """Return the addresses that this machine knows for a name. Raises OSError."""
    import socket

    return sorted({str(found[4][0]) for found in socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)})


def parse(
    given: str | None, source: str = "OLLAMA_HOST", *, allow_remote: bool = False, resolve: Resolve = resolved
) -> Address:
    """Return the address that `given` stands for: nothing, "host", "host:port", ":port" or a URL without a query.

    An address to listen on (0.0.0.0, ::) means this machine. Without `allow_remote` a host name other than localhost
    is looked up: all its addresses have to be loopback or private. It is looked up again to connect, so this guards
    against mistakes and not against whoever rules the user's DNS. `source` is named in errors. Raises BadConfig.
    """
    text = (given or "").strip().strip("\"'").strip()
    try:
        scheme, host, port, path = _parts(text)
        return _checked(scheme, host, port, path, resolve=None if allow_remote else resolve)
    except ValueError as error:
        # What stands before an @ may be a password.
        shown = "the address" if "@" in text else f"'{_shown(text)}'"
        raise BadConfig(source=source, problem=f"{shown} {error}") from error


def _shown(text: str) -> str:
    return clean_line(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")


def _parts(text: str) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path. Raises ValueError with what is wrong, to follow the address in a line."""
    if len(text) > _LONGEST:
        raise ValueError("is too long for an address")
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("holds a character that no address has")
    if "@" in text:
        raise ValueError("holds a user name or password (@), which is not sent anywhere")
    scheme, mark, rest = text.partition("://")
    if not mark:
        scheme, rest = "http", text
    if (scheme := scheme.lower()) not in _SCHEMES:
        raise ValueError("must begin with http:// or https://, or with the host")
    place, slash, path = rest.partition("/")
    if not _PATH.fullmatch(slash + path):
        raise ValueError("has a path of other than plain names")
    if mark and not place:
        raise ValueError("has no host")
    host, port = _host_and_port(place, _SCHEMES[scheme] if mark else DEFAULT_PORT)
    return scheme, host or "127.0.0.1", port, (slash + path).rstrip("/")


def _host_and_port(place: str, port: int) -> tuple[str, int]:
    if brackets := _BRACKETS.fullmatch(place):
        host, colon, digits = brackets.groups()
    elif place.count(":") > 1:  # an IPv6 address as such
        return place, port
    else:
        host, colon, digits = place.partition(":")
    if not colon:
        return host, port
    if not re.fullmatch(r"[0-9]{1,5}", digits) or not 1 <= int(digits) <= 65_535:
        raise ValueError("has no port from 1 to 65535 after its colon")
    return host, int(digits)


def _checked(scheme: str, host: str, port: int, path: str, *, resolve: Resolve | None) -> Address:
    ip = _ip(host)
    if ip is not None:
        if ip.is_unspecified:
            ip = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
        if resolve and not _is_near(ip):
            raise ValueError(f"is neither this machine nor in a private network; {ALLOW} allows it")
        return Address(scheme, str(ip), port, path, ip.is_loopback)
    name = host.lower().removesuffix(".")
    if any(name == cloud or name.endswith(f".{cloud}") for cloud in _CLOUD):
        raise ValueError("is Ollama's cloud, to which your code would go; give a server of your own")
    loopback = name == "localhost" or name.endswith(".localhost")
    if resolve and not loopback:
        loopback = _is_all_loopback(name, resolve)
    return Address(scheme, name, port, path, loopback)


def _ip(host: str) -> Ip | None:
    """Return what a numeric host means, None for a name. Raises ValueError for what is neither."""
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        labels = host.removesuffix(".").split(".")
        # Many programs take 2852039166, 0x7f000001 and 127.1 for addresses too, though not all for the same.
        if _NUMBER.fullmatch(labels[-1]):
            raise ValueError(
                "has a number for a host; write it as four numbers from 0 to 255, without zeros before"
            ) from None
        if len(host) > _LONGEST_NAME or not all(_LABEL.fullmatch(label) for label in labels):
            raise ValueError("has no valid host name") from None
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def _is_near(ip: Ip) -> bool:
    return ip.is_loopback or any(ip in network for network in _PRIVATE)


def _is_all_loopback(name: str, resolve: Resolve) -> bool:
    """Tell whether a name stands for this machine. Raises ValueError if it may stand for a far one."""
    try:
        ips = [_ip(found.partition("%")[0]) for found in resolve(name)]
    except OSError as error:
        raise ValueError("is a host name that nobody knows here") from error
    if not ips or not all(ip and _is_near(ip) for ip in ips):
        raise ValueError(f"is neither this machine nor in a private network; {ALLOW} allows it")
    return all(ip and ip.is_loopback for ip in ips)
