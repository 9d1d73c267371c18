"""Where the Messages API is asked to cache: at most four places, the longer lifetimes first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lazybridge.core.hints import CacheHint, cache_key, lifetime
from lazybridge.core.wire import Adjuster

# https://platform.claude.com/docs/en/build-with-claude/prompt-caching, read 2026-11-22.
_MOST = 4
_NEVER_MARKED = frozenset({"thinking", "redacted_thinking"})


def control(hint: CacheHint) -> dict[str, Any]:
    """The `cache_control` of a hint."""
    ttl = lifetime(hint)
    return {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}


def mark(body: dict[str, Any], hint: CacheHint, automatic: bool, adjust: Adjuster) -> None:
    """Mark the end of what every conversation shares (tools and system) and of the conversation so far.

    `automatic` is the API's own mark, which moves on with the last block; a cloud without it gets one on that block.
    The API counts it among the four, and refuses a longer lifetime after a shorter one.
    """
    if hint and cache_key(hint):
        adjust.add("cache", "the Messages API takes no cache key; it was left out")
    found = list(_marked(body))
    if not hint and not found:
        return
    room = _MOST - len(found)
    if hint and room > 0:
        room -= _mark_the_end(body, control(hint), automatic)
        if room > 0:
            _mark_the_shared(body, control(hint))
    elif hint:
        adjust.add("cache", f"{_MOST} blocks are marked already, which is the most; no further mark was set")
    found = list(_marked(body))
    for block in found[:-_MOST]:
        del block["cache_control"]
        adjust.add("cache", f"at most {_MOST} blocks may be marked; the first ones were left out")
    _in_order(body, found[-_MOST:], adjust)


def _mark_the_end(body: dict[str, Any], ours: dict[str, Any], automatic: bool) -> int:
    blocks = _blocks(body["messages"][-1]) if body["messages"] else []
    if blocks and blocks[-1].get("cache_control"):
        return 0
    if automatic:
        body["cache_control"] = ours
        return 1
    for message in reversed(body["messages"]):
        if isinstance(message["content"], str):
            message["content"] = [{"type": "text", "text": message["content"]}]
        for block in reversed(message["content"]):
            if block.get("type") not in _NEVER_MARKED:
                block["cache_control"] = block.get("cache_control") or ours
                return 1
    return 0


def _mark_the_shared(body: dict[str, Any], ours: dict[str, Any]) -> None:
    if isinstance(body.get("system"), str):
        body["system"] = [{"type": "text", "text": body["system"]}]
    shared = body.get("system") or body.get("tools")
    if shared:
        shared[-1]["cache_control"] = shared[-1].get("cache_control") or dict(ours)


def _in_order(body: Mapping[str, Any], marked: list[dict[str, Any]], adjust: Adjuster) -> None:
    """Tools, system and messages are cached in this order."""
    lives = [block["cache_control"] for block in marked] + ([body["cache_control"]] if "cache_control" in body else [])
    longest = max((place for place, life in enumerate(lives) if life.get("ttl") == "1h"), default=0)
    for life in lives[:longest]:
        if life.get("ttl") != "1h":
            life["ttl"] = "1h"
            adjust.add("cache", "a lifetime of 1h cannot follow a shorter one; what stands before it got 1h as well")


def _marked(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    system = body.get("system")
    for block in (*(body.get("tools") or ()), *(system if isinstance(system, list) else ())):
        if block.get("cache_control"):
            yield block
    for message in body["messages"]:
        for block in _blocks(message):
            inside = block.get("content")
            yield from (part for part in inside if part.get("cache_control")) if isinstance(inside, list) else ()
            if block.get("cache_control"):
                yield block


def _blocks(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    return message["content"] if isinstance(message["content"], list) else []
