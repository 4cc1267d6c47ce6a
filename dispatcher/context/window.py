"""How large a window to ask of a model's server, and why: one decision from what is known and what was decided. Pure.

Ollama loads the model anew, drops its prompt cache and lets everybody wait whenever a request brings another num_ctx
than the loaded one, a smaller one too. So windows come in few sizes, a window that suffices is kept, and the dynamic
profile takes a larger one that the server has loaded already. A KV cache is made of whole blocks of 256 cells: bounds
are rounded down to them and targets up, so that the number sent, the number loaded and the memory taken are one.
"""

from __future__ import annotations

from typing import NamedTuple

from dispatcher.context.window_state import KEPT, Adjustment, Asked, Limit, Reason, Window

_SMALLEST = 2048
_BLOCK = 256

_CAUSES: dict[Limit, Reason] = {
    "profile": "manual_override",
    "maxSize": "manual_override",
    "model": "model_change",
    "memory": "vram_limit",
}


class _Bound(NamedTuple):
    """The upper bound: what it is in whole blocks, who sets it, and what that one says, in tokens."""

    top: int
    by: Limit
    says: int


class _Choice(NamedTuple):
    num_ctx: int | None
    wanted: int
    limited_by: Limit
    impossible: str


def decide(state: Window | None, asked: Asked) -> Window:
    """Return the window for the next request, given the last one of this session (None: there was none)."""
    choice = _Choice(None, 0, "", "") if asked.profile == "off" else _choose(state, asked)
    reason = _reason(state, asked, choice)
    history = state.history if state else ()
    if reason != "no_adjustment":
        before = state.num_ctx if state else None
        entry = Adjustment(asked.at, reason, asked.model, before, choice.num_ctx, asked.use)
        history = (*history, entry)[-KEPT:]
    return Window(asked.model, asked.profile, choice.num_ctx, reason, *_rest(choice), history)


def next_smaller(num_ctx: int) -> int:
    """Return the next smaller size, for a server that ran out of memory; 0 when there is none.

    Give it to `decide` as the memory there is.
    """
    return 1 << (num_ctx - 1).bit_length() - 1 if num_ctx > _SMALLEST else 0


def _rest(choice: _Choice) -> tuple[Limit, str, int]:
    return choice.limited_by, choice.impossible, choice.wanted


def _choose(state: Window | None, asked: Asked) -> _Choice:
    bound = _bound(asked)
    held = _held(state, asked)
    wanted = _wanted(held if held is not None and held <= bound.top else None, asked)
    room = bound.top if state is None or held is None else _room(state, held, asked, bound)
    size = _fitted(held, wanted, asked, bound, room)
    if asked.profile == "dynamic" and asked.loaded is not None and min(wanted, size) <= asked.loaded <= bound.top:
        size = asked.loaded
    limited = size < wanted or (held is not None and held > bound.top)
    # Below what the bound allows only memory that may shrink again keeps a window.
    by = "memory" if size < min(wanted, bound.top) else bound.by
    return _Choice(size, wanted, by if limited else "", _impossible(asked, bound))


