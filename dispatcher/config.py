"""Settings: default < config.yaml < environment < flag, and each value knows where it came from."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from dispatcher.errors import BadConfig, InvalidInput
from dispatcher.yaml_source import flatten

FILE = "config.yaml"
MAX_FILE_BYTES = 1_000_000
_TRUE, _FALSE = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


class Spec(NamedTuple):
    """One setting: its default, how a value is read, what it is for (with its unit), and a second variable for it."""

    default: Any
    read: Callable[[Any], Any]
    purpose: str
    other_variable: str = ""


class Value(NamedTuple):
    """A setting's value and where it came from."""

    value: Any
    source: str


MAX_SHOWN = 60
MAX_NAME = 300


def _number(kind: type[int | float], low: float, high: float) -> Callable[[Any], Any]:
    def read(given: object) -> int | float:
        if isinstance(given, bool) or not isinstance(given, int | float | str):
            raise ValueError(_range(low, high))  # noqa: TRY004 - told as any other wrong value
        try:
            number = kind(given)
        except (ValueError, OverflowError):
            raise ValueError(_range(low, high)) from None
        if not low <= number <= high:  # NaN is not in any range
            raise ValueError(_range(low, high))
        if isinstance(given, float) and number != given:
            raise ValueError("must be a whole number")
        return number

    return read


def _range(low: float, high: float) -> str:
    return f"must be a number from {low:g} to {high:.10g}"


def _truth(given: object) -> bool:
    text = str(given).lower()
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise ValueError("must be true or false")


def _one_of(*words: str) -> Callable[[Any], Any]:
    def read(given: object) -> str:
        word = str(given).strip().lower()
        if word not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return word

    return read


def _name(given: object) -> str:
    name = given.strip() if isinstance(given, str) else ""
    if not name.isprintable() or not 1 <= len(name) <= MAX_NAME or " " in name:
        raise ValueError("must be a name without spaces")
    return name


_TOKENS = 1 << 24
"""No window is larger than this."""

SPECS: dict[str, Spec] = {
    "claim.lease": Spec(900.0, _number(float, 0.1, 31_536_000), "seconds a claim holds without a heartbeat"),
    "claim.maxAttempts": Spec(3, _number(int, 1, 1000), "attempts after which a task is FAILED"),
    "claim.backoff": Spec(60.0, _number(float, 0, 3600), "seconds before the second retry; doubles with each"),
    "context.profile": Spec(
        "hard-4096",
        _one_of("hard-4096", "dynamic", "manual"),
        "how large a window is: 4,096 tokens, as much as is needed, or context.targetSize",
    ),
    "context.targetSize": Spec(
        16_384, _number(int, 256, _TOKENS), "tokens of the window of the profile manual", "OLLM_CONTEXT_SIZE"
    ),
    "context.minSize": Spec(2048, _number(int, 256, _TOKENS), "tokens that a window has at least"),
    "context.maxSize": Spec(0, _number(int, 0, _TOKENS), "tokens that a window has at most; 0: 90 % of the model's"),
    "context.systemShare": Spec(0.2, _number(float, 0, 0.9), "share of the window for the instructions to the model"),
    "context.answerShare": Spec(0.3, _number(float, 0.05, 0.9), "share of the window that is kept for the answer"),
    "context.autoSize": Spec(
        True, _truth, "ask for a window at all; false leaves its size to the server", "OLLM_CONTEXT_AUTO"
    ),
    "context.compression.threshold": Spec(
        0.8, _number(float, 0.1, 0.9), "share of the room for a prompt from which a conversation is to be compressed"
    ),
    "context.vramBuffer": Spec(
        512, _number(int, 0, 1 << 20), "MiB of the GPU's memory that are left free", "OLLM_CONTEXT_VRAM_BUFFER"
    ),
    "context.kvQuantization": Spec(
        "q8_0", _one_of("f16", "q8_0", "q4_0"), "type of the KV cache that the server should have", "OLLM_KV_CACHE_TYPE"
    ),
    "llm.model": Spec("ministral-3:8b", _name, "the model that is asked when none is named"),
    "llm.timeout": Spec(120.0, _number(float, 1, 86_400), "seconds that an answer of the model's server may take"),
    "llm.allowRemote": Spec(False, _truth, "allow a server that is neither on this machine nor in a private network"),
    "lock.timeout": Spec(10.0, _number(float, 0, 3600), "seconds to wait for the state's lock"),
    "prune.auto": Spec(True, _truth, "prune after a command when a limit is well passed"),
    "prune.keepClosed": Spec(100, _number(int, 0, 1_000_000), "closed tasks that stay in the ledger"),
    "prune.archiveAfterDays": Spec(7.0, _number(float, 0, 36_500), "days until a completed task is archived"),
    "prune.keepProgress": Spec(10, _number(int, 1, 1000), "lines of progress kept in a task"),
    "prune.journalMaxBytes": Spec(
        4_194_304, _number(int, 1, 1 << 32), "size in bytes from which pruning begins a new journal segment"
    ),
    "scan.evidence": Spec(True, _truth, "run new failures again beside passing tests, to see whom to blame"),
    "scan.evidenceTimeout": Spec(30.0, _number(float, 1, 3600), "seconds of tests that this may take"),
    "scan.fileTimeout": Spec(
        60.0, _number(float, 0, 86_400), "seconds to collect one file, to start or to end; 0: any"
    ),
    "scan.testTimeout": Spec(300.0, _number(float, 0, 86_400), "seconds a test may take before it is stopped; 0: any"),
    "scan.timeout": Spec(3600.0, _number(float, 0, 604_800), "seconds a run of the tests may take; 0: any"),
    "status.window": Spec(8192, _number(int, 256, 1 << 24), "tokens of the window that the ledger is measured against"),
}


