"""What a session's log adds up to, also where it holds what no version of ours has written."""

from __future__ import annotations

import pytest

from dispatcher.context.window import decide
from dispatcher.context.window_state import Asked
from dispatcher.dispatch.windows import ADJUSTED, OVERRIDDEN, Kept, kept

FIRST = decide(None, Asked("a", 131_072))
SECOND = decide(None, Asked("b", 131_072, profile="dynamic"))
BEFORE: list[object] = [
    {"type": OVERRIDDEN, "target": 8192},
    {"type": ADJUSTED, "window": FIRST.to_dict()},
    {"type": ADJUSTED, "window": SECOND.to_dict()},
]
SOUND = Kept({"a": FIRST, "b": SECOND}, 8192)


def test_each_model_has_its_last_window_and_a_new_one_follows_the_session_s() -> None:
    found = kept(BEFORE)
    assert found == SOUND
    assert [found.before(model) for model in ("a", "b", "c")] == [FIRST, SECOND, SECOND]
    again = kept([*BEFORE, {"type": ADJUSTED, "window": FIRST.to_dict()}])
    assert again.before("c") == FIRST
    assert kept([]).before("a") is None


@pytest.mark.parametrize(
    "event",
    [
        "x", None, {}, {"type": "of tomorrow", "target": 1}, {"type": ADJUSTED}, {"type": ADJUSTED, "window": None},
        {"type": ADJUSTED, "window": {"model": "a"}}, {"type": [], "window": {}},
    ],
)  # fmt: skip
def test_what_is_not_understood_changes_nothing(event: object) -> None:
    assert kept([*BEFORE, event]) == SOUND


@pytest.mark.parametrize("target", [None, "8192", 0, -1, 1.5, True, []])
def test_an_override_that_is_none_leaves_it_to_the_settings(target: object) -> None:
    assert kept([*BEFORE, {"type": OVERRIDDEN, "target": target}]).target is None
    assert kept([*BEFORE, {"type": OVERRIDDEN}]).target is None
