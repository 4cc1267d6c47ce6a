"""How large a window is asked for, profile by profile, and what is said about it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dispatcher.context.window import decide, next_smaller
from dispatcher.context.window_state import Adjustment, Asked, Sizes, Window, from_dict

MODEL = "ministral-3:8b"
LARGE = 131_072


def asked(**known: Any) -> Asked:  # noqa: ANN401 - fields of Asked
    return Asked(**{"model": MODEL, "model_max": LARGE, **known})


def dynamic(use: int = 0, **known: Any) -> Asked:  # noqa: ANN401 - fields of Asked
    return asked(profile="dynamic", use=use, **known)


def manual(target: int, maximum: int = 0, memory: int | None = None, **known: Any) -> Asked:  # noqa: ANN401 - the same
    return asked(profile="manual", sizes=Sizes(target=target, maximum=maximum), memory=memory, **known)


def turns(*questions: Asked) -> Window:
    state: Window | None = None
    for question in questions:
        state = decide(state, question)
    assert state is not None
    return state


def seen(window: Window) -> tuple[int | None, str, str]:
    return window.num_ctx, window.reason, window.limited_by


# The first window


@pytest.mark.parametrize(
    ("question", "num_ctx", "limited_by"),
    [
        (asked(), 4096, ""),
        (asked(model_max=4096), 3584, "model"),
        (asked(memory=3000), 2816, "memory"),
        (asked(use=50_000), 4096, ""),
        (dynamic(), 8192, ""),
        (dynamic(4096), 8192, ""),
        (dynamic(4097), 16384, ""),
        (dynamic(9000, sizes=Sizes(maximum=17_000)), 16896, "maxSize"),
        (dynamic(60_000), 117_760, "model"),
        (dynamic(60_000, model_max=262_144), 131_072, ""),
        (dynamic(70_000, model_max=1_048_576), 262_144, ""),
        (dynamic(sizes=Sizes(start=10_000)), 16384, ""),
        (manual(16384), 16384, ""),
        (manual(16384, memory=16_000), 15872, "memory"),
        (manual(5000), 5120, ""),
        (manual(1000), 2048, ""),
        (asked(profile="off"), None, ""),
    ],
)
def test_the_first_window_is_the_profile_s_within_its_bounds(
    question: Asked, num_ctx: int | None, limited_by: str
) -> None:
    window = decide(None, question)
    assert seen(window) == (num_ctx, "initial_setup", limited_by)
    assert window.impossible == ""


@pytest.mark.parametrize(
    ("question", "num_ctx", "says"),
    [
        (asked(model_max=2048), 1792, "90 % of the model's 2,048 tokens is 1,843 tokens, less than minSize 2,048"),
        (dynamic(memory=1100), 1024, "memory holds a window of 1,100 tokens beside the weights, less than minSize"),
        (manual(9000, memory=0), 0, "memory holds a window of 0 tokens beside the weights, less than minSize 2,048"),
        (manual(9000, memory=-5), 0, "memory holds a window of 0 tokens"),
        (dynamic(sizes=Sizes(maximum=1024)), 1024, "maxSize is 1,024 tokens, less than minSize 2,048"),
        (asked(sizes=Sizes(minimum=8192)), 4096, "the profile allows no more than 4,096 tokens, less than minSize"),
    ],
)
def test_a_window_under_the_minimum_is_what_is_possible_and_says_why(question: Asked, num_ctx: int, says: str) -> None:
    window = decide(None, question)
    assert window.num_ctx == num_ctx
    assert window.impossible.startswith(says)


def test_a_minimum_of_no_whole_blocks_is_had_where_it_is_allowed() -> None:
    window = decide(None, dynamic(sizes=Sizes(minimum=2100, start=0), memory=2200))
    assert (window.num_ctx, window.impossible) == (2100, "")


# What the server has loaded


@pytest.mark.parametrize(
    ("use", "loaded", "num_ctx"),
    [
        (100, 20_000, 20_000),
        (100, LARGE, 8192),
        (100, 4096, 8192),
        (5000, 10_000, 10_000),
        (5000, 9999, 16384),
    ],
)
def test_the_dynamic_profile_takes_a_loaded_window_that_suffices_and_is_allowed(
    use: int, loaded: int, num_ctx: int
) -> None:
    assert decide(None, dynamic(use, loaded=loaded)).num_ctx == num_ctx


@pytest.mark.parametrize("question", [asked(), manual(4096)])
def test_a_fixed_window_is_what_was_asked_for_whatever_is_loaded(question: Asked) -> None:
    assert decide(None, question._replace(loaded=8192)).num_ctx == 4096
    assert decide(None, question._replace(loaded=2048)).num_ctx == 4096


def test_following_the_server_to_a_larger_window_adjusts_nothing() -> None:
    window = turns(dynamic(), dynamic(100, loaded=32_768))
    assert seen(window) == (32_768, "no_adjustment", "")
    assert len(window.history) == 1


# Later turns


def test_use_past_half_of_the_window_grows_it_and_nothing_less_does() -> None:
    first = decide(None, dynamic())
    assert seen(decide(first, dynamic(4096))) == (8192, "no_adjustment", "")
    assert seen(decide(first, dynamic(4097))) == (16_384, "usage_threshold", "")
    assert seen(decide(first, dynamic(8193))) == (32_768, "usage_threshold", "")


def test_of_equal_bounds_the_one_that_a_person_has_set_is_named() -> None:
    assert decide(None, dynamic(memory=4096, sizes=Sizes(maximum=4096))).limited_by == "maxSize"
    assert decide(None, asked(memory=4096, sizes=Sizes(minimum=8192))).limited_by == "profile"


def test_a_window_that_cannot_grow_says_what_holds_it() -> None:
    window = turns(dynamic(), dynamic(5000, memory=9000), dynamic(6000, memory=9000))
    assert seen(window) == (8960, "no_adjustment", "memory")


def test_no_window_shrinks_because_the_conversation_did() -> None:
    assert seen(turns(dynamic(), dynamic(20_000), dynamic(10))) == (65_536, "no_adjustment", "")


def test_another_model_begins_afresh_and_keeps_the_history() -> None:
    window = turns(dynamic(), dynamic(20_000), dynamic(10, model="qwen3:8b"))
    assert seen(window) == (8192, "model_change", "")
    assert [entry.model for entry in window.history] == [MODEL, MODEL, "qwen3:8b"]


def test_a_model_of_the_same_size_of_window_is_a_change_all_the_same() -> None:
    assert turns(asked(), asked(model="qwen3:8b")).reason == "model_change"


def test_a_model_that_was_replaced_by_a_smaller_one_of_its_name_is_a_change_of_model() -> None:
    assert seen(turns(dynamic(10_000), dynamic(10_000, model_max=10_000))) == (8960, "model_change", "model")


@pytest.mark.parametrize(
    ("before", "after", "num_ctx"),
    [
        (asked(), dynamic(), 8192),
        (dynamic(), asked(), 4096),
        (dynamic(), asked(profile="off"), None),
        (asked(profile="off"), dynamic(), 8192),
        (manual(16_384), manual(8192), 8192),
        (manual(8192), manual(16_384), 16_384),
        (dynamic(10_000), dynamic(10_000, sizes=Sizes(maximum=20_000)), 19_968),
        (dynamic(), dynamic(sizes=Sizes(minimum=16_384)), 16_384),
        (manual(16_384, maximum=9000), manual(16_384), 16_384),
    ],
)
def test_what_a_person_changed_is_an_override(before: Asked, after: Asked, num_ctx: int | None) -> None:
    window = turns(before, after)
    assert (window.num_ctx, window.reason) == (num_ctx, "manual_override")


def test_another_profile_that_comes_to_the_same_window_adjusts_nothing() -> None:
    window = turns(asked(), manual(4096), dynamic(100, sizes=Sizes(start=2048), loaded=4096))
    assert (window.reason, len(window.history)) == ("no_adjustment", 1)


# Memory that comes and goes


@pytest.mark.parametrize("question", [dynamic(9000), manual(32_768)])
def test_memory_forces_a_window_back(question: Asked) -> None:
    window = turns(question, question._replace(memory=20_000))
    assert seen(window) == (19_968, "vram_limit", "memory")


def test_memory_that_forces_a_window_back_leaves_the_smallest_that_suffices() -> None:
    assert seen(turns(dynamic(20_000), dynamic(1000, memory=30_000))) == (8192, "vram_limit", "memory")


def test_a_window_forced_back_grows_only_when_a_quarter_more_is_free() -> None:
    small = turns(asked(), asked(memory=4000))
    assert seen(small) == (3840, "vram_limit", "memory")
    for free in (3900, 4096, 4300, 5119):
        assert seen(decide(small, asked(memory=free))) == (3840, "no_adjustment", "memory")
    assert seen(decide(small, asked(memory=5120))) == (4096, "vram_limit", "")


def test_memory_that_dwindles_turn_by_turn_does_not_reload_at_each() -> None:
    state = decide(None, manual(32_768))
    changes = 0
    for free in range(32_000, 16_000, -300):
        before, state = state.num_ctx, decide(state, manual(32_768, memory=free))
        changes += state.num_ctx != before
        assert state.num_ctx is not None
        assert state.num_ctx <= free
    assert changes <= 5


def test_memory_that_is_freed_bit_by_bit_does_not_reload_at_each() -> None:
    state = decide(None, dynamic(6000, memory=6000))
    sizes = {state.num_ctx}
    for free in range(6000, 12_000, 100):
        state = decide(state, dynamic(6000, memory=free))
        sizes.add(state.num_ctx)
    assert sorted(size for size in sizes if size) == [5888, 7424, 9472]


def test_a_window_forced_back_to_a_size_of_the_list_does_not_creep_up_from_it() -> None:
    state = turns(*[manual(32_768, memory=free) for free in (10_901, 10_560, 10_389)])
    assert seen(state) == (8192, "vram_limit", "memory")
    for free in (10_560, 10_901, 11_200):
        assert seen(decide(state, manual(32_768, memory=free))) == (8192, "no_adjustment", "memory")


def test_the_whole_of_what_was_asked_for_is_worth_a_reload() -> None:
    assert seen(turns(manual(10_240, memory=9500), manual(10_240, memory=10_300))) == (10_240, "vram_limit", "")


def test_the_minimum_comes_back_at_once() -> None:
    window = turns(asked(), asked(memory=1000), asked(memory=2048))
    assert seen(window) == (2048, "vram_limit", "memory")
    assert window.impossible == ""


@pytest.mark.parametrize(
    ("size", "smaller"), [(8192, 4096), (8193, 8192), (5000, 4096), (2049, 2048), (2048, 0), (0, 0)]
)
def test_the_next_smaller_size(size: int, smaller: int) -> None:
    assert next_smaller(size) == smaller


def test_a_server_that_ran_out_of_memory_is_asked_for_the_next_smaller_size() -> None:
    first = decide(None, manual(16_384))
    assert seen(decide(first, manual(16_384, memory=next_smaller(16_384)))) == (8192, "vram_limit", "memory")


# The history and the file


def test_the_last_ten_adjustments_are_kept_with_the_time_that_the_caller_gave() -> None:
    window = turns(*[manual(4096 + 256 * n, at=f"turn {n}", use=n) for n in range(13)])
    assert [entry.at for entry in window.history] == [f"turn {n}" for n in range(3, 13)]
    assert window.history[-1] == Adjustment("turn 12", "manual_override", MODEL, 4096 + 256 * 11, 4096 + 256 * 12, 12)


def test_a_window_comes_back_from_json_as_it_went() -> None:
    window = turns(dynamic(), dynamic(9000, memory=10_000), asked(profile="off"))
    assert from_dict(json.loads(json.dumps(window.to_dict()))) == window


def test_what_a_newer_version_adds_does_not_harm() -> None:
    window = decide(None, dynamic())
    data = window.to_dict()
    data["history"][0]["weather"] = "fine"
    assert from_dict({**data, "mood": 7}) == window


def test_no_file_brings_more_than_ten_adjustments() -> None:
    data = decide(None, dynamic()).to_dict()
    read = from_dict({**data, "history": data["history"] * 1000})
    assert read is not None
    assert len(read.history) == 10


@pytest.mark.parametrize(
    "change",
    [
        {"model": 3},
        {"profile": "lavish"},
        {"profile": ["dynamic"]},
        {"profile": "off"},
        {"num_ctx": None},
        {"num_ctx": -1},
        {"num_ctx": True},
        {"num_ctx": "8192"},
        {"num_ctx": 1 << 60},
        {"reason": ""},
        {"limited_by": None},
        {"impossible": None},
        {"wanted": None},
        {"wanted": 1.5},
        {"history": {}},
        {"history": [None]},
        {"history": [{}]},
    ],
)
def test_damaged_state_counts_as_none(change: dict[str, Any]) -> None:
    data = decide(None, dynamic()).to_dict()
    assert from_dict({**data, **change}) is None
    assert from_dict({key: value for key, value in data.items() if key not in change}) is None


@pytest.mark.parametrize(
    "change", [{"at": 7}, {"reason": "mood"}, {"model": None}, {"before": "x"}, {"after": -1}, {"use": None}]
)
def test_a_damaged_adjustment_damages_the_state(change: dict[str, Any]) -> None:
    data = decide(None, dynamic()).to_dict()
    assert from_dict({**data, "history": [{**data["history"][0], **change}]}) is None


@pytest.mark.parametrize("junk", [None, 7, "x", [], {}, [["model", "x"]]])
def test_junk_counts_as_none(junk: object) -> None:
    assert from_dict(junk) is None