def _bound(asked: Asked) -> _Bound:
    """Return the upper bound; of equals the one that a person has set is named."""
    sizes = asked.sizes
    limits: list[tuple[int, Limit]] = [(asked.model_max * 9 // 10, "model")]
    if asked.memory is not None:
        limits.append((asked.memory, "memory"))
    if sizes.maximum > 0:
        limits.insert(0, (sizes.maximum, "maxSize"))
    if asked.profile == "hard-4096":
        limits.insert(0, (sizes.hard, "profile"))
    says, by = min(limits, key=lambda limit: limit[0])
    # A minSize that is no whole number of blocks is had where it is allowed, though it takes the rest of its block.
    least = sizes.minimum if says >= sizes.minimum else 0
    return _Bound(max(says // _BLOCK * _BLOCK, least), by, max(0, says))


def _held(state: Window | None, asked: Asked) -> int | None:
    """Return the window to keep if it suffices; None where a decision begins afresh."""
    if state is None or (state.model, state.profile) != (asked.model, asked.profile):
        return None
    if asked.profile != "dynamic" and state.wanted != _wanted(None, asked):
        return None
    return state.num_ctx


def _wanted(held: int | None, asked: Asked) -> int:
    """Return how many tokens the window should have, were there no limit."""
    sizes = asked.sizes
    if asked.profile == "dynamic":
        return max(sizes.start if held is None else held, 2 * asked.use, sizes.minimum)
    fixed = max(sizes.hard if asked.profile == "hard-4096" else sizes.target, sizes.minimum)
    return _blocks(fixed)


def _room(state: Window, held: int, asked: Asked, bound: _Bound) -> int:
    """Return how large a window may become that is there already.

    Free memory comes and goes. Where it has forced a window to shrink, a fifth of it is left alone from then on, so
    that its next small change does not reload the model once more; but never for the price of minSize.
    """
    wary = bool(state.history) and state.history[-1].reason == "vram_limit"
    forced_by_another = held > bound.top and bound.by != "memory"
    if asked.memory is None or not wary or forced_by_another:
        return bound.top
    careful = asked.memory * 4 // 5 // _BLOCK * _BLOCK
    return min(bound.top, max(careful, _blocks(asked.sizes.minimum)))


def _fitted(held: int | None, wanted: int, asked: Asked, bound: _Bound, room: int) -> int:
    """Return the size for so many tokens: the held one if it will do, else the smallest that will, else what fits."""
    if held is None or held > bound.top:
        return min(_goal(wanted, asked), room)
    if held >= wanted:
        return held
    goal = _goal(wanted, asked)
    size = min(goal, room)
    by_memory = room < bound.top or (bound.by == "memory" and held != _rounded(held))
    if by_memory and size < goal and size * 4 < held * 5 and held >= min(asked.sizes.minimum, bound.top):
        # Memory that becomes free bit by bit must not reload the model for each bit.
        return held
    return size


def _goal(wanted: int, asked: Asked) -> int:
    return _rounded(wanted) if asked.profile == "dynamic" else wanted


def _rounded(tokens: int) -> int:
    """Return the smallest size for so many tokens: 2k, 4k, 8k and on, as far as a model goes."""
    return max(_SMALLEST, 1 << (tokens - 1).bit_length()) if tokens > 0 else _SMALLEST


def _blocks(tokens: int) -> int:
    return -(-tokens // _BLOCK) * _BLOCK


def _impossible(asked: Asked, bound: _Bound) -> str:
    if bound.top >= asked.sizes.minimum:
        return ""
    says = f"{bound.says:,} tokens"
    why = {
        "profile": f"the profile allows no more than {says}",
        "maxSize": f"maxSize is {says}",
        "model": f"90 % of the model's {asked.model_max:,} tokens is {says}",
        "memory": f"memory holds a window of {says} beside the weights",
    }
    return f"{why[bound.by]}, less than minSize {asked.sizes.minimum:,}"


def _reason(state: Window | None, asked: Asked, choice: _Choice) -> Reason:
    if state is None:
        return "initial_setup"
    if state.model != asked.model:
        return "model_change"
    before, now = state.num_ctx, choice.num_ctx
    if before == now:
        return "no_adjustment"
    if before is not None and now is not None and now < before and choice.limited_by:
        return _CAUSES[choice.limited_by]
    if state.profile != asked.profile:
        return "manual_override"
    return _growth(state, before or 0, asked, choice)


def _growth(state: Window, before: int, asked: Asked, choice: _Choice) -> Reason:
    if asked.profile == "dynamic":
        if 2 * asked.use > before:
            return "usage_threshold"
        if before >= asked.sizes.minimum:
            # The server has a larger one loaded: to take that adjusts nothing.
            return "no_adjustment"
    elif state.wanted != choice.wanted:
        return "manual_override"
    return _CAUSES.get(state.limited_by, "manual_override")
