"""SC10: no piece of a secret reaches a file of ours or a terminal, wherever a test has it and wherever it is cut."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import mending, suites
from tests.support import Run

ENVIRONMENT = {
    "DEPLOY_TOKEN": "Zq7xW3vK9pLm2Rt5Yb8N",
    "my_secret_value": "hG4dF6sJ1kQ0wE2uI9oP",
    "SSH_KEY": "8cVbN5mX/aSdF3+hJkL7=",
    "PGPASSWORD": "tr0ub4dor&Ex7ZpQ",
}
LOCAL = ("Mango99Kiwi77Lychee55", "Ab12Cd34Ef56Gh78Ij90", "Wombat42Quokka17Dingo")
"""What only the names of variables tell to be secret."""

SHORTEST = 5
"""So long a piece of a secret counts as one."""

VAULT = '''
    """
    >>> import vault
    >>> vault.token()
    'x'
    >>> print(vault.token() * 300)
    x
    """

    import json
    import os


    def token():
        return os.environ["DEPLOY_TOKEN"]


    def sign(password, salt):
        digest = password[::-1][::-1]
        raise ValueError("cannot sign with " + password)


    class Client:
        def __init__(self, api_token):
            self.api_token = api_token

        def __repr__(self):
            return f"Client({self.api_token!r})"


    def connect(client, url):
        try:
            json.loads(client.api_token)
        except ValueError as error:
            raise ConnectionError(f"{url} refused {client!r}") from error
'''
TESTS = f"""
    import logging
    import os
    import sys
    import unittest
    import warnings

    import pytest
    import vault

    T, S, K, P = ALL = [os.environ[name] for name in {list(ENVIRONMENT)}]

    def local():
        with open(os.path.join(os.path.dirname(__file__), "..", "local.txt")) as file:
            return file.read().split()

    # Those of the environment

    @pytest.mark.parametrize("v", ALL)
    def test_ids(v):
        assert v == "none"

    @pytest.mark.parametrize("v", range(4), ids=[v + "-x" for v in ALL])
    def test_parts_of_ids(v):
        assert v == "none"

    @pytest.mark.skip(reason="needs " + T)
    def test_skipped():
        pass

    def test_skips():
        pytest.skip("needs " + S)

    @pytest.mark.xfail(reason="needs " + S, strict=True)
    def test_passes():
        pass

    def test_output():
        print("out", *ALL)
        print("err", repr(ALL), file=sys.stderr)
        logging.getLogger("x").warning("log %s", ALL)
        warnings.warn("warned " + T)
        assert 1 == 2

    def test_chain():
        try:
            try:
                raise ValueError("deep " + T)
            except ValueError as error:
                raise KeyError(S) from error
        except KeyError:
            error = RuntimeError("top " + K)
            error.add_note("note " + P)
            raise error

    def test_group():
        raise ExceptionGroup(T, [ValueError(S), TypeError(K)])

    @pytest.mark.parametrize("n", [-20, -13, -6])
    def test_cut_values(n):
        words = "x" * (200 + n) + T + "y" * 300
        more = ["a", words[1:]]
        assert words == "nothing"

    @pytest.mark.parametrize("n", [-20, -13, -6])
    def test_cut_texts(n):
        print("a" * 5000 + S + "b" * (4000 + n))
        print("a" * 50 + K + "b" * (4000 + n), file=sys.stderr)
        raise ValueError("z" * (2000 + n) + T + "y" * 9000 + K + "z" * (2000 + n))

    @pytest.mark.parametrize("n", range(97, 121, 6))
    def test_cut_by_pytest(n):
        left = "x" * n + T + "y" * 300 + S + "x" * (n // 2)
        assert left == "x" * n + T + "y" * 300 + K + "!" + "x" * (n // 2)

    @pytest.mark.parametrize("n", [0, 3])
    def test_skipped_by_pytest(n):
        assert "q" * 100 + T + "q" * n + "a" == "q" * 100 + T + "q" * n + "b"

    @pytest.mark.parametrize("n", [0, 3])
    def test_skipped_at_the_end_by_pytest(n):
        assert "a" + "q" * n + T + "q" * 100 == "b" + "q" * n + T + "q" * 100

    def test_skipped_with_a_local_secret():
        password = local()[0]
        assert "q" * 100 + password + "a" == "q" * 100 + password + "b"

    def test_lines():
        assert ["same"] * 30 + [T, "a"] + ["same"] * 30 == ["same"] * 30 + [T, "b"] + ["same"] * 30

    def test_many():
        assert [T] * 50 == [S] * 49 + [K]

    def test_dictionary():
        assert {{"a": T, "b": {{S: K}}}} == {{"a": T, "b": {{S: P}}}}

    def test_source():
        assert "{ENVIRONMENT["DEPLOY_TOKEN"]}" == 1; {"x" * 120} = 1; y = "{ENVIRONMENT["SSH_KEY"]}"

    class TestUnit(unittest.TestCase):
        maxDiff = None

        def test_equal(self):
            self.assertEqual("q" * 190 + T + "q" * 300, "q" * 190 + S + "q" * 300)

        def test_begins_alike(self):
            for n in (42, 47, 52, 57):
                with self.subTest(n=n):
                    self.assertEqual("q" * 300 + T + "q" * n + "a", "q" * 300 + T + "q" * n + "b")

        def test_ends_alike(self):
            self.assertEqual(["a", T, "q" * 300], ["b", T, "q" * 300])

        def test_begins_with_it(self):
            self.assertEqual([T + "q" * 300 + K], [T + "q" * 300 + S + "q" * 300])

        def test_parts(self):
            for v in ALL:
                with self.subTest(v, v=v):
                    self.assertEqual(v, "none")

    def test_subtests(subtests):
        for v in ALL:
            with subtests.test(v, v=v):
                assert v == "none"

    def test_exit():
        raise SystemExit(T)

    def test_dies():
        print("dying", T, flush=True)
        sys.stderr.write(S + "\\n")
        os._exit(7)

    # Those that only variables tell

    def test_password():
        password, api_token = local()[:2]
        print("local", password, api_token)
        assert password == api_token

    def test_signs():
        password = local()[0]
        vault.sign(password, "salt")

    @pytest.mark.parametrize("n", [-20, -13, -6])
    def test_cut_password(n):
        password, api_token, secret = local()
        words = ["q" * (196 + n) + secret]
        assert "x" * (200 + n) + password + "y" * 200 == "x" * (200 + n) + api_token

    def test_headers():
        password, api_token, secret = local()
        headers = {{"authorization": "token " + api_token, "x": [secret] * 30}}
        assert headers == {{"authorization": "none"}}

    def test_client():
        api_token = local()[1]
        vault.connect(vault.Client(api_token), "https://user:" + P + "@host/")

    def test_bytes():
        secret = local()[2].encode()
        assert b"prefix" + secret == b""

    @pytest.fixture
    def broken():
        password = local()[0]
        raise LookupError("no " + password)

    @pytest.fixture
    def breaks():
        password = local()[0]
        yield
        raise LookupError("down " + password)

    def test_setup(broken):
        pass

    def test_teardown(breaks):
        pass
"""
COLLECTED = """
    import os
    raise RuntimeError("collecting " + os.environ["DEPLOY_TOKEN"])
"""
FILES = {
    "pytest.ini": "[pytest]\npythonpath = src\ntestpaths = tests src\naddopts = --doctest-modules\n",
    "src/vault.py": VAULT, "tests/test_vault.py": TESTS, "tests/test_collected.py": COLLECTED,
    "local.txt": " ".join(LOCAL),
}  # fmt: skip


@pytest.fixture
def _secrets(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert project
    suites.be_quiet(monkeypatch)
    monkeypatch.setenv("DISPATCHER_SCAN_EVIDENCE", "true")
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


def pieces() -> Iterator[str]:
    """Yield every piece of every secret."""
    for secret in (*ENVIRONMENT.values(), *LOCAL):
        yield from (secret[n : n + SHORTEST] for n in range(len(secret) - SHORTEST + 1))


def texts(root: Path) -> Iterator[tuple[str, str]]:
    """Yield what the files below a root hold, compressed ones too, and their names."""
    for path in (path for path in root.rglob("*") if path.is_file()):
        data = path.read_bytes()
        yield path.name, data.decode(errors="replace") + path.name
        for wbits in (31, 15, -15):
            try:
                yield path.name, zlib.decompress(data, wbits).decode(errors="replace")
                break
            except zlib.error:
                continue


def leaks(where: str, text: str) -> list[str]:
    """Return the pieces of secrets in a text, with what is around the first of them."""
    found = [piece for piece in pieces() if piece in text]
    return [where, *found, text[max(0, text.find(found[0]) - 80) :][:160]] if found else []


@pytest.mark.usefixtures("_secrets")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--reruns", "1"), id="in one process"),
        pytest.param(("--", "-p", "xdist", "-n", "2"), id="in workers", marks=pytest.mark.campaign),
    ],
)
def test_no_piece_of_a_secret_reaches_a_file_or_is_printed(
    run: Run, root: Path, project: Path, options: tuple[str, ...]
) -> None:
    suites.write(project, FILES)
    mending.git("init", "--quiet")
    mending.git("add", "src")
    mending.git("commit", "--quiet", "--message", "x" * 88 + ENVIRONMENT["DEPLOY_TOKEN"])
    ran = run("scan", "--no-group", *options, code=1)
    assert "2 skipped" in ran.out
    tasks = run("list", "--json").json["tasks"]
    assert sum(row["tests"] for row in tasks) == 51
    said = {"scan": ran.out + ran.err}
    for row in tasks if "--reruns" in options else tasks[-3:]:  # what is shown is in the files, which are looked at too
        said[row["id"]] = run("show", row["id"]).out
    for argv in (("claim", "--agent", "me"), ("claim", "--agent", "me", "--json"), ("log", "--json"), ("status",)):
        said[" ".join(argv)] = run(*argv).out
    assert [leak for where, text in said.items() if (leak := leaks(where, text))] == []
    assert [leak for where, text in texts(root) if (leak := leaks(where, text))] == []
    shown = "".join(said.values())
    assert "[redacted" in shown
    assert "## Values" in shown
    assert "changed 20" in shown or "--reruns" not in options
