"""The four ways to ask an agent, each to its envelope; the fixture `mode` (conftest.py) is each of them in turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from lazybridge import Agent, Envelope

Mode = Callable[[Agent, str], Envelope[Any]]


def by_call(agent: Agent, task: str) -> Envelope[Any]:
    return agent(task)


def by_run(agent: Agent, task: str) -> Envelope[Any]:
    return asyncio.run(agent.run(task))


def by_stream(agent: Agent, task: str) -> Envelope[Any]:
    stream = agent.stream(task)
    try:
        for _ in stream:
            pass
    except Exception as exc:  # noqa: BLE001  # the envelope holds it as well
        assert stream.envelope is not None
        assert stream.envelope.error is exc
    assert stream.envelope is not None
    return stream.envelope


def by_astream(agent: Agent, task: str) -> Envelope[Any]:
    async def go() -> Envelope[Any]:
        stream = agent.stream(task)
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
