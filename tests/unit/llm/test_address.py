"""Where a model server is: read as Ollama reads it, and refused where it may be anywhere else."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.errors import BadConfig, ExitCode
from dispatcher.llm import address
from dispatcher.llm.address import parse
from dispatcher.text import clean_line
from tests.property.world import examples

LAN = {
    "gpu-box": ["192.168.1.5"],
    "mine": ["127.0.0.1", "::1"],
    "far": ["192.168.1.5", "8.8.8.8"],
    "odd": ["fe80::1%eth0"],
}


def known(name: str) -> list[str]:
    if name not in LAN:
        raise OSError(-2, "Name or service not known")
    return LAN[name]


@pytest.mark.parametrize(
    ("given", "url"),
    [
        (None, "http://127.0.0.1:11434"),
        ("", "http://127.0.0.1:11434"),
        ("  ", "http://127.0.0.1:11434"),
        ("localhost", "http://localhost:11434"),
        ("LocalHost.", "http://localhost:11434"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080"),
        (":8080", "http://127.0.0.1:8080"),
        ("'192.168.1.5'", "http://192.168.1.5:11434"),
        ("0.0.0.0", "http://127.0.0.1:11434"),  # noqa: S104 - what Ollama listens on
        ("http://0.0.0.0:9", "http://127.0.0.1:9"),
        ("[::]:9", "http://[::1]:9"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::ffff:127.0.0.1]:1", "http://127.0.0.1:1"),
        ("http://localhost", "http://localhost:80"),
        ("https://10.0.0.7", "https://10.0.0.7:443"),
        ("HTTP://10.0.0.7:1234/", "http://10.0.0.7:1234"),
        ("http://10.0.0.7:1234/ollama/v0.1/", "http://10.0.0.7:1234/ollama/v0.1"),
        ("gpu-box:11434", "http://gpu-box:11434"),
    ],
)
def test_what_an_address_stands_for(given: str | None, url: str) -> None:
    assert parse(given, resolve=known).url == url


@pytest.mark.parametrize(
    ("given", "loopback"),
    [("127.8.8.8", True), ("[::1]", True), ("localhost", True), ("a.localhost", True), ("mine", True), ("10.1.1.1", False),
     ("gpu-box", False)],
)  # fmt: skip
def test_this_machine_is_told_from_its_network(given: str, loopback: bool) -> None:
    assert parse(given, resolve=known).loopback is loopback


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("user@127.0.0.1:11434@evil.com", "user name"),
        ("http://127.0.0.1@evil.com", "user name"),
        ("2852039166", "number for a host"),
        ("http://2130706433:11434", "number for a host"),
        ("0x7f000001", "number for a host"),
        ("127.1", "number for a host"),
        ("0177.0.0.1", "number for a host"),
        ("127.0.0.0x1", "number for a host"),
        ("256.1.1.1", "number for a host"),
        ("127.0.0.1.", "number for a host"),
        ("127.0.0.1:", "port"),
        ("127.0.0.1:0", "port"),
        ("127.0.0.1:65536", "port"),
        ("127.0.0.1:٣", "character"),
        ("127.0.0.1:-1", "port"),
        ("127.0.0.1:80a", "port"),
        ("[::1]x:80", "host"),
        ("[::1", "host"),
        ("1:2:3", "host"),
        ("127.0.0.1\n.evil.com", "character"),
        ("127.0.0.1\x1b[31m", "character"),
        ("127.0.0.1 evil.com", "character"),
        ("localhost\u202e", "character"),
        ("ⓛocalhost", "character"),
        ("ftp://127.0.0.1", "http://"),
        ("file:///etc/passwd", "http://"),
        ("//evil.com", "path"),
        ("http://", "no host"),
        ("http:///x", "no host"),
        ("127.0.0.1/../x", "path"),
        ("127.0.0.1/a?b=c", "path"),
        ("127.0.0.1#x", "host"),
        ("127.0.0.1\\@evil.com", "user name"),
        ("127.0.0.1%00", "host"),
        ("-x", "host"),
        ("a..b", "host"),
        ("a" * 64, "host"),
        ("a." * 150 + "b", "host"),
        ("x" * 3000, "too long"),
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_in_one_clear_line(given: str, words: str) -> None:
    with pytest.raises(BadConfig, match=words) as caught:
        parse(given, "setting llm.url", allow_remote=True, resolve=known)
    line = str(caught.value)
    assert line.startswith("setting llm.url: ")
    assert line.isprintable()
    assert len(line) < 250
    assert caught.value.exit_code == ExitCode.CONFIG


@pytest.mark.parametrize(
    "given", ["8.8.8.8", "http://[2001:db8::1]:80", "169.254.169.254", "100.64.0.1", "[::ffff:8.8.8.8]", "far", "odd"]
)
def test_what_may_be_anywhere_has_to_be_allowed(given: str) -> None:
    with pytest.raises(BadConfig, match=address.ALLOW):
        parse(given, resolve=known)
    assert not parse(given, allow_remote=True).loopback


def test_a_name_that_nobody_knows_is_told() -> None:
    with pytest.raises(BadConfig, match="'no-such' is a host name that nobody knows"):
        parse("no-such", resolve=known)


@pytest.mark.parametrize("given", ["ollama.com", "https://ollama.com", "api.Ollama.com.", "ollama.ai"])
@pytest.mark.parametrize("allowed", [True, False])
def test_the_cloud_is_refused_in_words_of_its_own(given: str, allowed: bool) -> None:
    with pytest.raises(BadConfig, match="Ollama's cloud"):
        parse(given, allow_remote=allowed, resolve=known)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(BadConfig) as caught:
        parse("http://ann:s3cret@10.0.0.1")
    assert "s3cret" not in str(caught.value)


def test_names_of_this_machine_are_not_looked_up() -> None:
    def lookup(name: str) -> list[str]:
        raise AssertionError(name)

    assert parse("localhost:1", resolve=lookup).loopback
    assert parse("gpu.example.org", allow_remote=True, resolve=lookup).host == "gpu.example.org"


def test_this_machines_own_names_are_found() -> None:
    assert set(address.resolved("localhost")) <= {"127.0.0.1", "::1"}


@examples(100)
@given(st.text(max_size=40) | st.from_regex(r"(https?://)?[0-9a-fx.:\[\]@/]{1,30}", fullmatch=True))
def test_whatever_is_given_is_an_address_near_by_or_one_line_of_error(given: str) -> None:
    try:
        found = parse(given, resolve=known)
    except BadConfig as error:
        assert clean_line(str(error)) == str(error)  # noqa: PT017 - either is right
        return
    assert found.scheme in {"http", "https"}
    assert 1 <= found.port <= 65_535
    ips = [
        ipaddress.ip_address(ip)
        for ip in ([found.host] if found.host not in LAN else known(found.host))
        if ip != "localhost"
    ]
    assert all(ip.is_loopback or ip.is_private for ip in ips)
    assert parse(found.url, resolve=known) == found


def test_an_address_of_one_s_own_is_this_machine_though_it_is_not_loopback() -> None:
    """127.0.0.2 stands for one of a network card's: what matters is that one can listen there."""
    here, there = parse("127.0.0.2")._replace(loopback=False), parse("192.0.2.1", allow_remote=True)
    assert address.is_here(here)
    assert address.is_here(parse("localhost"))
    assert not address.is_here(there)
    assert not address.is_here(there._replace(host="no-such-host.invalid"))
