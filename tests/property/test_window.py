"""Windows of random machines, models, settings and conversations, judged by rules that are written anew here."""

from __future__ import annotations

import json
from functools import lru_cache
from itertools import pairwise
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.context.guard import Guard, Level, answer_reserve
from dispatcher.context.window import decide
from dispatcher.context.window_state import Asked, Profile, Reason, Sizes, Window, from_dict
from tests.property.world import examples

CASES = 10_000
FEWER = 3000
"""Enough to meet each reason, bound and length of history; all of them come with the campaign."""

TURNS = 5
MANY = 60
PROFILES: list[Profile] = ["hard-4096", "dynamic", "dynamic", "dynamic", "manual", "off"]
LIST = [2048 << n for n in range(12)]


class Turn(NamedTuple):
    """One decision with what led to it."""

    state: Window | None
    before: Asked | None
    asked: Asked
    window: Window


# Random machines and conversations


def sizes(random: Random) -> Sizes:
    """Settings as most people have them, or of any kind."""
    if random.random() < 0.4:
        return Sizes()
    return Sizes(
        target=random.choice([1000, 4096, 10_000, 16_384, 32_768, 200_000]),
        minimum=random.choice([2048, 2048, 2048, 2100, 4096, 8192]),
        maximum=random.choice([0, 0, 0, 1500, 5000, 16_384, 100_000]),
        start=random.choice([2048, 8192, 8192, 10_000]),
        hard=random.choice([4096, 4096, 8192]),
    )


def memory(random: Random) -> int | None:
    return None if random.random() < 0.2 else round(2 ** random.uniform(random.choice([0, 9, 11, 11]), 18)) - 1


def machine(random: Random) -> Asked:
    model_max = random.choice(
        [512, 2048, *[4096, 8192, 40_960, 131_072, 262_144, 1_048_576, random.randint(1, 300_000)] * 2]
    )
    return Asked(
        model=random.choice("ab"),
        model_max=model_max,
        use=round(2 ** random.uniform(0, 17)),
        profile=random.choice(PROFILES),
        sizes=sizes(random),
        memory=memory(random),
    )


def next_turn(random: Random, last: Asked, window: Window) -> Asked:
    """The next turn: mostly the conversation moves, now and then memory, the server, or what a person has set."""
    loaded = random.choice([window.num_ctx, window.num_ctx, None, random.choice(LIST[:8]), random.randint(1, 300_000)])
    now = last._replace(use=max(0, round(last.use * random.uniform(0.2, 2.2))), loaded=loaded)
    if random.random() < 0.3:
        now = now._replace(memory=memory(random))
    if random.random() < 0.2:
        other = machine(random)
        field = random.choice(["model", "model_max", "profile", "sizes"])
        now = now._replace(**{field: getattr(other, field)})
    return now


def life(seed: int) -> list[Turn]:
    """Some turns of one session; in every hundredth so many that not all its adjustments are kept."""
    random = Random(seed)  # noqa: S311 - a case, no secret
    asked, before, state = machine(random), None, None
    turns = []
    for n in range(TURNS if seed % 100 else MANY):
        asked = asked._replace(at=str(n))
        window = decide(state, asked)
        turns.append(Turn(state, before, asked, window))
        before, state = asked, window
        asked = next_turn(random, asked, window)
    return turns


# The rules, told once more


def bounds(asked: Asked) -> dict[str, int]:
    """Return each upper bound in whole blocks of 256, which is how a KV cache is allocated."""
    told = {"model": int(asked.model_max * 0.9 + 1e-6)}
    if asked.memory is not None:
        told["memory"] = asked.memory
    if asked.sizes.maximum:
        told["maxSize"] = asked.sizes.maximum
    if asked.profile == "hard-4096":
        told["profile"] = asked.sizes.hard
    return {name: max(n - n % 256, asked.sizes.minimum if n >= asked.sizes.minimum else 0) for name, n in told.items()}


@lru_cache(maxsize=64)
def top(asked: Asked) -> int:
    return min(bounds(asked).values())


def binding(asked: Asked) -> set[str]:
    return {name for name, n in bounds(asked).items() if n == top(asked)}


def target(asked: Asked) -> int:
    """Return what a fixed profile is set to, in whole blocks."""
    size = max(asked.sizes.hard if asked.profile == "hard-4096" else asked.sizes.target, asked.sizes.minimum)
    return size + -size % 256


def candidates(asked: Asked) -> list[int]:
    """Return the sizes that the dynamic profile may choose from."""
    return sorted({n for n in LIST if n < top(asked)} | {top(asked)})


def smallest(asked: Asked, tokens: int) -> int:
    return next((n for n in candidates(asked) if n >= tokens), top(asked))


def fresh(asked: Asked) -> int:
    """Return the window of a session that has none yet."""
    if asked.profile != "dynamic":
        return min(target(asked), top(asked))
    tokens = max(asked.sizes.start, asked.sizes.minimum, 2 * asked.use)
    suffices = asked.loaded is not None and min(tokens, top(asked)) <= asked.loaded <= top(asked)
    return asked.loaded if suffices and asked.loaded is not None else smallest(asked, tokens)


