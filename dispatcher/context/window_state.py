"""What a decision about the window rests on, what it says, and how that is kept from one command to the next. Pure."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

Profile = Literal["hard-4096", "dynamic", "manual", "off"]
Reason = Literal["initial_setup", "usage_threshold", "model_change", "manual_override", "vram_limit", "no_adjustment"]
Limit = Literal["", "profile", "maxSize", "model", "memory"]

KEPT = 10
"""Adjustments that are remembered."""

_LARGEST = 1 << 40
"""Tokens, more than any window has: what claims more is damaged."""


class Sizes(NamedTuple):
    """The settings, in tokens: targetSize, minSize, maxSize (0: the model's), and where two profiles begin."""

    target: int = 16384
    minimum: int = 2048
    maximum: int = 0
    start: int = 8192
    hard: int = 4096


class Asked(NamedTuple):
    """What a decision rests on; sizes in tokens.

    `model_max`: the context length that the model was trained for. `memory`: the largest window that fits beside the
    weights and the buffer, None when that is not known. `loaded`: the window that the server has loaded for this
    model, None when it has not. `use`: what the prompt takes now. `at`: the caller's time or number of this turn.
    """

    model: str
    model_max: int
    use: int = 0
    profile: Profile = "hard-4096"
    sizes: Sizes = Sizes()
    memory: int | None = None
    loaded: int | None = None
    at: str = ""


class Adjustment(NamedTuple):
    """One change of the window: when, why, for which model, from and to how many tokens, and the use at that time."""

    at: str
    reason: Reason
    model: str
    before: int | None
    after: int | None
    use: int


class Window(NamedTuple):
    """What was decided, which is also all that the next decision needs to know.

    `num_ctx`: the tokens to ask for; None: nothing is sent, the server decides; 0: no window is possible, so no
    request may be made. `limited_by`: what keeps it from being as large as it should be, if anything. `impossible`:
    why it is smaller than minSize, or "". `wanted`: the tokens that the profile would have without any limit.
    """

    model: str
    profile: Profile
    num_ctx: int | None
    reason: Reason
    limited_by: Limit = ""
    impossible: str = ""
    wanted: int = 0
    history: tuple[Adjustment, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return {**self._asdict(), "history": [entry._asdict() for entry in self.history]}


def from_dict(data: object) -> Window | None:
    """Return the window that `to_dict` has written; None for anything else: damaged state counts as none."""
    if not isinstance(data, dict) or not _is_window(data):
        return None
    entries = data["history"]
    if not isinstance(entries, list) or not all(isinstance(e, dict) and _is_adjustment(e) for e in entries):
        return None
    history = tuple(Adjustment(**{name: e[name] for name in Adjustment._fields}) for e in entries[-KEPT:])
    return Window(**{name: data[name] for name in Window._fields[:-1]}, history=history)


def _is_window(data: dict[Any, Any]) -> bool:
    words = isinstance(data.get("model"), str) and isinstance(data.get("impossible"), str)
    return (
        words
        and set(Window._fields) <= set(data)
        and data["profile"] in get_args(Profile)
        and data["reason"] in get_args(Reason)
        and data["limited_by"] in get_args(Limit)
        and (data["num_ctx"] is None) == (data["profile"] == "off")
        and _is_size(data["num_ctx"])
        and data["wanted"] is not None
        and _is_size(data["wanted"])
    )


def _is_adjustment(data: dict[Any, Any]) -> bool:
    return (
        set(Adjustment._fields) <= set(data)
        and isinstance(data["at"], str)
        and isinstance(data["model"], str)
        and data["reason"] in get_args(Reason)
        and all(_is_size(data[name]) for name in ("before", "after"))
        and data["use"] is not None
        and _is_size(data["use"])
    )


def _is_size(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST)