class Settings:
    """All settings with their sources; immutable."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self._values = dict(values)

    def __iter__(self) -> Iterator[tuple[str, Value]]:
        return iter(self._values.items())

    def value(self, key: str) -> Value:
        """Return a setting with its source. Raises InvalidInput for a name that is none."""
        if key not in self._values:
            raise InvalidInput(what=f"setting '{key}'", problem=f"there is none of that name{_near(key)}")
        return self._values[key]

    def number(self, key: str) -> int:
        """Return a whole number."""
        return int(self._values[key].value)

    def seconds(self, key: str) -> float:
        """Return a number that may have a fraction."""
        return float(self._values[key].value)

    def share(self, key: str) -> float:
        """Return a part of a whole, from 0 to 1."""
        return float(self._values[key].value)

    def text(self, key: str) -> str:
        """Return a word."""
        return str(self._values[key].value)

    def flag(self, key: str) -> bool:
        """Return a yes or no."""
        return bool(self._values[key].value)


def load(
    file: bytes | None, file_name: str, environ: Mapping[str, str], flags: Mapping[str, Any] | None = None
) -> Settings:
    """Return the settings. `file` holds the bytes of config.yaml, None if there is none.

    Raises BadConfig that names the place: an unknown key, a value out of range, broken YAML.
    """
    if file is not None and len(file) > MAX_FILE_BYTES:
        raise BadConfig(source=file_name, problem=f"is larger than {MAX_FILE_BYTES:,} bytes")
    values = {key: Value(spec.default, "default") for key, spec in SPECS.items()}
    for key, (given, place) in flatten(file or b"", file_name).items():
        where = f"{file_name}, {place}"
        if key not in SPECS:
            raise BadConfig(source=where, problem=f"there is no setting '{key}'{_near(key)}")
        values[key] = _read(key, given, where, f"{FILE}, line {place.line}")
    for key, spec in SPECS.items():
        for name in (spec.other_variable, variable(key)):
            if name and (given := environ.get(name)):
                values[key] = _read(key, given, name, name)
    for key, given in (flags or {}).items():
        if given is not None:
            values[key] = _read(key, given, key, "flag")
    return Settings(values)


def template() -> str:
    """Return a settings file that changes nothing and shows what can be changed."""
    lines = ["# Settings of dispatcher. 'dispatcher config' shows what is in force."]
    for key, spec in SPECS.items():
        lines.append(f"# {key}: {str(spec.default).lower()}  # {spec.purpose}")
    return "\n".join(lines) + "\n"


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Return a line for each variable that looks like a setting and is none."""
    known = {variable(key) for key in SPECS} | {f"DISPATCHER_{n}" for n in ("ROOT", "AGENT", "CLAIM", "DEBUG")}
    strange = sorted(n for n in environ if n.startswith("DISPATCHER_") and n not in known)
    close = {n: difflib.get_close_matches(n, known, n=1) for n in strange}
    return [f"{n} is no setting" + (f"; did you mean {close[n][0]}?" if close[n] else "") for n in strange]


def variables(key: str) -> list[str]:
    """Return the environment variables of a setting, the one that goes before the other first."""
    return [name for name in (variable(key), SPECS[key].other_variable) if name]


def variable(key: str) -> str:
    """Return the environment variable of a setting: claim.maxAttempts is DISPATCHER_CLAIM_MAX_ATTEMPTS."""
    return "DISPATCHER_" + re.sub(r"(?<=[a-z])(?=[A-Z])|\.", "_", key).upper()


def _read(key: str, given: object, where: str, source: str) -> Value:
    try:
        return Value(SPECS[key].read(given), source)
    except ValueError as error:
        shown = "has no value" if given is None else f"is '{_shown(given)}'"
        raise BadConfig(source=where, problem=f"{key} {shown}, but it {error}") from error


def _shown(given: object) -> str:
    try:
        text = str(given)
    except ValueError:  # an integer of thousands of digits
        return "a huge number"
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _near(key: str) -> str:
    close = difflib.get_close_matches(key, SPECS, n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