def changed_by_a_person(turn: Turn) -> bool:
    """Tell whether somebody has set what this profile goes by: not a bound, the window itself."""
    assert turn.before is not None
    if turn.before.profile != turn.asked.profile:
        return True
    fixed = turn.asked.profile in ("hard-4096", "manual")
    return fixed and target(turn.before) != target(turn.asked)


def check_bounds(turn: Turn) -> None:
    asked, window = turn.asked, turn.window
    if asked.profile == "off":
        assert window.num_ctx is None
        return
    assert window.num_ctx is not None
    assert window.num_ctx <= 0.9 * asked.model_max
    assert asked.memory is None or window.num_ctx <= asked.memory
    assert not asked.sizes.maximum or window.num_ctx <= asked.sizes.maximum
    assert asked.profile != "hard-4096" or window.num_ctx <= asked.sizes.hard
    possible = top(asked) >= asked.sizes.minimum
    assert possible == (window.impossible == "")
    assert not possible or window.num_ctx >= asked.sizes.minimum


def check_size(turn: Turn) -> None:
    state, asked, window = turn.state, turn.asked, turn.window
    if asked.profile == "off" or window.num_ctx is None:
        return
    begins = state is None or state.model != asked.model or changed_by_a_person(turn)
    if begins or state is None or state.num_ctx is None:
        assert window.num_ctx == fresh(asked)
        return
    if state.num_ctx <= top(asked):
        assert window.num_ctx >= state.num_ctx, "a session's window shrinks only when it must"
    if asked.profile == "dynamic":
        check_dynamic(state, asked, window.num_ctx, window.limited_by)
    elif window.num_ctx != state.num_ctx:
        assert window.num_ctx <= target(asked)


def check_dynamic(state: Window, asked: Asked, now: int, limited_by: str) -> None:
    held = state.num_ctx or 0
    floor = held if held <= top(asked) else asked.sizes.start
    tokens = max(floor, 2 * asked.use, asked.sizes.minimum)
    if now == asked.loaded and held <= now:
        return
    if held <= top(asked) and tokens == held:
        assert now == held
    elif now < smallest(asked, tokens):
        forced_before = state.history[-1].reason == "vram_limit" and now >= tokens
        assert forced_before or limited_by == "memory", (
            "only free memory, which comes and goes, is not used to the last"
        )
    else:
        assert now == smallest(asked, tokens) or (now == asked.loaded and now >= tokens)
    assert (limited_by != "") == (now < tokens or held > top(asked))


def expected(turn: Turn) -> set[Reason]:
    """Return the reasons that are right: more than one only where two bounds are the same."""
    state, now = turn.state, turn.window.num_ctx
    if state is None:
        return {"initial_setup"}
    if state.model != turn.asked.model:
        return {"model_change"}
    if now == state.num_ctx:
        return {"no_adjustment"}
    if now is None or state.num_ctx is None:
        return {"manual_override"}
    if now < state.num_ctx:
        chosen = changed_by_a_person(turn) and now == fresh(turn.asked) and now >= wish(turn.asked)
        return {"manual_override"} if chosen else causes(binding(turn.asked))
    return {"manual_override"} if changed_by_a_person(turn) else larger(turn, state, state.num_ctx)


def larger(turn: Turn, state: Window, was: int) -> set[Reason]:
    """Return why a window grew that nobody has set to be larger."""
    before, asked = turn.before, turn.asked
    assert before is not None
    if asked.profile == "dynamic" and asked.use * 2 > was:
        return {"usage_threshold"}
    if asked.profile == "dynamic" and was >= asked.sizes.minimum:
        assert turn.window.num_ctx == asked.loaded, "taken over from the server"
        return {"no_adjustment"}
    if asked.profile == "dynamic" and before.sizes.minimum < asked.sizes.minimum <= top(before):
        return {"manual_override"}
    return causes({"memory"} if state.limited_by == "memory" else binding(before)) | override(before, asked)


def override(before: Asked, asked: Asked) -> set[Reason]:
    """A minimum that a person has raised, of a window that was too small for it or another reason."""
    return {"manual_override"} if before.sizes != asked.sizes and before.sizes.minimum < asked.sizes.minimum else set()


def wish(asked: Asked) -> int:
    if asked.profile == "dynamic":
        return max(asked.sizes.start, asked.sizes.minimum, 2 * asked.use)
    return target(asked)


def causes(names: set[str]) -> set[Reason]:
    told: dict[str, Reason] = {"model": "model_change", "memory": "vram_limit"}
    return {told.get(name, "manual_override") for name in names}


