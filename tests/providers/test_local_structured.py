"""Objects from the model in this process, no key and no network: the engine's grammar holds it to the schema."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from lazybridge import Agent, Model
from lazybridge.core.providers.local import LocalOptions, LocalProvider


class Person(BaseModel):
    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=150)


class Part(BaseModel):
    """A thing and what it is made of."""

    name: str = Field(max_length=12)
    parts: Annotated[list[Part], Field(max_length=2)] = []


@pytest.fixture(scope="module")
def provider(model_file: Any) -> Any:
    with LocalProvider(options=LocalOptions(path=model_file)) as provider:
        yield provider


def test_a_model_comes_back(provider: LocalProvider) -> None:
    envelope = Agent(provider, output=Person)("Maria is 31 years old.", max_tokens=60)
    assert envelope.payload == Person(name="Maria", age=31)
    assert envelope.metadata.cost_usd == 0


def test_a_recursive_model_comes_back(provider: LocalProvider) -> None:
    prompt = (
        'Describe a car with its parts as JSON, such as {"name": "car", "parts": [{"name": "wheel", "parts": []}]}.'
    )
    payload = Agent(provider, output=Part)(prompt, max_tokens=300).payload
    assert isinstance(payload, Part)
    assert all(isinstance(part, Part) for part in payload.parts)


def test_a_list_of_models_comes_back(provider: LocalProvider) -> None:
    people = Annotated[list[Person], Field(min_length=2, max_length=2)]
    agent = Agent(provider, output=people)
    payload = agent("Maria is 31 years old and Jon is 40 years old.", max_tokens=100).payload
    assert [type(person) for person in payload] == [Person, Person]
    assert "Maria" in [person.name for person in payload]


def test_extract_gives_a_choice(provider: LocalProvider) -> None:
    kind = Literal["positive", "negative"]
    answer = asyncio.run(Model(provider).extract(kind, "Sentiment of: I love it.", max_tokens=60))  # type: ignore[arg-type]
    assert answer in ("positive", "negative")


def test_partial_objects_grow(provider: LocalProvider) -> None:
    seen = list(Agent(provider, output=Person).stream("Maria is 31 years old.", max_tokens=60).partials())
    assert seen[-1] == Person(name="Maria", age=31)
    assert {"name": "Maria"} in seen
