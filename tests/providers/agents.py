"""The four ways to ask an agent, each giving the envelope, also of a call that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lazybridge import Agent, Envelope
from lazybridge.core.errors import LazyBridgeError


def _whole(agent: Agent, task: Any) -> Envelope:
    return agent(task)


def _asynchronously(agent: Agent, task: Any) -> Envelope:
    return asyncio.run(agent.run(task))


def _ended(stream: Any, error: LazyBridgeError | None) -> Envelope:
    envelope: Envelope = stream.envelope
    assert envelope.error is error
    return envelope


def _streamed(agent: Agent, task: Any) -> Envelope:
    stream = agent.stream(task)
    try:
        for _ in stream:
            pass
    except LazyBridgeError as error:
        return _ended(stream, error)
    return _ended(stream, None)


def _streamed_asynchronously(agent: Agent, task: Any) -> Envelope:
    async def read() -> Envelope:
        stream = agent.stream(task)
        try:
            async for _ in stream:
                pass
        except LazyBridgeError as error:
            return _ended(stream, error)
        return _ended(stream, None)

    return asyncio.run(read())


modes: dict[str, Callable[[Agent, Any], Envelope]] = {
    "whole": _whole,
    "asynchronously": _asynchronously,
    "streamed": _streamed,
    "streamed asynchronously": _streamed_asynchronously,
}
