"""What type checkers say of an agent's payload; run by tests/test_typing.py, imported by nobody."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, TypedDict, assert_type

from pydantic import BaseModel

from lazybridge import Agent, AgentStream, Envelope, LLMEngine, Model


class Invoice(BaseModel):
    total: float


@dataclass
class City:
    name: str


class Options(TypedDict):
    colour: str


class Shade(Enum):
    RED = "red"


assert_type(Agent("m"), Agent[str])
assert_type(Agent(), Agent[str])
assert_type(Agent("m", temperature=0, max_tokens=5)("hi"), Envelope[str])
assert_type(Agent("m")("hi").payload, str)
assert_type(Agent("m", output=Invoice)("hi"), Envelope[Invoice])
assert_type(Agent("m", output=Invoice, max_repairs=0)("hi").payload.total, float)
assert_type(Agent("m", output=City)("hi").payload, City)
assert_type(Agent("m", output=Options)("hi").payload, Options)
assert_type(Agent("m", output=Shade)("hi").payload, Shade)
assert_type(Agent("m", output=list[Invoice])("hi").payload, list[Invoice])
assert_type(Agent("m", output=dict[str, int])("hi").payload, dict[str, int])
assert_type(Agent("m", output=int)("hi").payload, int)
assert_type(Agent("m", output=bool).stream("hi"), AgentStream[bool])

# What no checker takes for a type of its own is Any.
assert_type(Agent("m", output=Literal["a", "b"])("hi").payload, Any)
assert_type(Agent("m", output=Invoice | City)("hi").payload, Any)
assert_type(Agent("m", output={"type": "object"})("hi").payload, Any)
assert_type(Agent(engine=LLMEngine("m"))("hi").payload, Any)
assert_type(Agent.from_provider("openai", tier="cheap")("hi").payload, Any)

# One call's own type.
assert_type(Agent("m")("hi", output=Invoice).payload, Invoice)
assert_type(Agent("m", output=City)("hi", output=list[int], temperature=0).payload, list[int])
assert_type(Agent("m").stream("hi", output=Invoice), AgentStream[Invoice])


async def asked(agent: Agent[Invoice], model: Model, any_agent: Agent) -> None:
    assert_type(await agent.run("hi"), Envelope[Invoice])
    assert_type((await agent.run("hi", output=City)).payload, City)
    assert_type(await model.extract(Invoice, "hi"), Invoice)
    assert_type(await model.extract(list[Invoice], "hi"), list[Invoice])
    assert_type(model.extract_sync(int, "hi"), int)
    assert_type(any_agent("hi").payload, Any)
    stream = agent.stream("hi")
    async for _ in stream.partials():
        pass
    if stream.envelope is not None:
        assert_type(stream.envelope.payload, Invoice)


def takes_any(agent: Agent) -> None: ...


takes_any(Agent("m", output=Invoice))
takes_any(Agent("m"))
Agent("m")("hi").payload.total  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
Agent("m", outputs=Invoice)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
