"""The four ways to ask an agent or a chat, each to its envelope; the fixture `mode` (conftest.py) is each of them in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lazybridge import Agent, Chat, Envelope

Asked = Agent[Any] | Chat
Mode = Callable[..., Envelope[Any]]


def by_call(agent: Asked, task: Any, **settings: Any) -> Envelope[Any]:
    return agent(task, **settings)


def by_run(agent: Asked, task: Any, **settings: Any) -> Envelope[Any]:
    return asyncio.run(agent.run(task, **settings))


def by_stream(agent: Asked, task: Any, **settings: Any) -> Envelope[Any]:
    stream = agent.stream(task, **settings)
    try:
        for _ in stream:
            pass
    except Exception as exc:  # noqa: BLE001  # the envelope holds it as well
        assert stream.envelope is not None
        assert stream.envelope.error is exc
    assert stream.envelope is not None
    return stream.envelope


def by_astream(agent: Asked, task: Any, **settings: Any) -> Envelope[Any]:
    async def go() -> Envelope[Any]:
        stream = agent.stream(task, **settings)
        try:
            async for _ in stream:
                pass
        except Exception as exc:  # noqa: BLE001
            assert stream.envelope is not None
            assert stream.envelope.error is exc
        assert stream.envelope is not None
        return stream.envelope

    return asyncio.run(go())


FOUR_WAYS = {"call": by_call, "run": by_run, "stream": by_stream, "astream": by_astream}
