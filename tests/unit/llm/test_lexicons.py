"""Lexicons on disk: made once, made again when they are not what was written, and never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dispatcher.llm import lexicons
from dispatcher.llm.counting import Counter
from dispatcher.llm.lexicon import VERSION, NotExact
from dispatcher.llm.vocabulary import Vocabulary, of_metadata
from tests.unit.llm import slow_counting as slow

TINY = of_metadata(slow.in_bytes())
TEXT = "the cat and the hat\n"
EXPECTED = slow.count(TINY, TEXT)
DIGEST = "sha256:" + "ab" * 32
HERE = Path(__file__).parents[3]
IN_PARALLEL = """
import sys
from dispatcher.llm import lexicons
from dispatcher.llm.counting import Counter
from dispatcher.llm.vocabulary import of_metadata
from tests.unit.llm import slow_counting
sys.stdin.readline()
for n in range(3):
    lexicon = lexicons.opened(f"many-{n}", lambda: of_metadata(slow_counting.in_bytes()), sys.argv[1])
    print(Counter(lexicon).count("the cat and the hat\\n"))
"""


class Fetch:
    """Gives the vocabulary, and knows how often it was asked."""

    def __init__(self, gives: Callable[[], Vocabulary] = lambda: TINY) -> None:
        self.times = 0
        self._gives = gives

    def __call__(self) -> Vocabulary:
        self.times += 1
        return self._gives()


def counted(folder: Path, fetch: Callable[[], Vocabulary], digest: str = DIGEST) -> int:
    return Counter(lexicons.opened(digest, fetch, str(folder))).count(TEXT)


def only(folder: Path) -> Path:
    (found,) = folder.iterdir()
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "dispatcher" / "lexicons"


def test_a_vocabulary_is_fetched_once(folder: Path) -> None:
    fetch = Fetch()
    assert [counted(folder, fetch) for _ in range(3)] == [EXPECTED] * 3
    assert fetch.times == 1
    assert only(folder).name == f"sha256-{'ab' * 32}.{VERSION}.lexicon"


def test_only_the_user_can_read_it(folder: Path) -> None:
    counted(folder, Fetch())
    assert only(folder).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    "damage",
    [
        lambda _data: b"",
        lambda data: data[:7],
        lambda data: data[:40],
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"\0" * len(data),
        lambda _data: b"garbage!" * 1000,
        lambda data: b"LEXICON\n" + data[8:],
        lambda data: data[:8] + bytes([data[8] + 1]) + data[9:],
        lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :],
        lambda data: data[:-1] + bytes([data[-1] ^ 128]),
    ],
)
def test_a_damaged_file_is_made_again(folder: Path, damage: Callable[[bytes], bytes]) -> None:
    fetch = Fetch()
    counted(folder, fetch)
    path = only(folder)
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert counted(folder, fetch) == EXPECTED
    assert fetch.times == 2
    assert len(path.read_bytes()) == len(whole)
    assert counted(folder, fetch) == EXPECTED
    assert fetch.times == 2


def test_every_flipped_byte_is_noticed(folder: Path) -> None:
    counted(folder, Fetch())
    path = only(folder)
    whole = path.read_bytes()
    for at in range(0, len(whole), 397):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert counted(folder, Fetch()) == EXPECTED, at


def test_a_copy_is_as_good(folder: Path) -> None:
    counted(folder, Fetch())
    path = only(folder)
    path.write_bytes(path.read_bytes())
    fetch = Fetch()
    assert counted(folder, fetch) == EXPECTED
    assert fetch.times == 0


@pytest.mark.parametrize("put", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_no_file_is_not_read(folder: Path, put: Callable[[str], None]) -> None:
    counted(folder, Fetch())
    path = only(folder)
    path.unlink()
    put(str(path))
    fetch = Fetch()
    assert counted(folder, fetch) == EXPECTED
    assert fetch.times == 1


def test_what_cannot_be_exact_is_remembered(folder: Path) -> None:
    def refuses() -> Vocabulary:
        raise NotExact("the vocabulary is of the kind 'newest', whose rules are not known")

    fetch = Fetch(refuses)
    for _ in range(3):
        with pytest.raises(NotExact, match=r"^the vocabulary is of the kind 'newest', whose rules are not known$"):
            counted(folder, fetch)
    assert fetch.times == 1
    assert only(folder).stat().st_size < 200


def test_a_fetch_that_fails_leaves_nothing(folder: Path) -> None:
    def fails() -> Vocabulary:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        counted(folder, fails)
    assert counted(folder, Fetch()) == EXPECTED


def test_without_a_folder_it_is_counted_in_memory(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    fetch = Fetch()
    assert counted(in_the_way / "lexicons", fetch) == EXPECTED
    assert fetch.times == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_on_a_full_disk_it_is_counted_in_memory(folder: Path) -> None:
    """A limit on the size of files stands for a full disk: both end a write half-way."""
    program = (
        "import resource, signal, sys\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from tests.unit.llm.test_lexicons import counted, Fetch, Path\nprint(counted(Path(sys.argv[1]), Fetch()))"
    )
    ended = subprocess.run(
        # Without -B it would leave bytecode that is cut short, which Python puts in place even so.
        [sys.executable, "-B", "-c", program, str(folder)], cwd=HERE, capture_output=True, text=True, check=True
    )  # fmt: skip
    assert ended.stdout.split() == [str(EXPECTED)]
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    "digest", ["../../x", "a/b", "..", ".hidden", "UPPER", "a\0b", "\u00e9", "x" * 300, "sha256:\ud800", "a\nb"]
)
def test_a_digest_is_only_a_name_if_it_may_be_one(folder: Path, digest: str) -> None:
    fetch = Fetch()
    assert counted(folder, fetch, digest) == counted(folder, fetch, digest) == EXPECTED
    assert fetch.times == 1
    assert only(folder).name.startswith("hashed-")
    assert sorted(path.name for path in folder.parent.iterdir()) == ["lexicons", "lexicons.lock"]


def test_the_files_used_last_stay(folder: Path) -> None:
    for number in range(lexicons.KEPT):
        counted(folder, Fetch(), f"old-{number}")
        os.utime(folder / f"old-{number}.{VERSION}.lexicon", (number, number))
    counted(folder, Fetch(), "old-0")  # used, and so no longer the oldest
    counted(folder, Fetch(), "new")
    names = {path.name.partition(".")[0] for path in folder.iterdir()}
    assert names == {"new", "old-0", *(f"old-{number}" for number in range(2, lexicons.KEPT))}


def test_what_killed_processes_have_left_is_removed(folder: Path) -> None:
    folder.mkdir(parents=True)
    old, fresh, other = folder / ".a.1.lexicon.0f", folder / ".b.1.lexicon.0f", folder / "notes"
    for path in (old, fresh, other):
        path.write_text("")
    os.utime(old, (0, 0))
    os.utime(fresh, (time.time(), time.time()))
    counted(folder, Fetch())
    assert not old.exists()
    assert fresh.exists()
    assert other.exists()


def test_ten_processes_at_once_count_right(folder: Path) -> None:
    command = [sys.executable, "-c", IN_PARALLEL, str(folder)]
    running = [
        subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(10)
    ]
    outputs = [process.communicate("go\n", timeout=120)[0].split() for process in running]
    assert outputs == [[str(EXPECTED)] * 3] * 10
    assert sorted(path.name for path in folder.iterdir()) == [f"many-{n}.{VERSION}.lexicon" for n in range(3)]


def test_a_count_from_disk_imports_little(folder: Path) -> None:
    counted(folder, Fetch())
    program = (
        "import sys\nfrom dispatcher.llm import lexicons\nfrom dispatcher.llm.counting import Counter\n"
        f"Counter(lexicons.opened({DIGEST!r}, lambda: 1 / 0, sys.argv[1])).count('the cat')\nprint(*sys.modules)"
    )
    command = [sys.executable, "-c", program, str(folder)]
    loaded = subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=True).stdout.split()
    unwanted = {"typing", "pathlib", "bisect", "heapq", "hashlib", "tempfile", "dataclasses", "random", "json"}
    assert unwanted & set(loaded) == set()
    assert [name for name in loaded if name.startswith("dispatcher.llm.")] == [
        f"dispatcher.llm.{name}" for name in ("merging", "lexicon", "lexicons", "pretokens", "counting")
    ]


def test_without_a_digest_nothing_is_kept_for_another_model_to_find(folder: Path) -> None:
    fetch = Fetch()
    assert counted(folder, fetch, "") == counted(folder, fetch, "") == EXPECTED
    assert fetch.times == 2
    assert lexicons.at_hand("", str(folder)) is None
    assert not folder.exists()