def check_history(turn: Turn) -> None:
    earlier = turn.state.history if turn.state else ()
    if turn.window.reason == "no_adjustment":
        assert turn.window.history == earlier
        return
    assert turn.window.history[:-1] == (*earlier, None)[-10:-1]
    last = turn.window.history[-1]
    assert (last.at, last.reason, last.after) == (turn.asked.at, turn.window.reason, turn.window.num_ctx)
    assert (last.model, last.use) == (turn.asked.model, turn.asked.use)
    assert last.before == (turn.state.num_ctx if turn.state else None)


def check(seed: int) -> list[Turn]:
    turns = life(seed)
    for turn in turns:
        check_bounds(turn)
        check_size(turn)
        assert turn.window.reason in expected(turn), turn
        check_history(turn)
    assert from_dict(json.loads(json.dumps(turns[-1].window.to_dict()))) == turns[-1].window
    return turns


@pytest.mark.parametrize("cases", [FEWER, pytest.param(CASES, marks=pytest.mark.campaign)])
def test_lives_keep_every_rule_and_come_by_every_reason_and_bound(cases: int) -> None:
    reasons, limits, kept, impossible = set(), set(), set(), 0
    for seed in range(cases):
        try:
            turns = check(seed)
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
        reasons |= {turn.window.reason for turn in turns}
        limits |= {turn.window.limited_by for turn in turns}
        kept |= {len(turn.window.history) for turn in turns}
        impossible += sum(turn.window.impossible != "" for turn in turns)
    assert len(reasons) == 6
    assert limits == {"", "profile", "maxSize", "model", "memory"}
    assert kept == set(range(1, 11))
    assert 0.05 < impossible / (cases * TURNS) < 0.4


# Reloads


def server(question: Asked, uses: list[int]) -> list[int]:
    """Return what a server has loaded, one after the other, when a conversation takes these tokens in turn."""
    state, loads = None, [question.loaded] if question.loaded else []
    for use in uses:
        state = decide(state, question._replace(use=use, loaded=loads[-1] if loads else None))
        if state.num_ctx is not None and loads[-1:] != [state.num_ctx]:
            loads.append(state.num_ctx)
    return loads


USES = st.lists(st.integers(0, 150_000), max_size=30)


@examples(200)
@given(st.integers(0, 1 << 30), USES)
def test_no_conversation_on_one_machine_loads_a_size_twice(seed: int, uses: list[int]) -> None:
    for order in (uses, sorted(uses)):
        loads = server(machine(Random(seed)), order)  # noqa: S311
        assert all(a < b for a, b in pairwise(loads))
        assert len({n.bit_length() for n in loads}) >= len(loads) - 1, "a step has one size, the last one the bound too"


@examples(200)
@given(st.integers(11, 16), st.lists(st.integers(-40, 40), min_size=1, max_size=40))
def test_use_about_a_threshold_reloads_once(step: int, around: list[int]) -> None:
    question = Asked("a", 1 << 20, profile="dynamic", sizes=Sizes(start=1 << step))
    loads = server(question, [(1 << step - 1) + n for n in around])
    assert loads in ([1 << step], [1 << step, 2 << step], [2 << step])


@examples(100)
@given(st.integers(6000, 100_000), st.lists(st.floats(0.93, 1.07), min_size=10, max_size=200))
def test_memory_that_jitters_reloads_a_few_times_only(free: int, jitter: list[float]) -> None:
    """A machine's other programs take and give back some memory at each turn; the conversation wants all there is."""
    for profile in PROFILES:
        state, sizes_seen = None, []
        for factor in jitter:
            question = Asked("a", 1 << 20, 60_000, profile, Sizes(target=200_000), round(free * factor))
            state = decide(state, question)
            sizes_seen.append(state.num_ctx)
        assert sum(a != b for a, b in pairwise(sizes_seen)) <= 3


def conversation(random: Random, question: Asked, turns: int) -> tuple[list[int], int]:
    """Run a conversation that grows, is compressed when the guard says so, and grows again; return loads, compressions."""
    state, loads, use, level, compressed = None, list[int](), 900, Level.NONE, 0
    for _ in range(turns):
        state = decide(state, question._replace(use=use, loaded=loads[-1] if loads else None))
        assert state.num_ctx
        if loads[-1:] != [state.num_ctx]:
            loads.append(state.num_ctx)
        guard = Guard(state.num_ctx, answer_reserve(state.num_ctx), use)
        level = guard.level(level)
        if level != Level.NONE:
            compressed += 1
            use = round(guard.safe_limit() * random.uniform(0.1, 0.5))
        use += random.randint(50, 1500)
    return loads, compressed


@pytest.mark.parametrize("profile", ["hard-4096", "dynamic", "manual"])
@pytest.mark.parametrize("free", [3000, 11_000, 20_000, 50_000, None])
def test_five_hundred_turns_reload_the_model_four_times_at_most(profile: Profile, free: int | None) -> None:
    for seed in range(10):
        question = Asked("a", 131_072, profile=profile, memory=free)
        loads, compressed = conversation(Random(seed), question, 500)  # noqa: S311
        assert len(loads) - 1 <= (4 if profile == "dynamic" else 0)
        assert compressed >= 2
