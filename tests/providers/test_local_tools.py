"""Tools and types with the built-in model, end to end: a real model calls a real function, and no key is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel

from lazybridge import Agent
from tests.four_ways import Mode, by_astream, by_call, by_run, by_stream


class Person(BaseModel):
    name: str
    age: int


ASKED: list[str] = []


def price_of(article: Literal["chair", "lamp", "table"]) -> str:
    """The price of an article in the shop."""
    ASKED.append(article)
    return f"The {article} costs 17 euros."


@pytest.fixture(scope="module")
def shop(model_file: Path) -> Iterator[Agent]:
    with Agent("local", tools=[price_of], tool_choice="required", max_tokens=80) as agent:
        yield agent


@pytest.mark.parametrize("mode", [by_call, by_run, by_stream, by_astream])
def test_the_local_model_calls_a_function_and_answers_with_its_result(shop: Agent, mode: Mode) -> None:
    ASKED.clear()
    envelope = mode(shop, "What does a lamp cost?")
    assert ASKED == ["lamp"]
    assert "17 euros" in envelope.text()
    assert (envelope.metadata.turns, envelope.metadata.cost_usd) == (2, 0.0)


def test_the_local_model_fills_a_pydantic_object(model_file: Path) -> None:
    with Agent("local", output=Person, max_tokens=40) as agent:
        assert agent("Ada is 36 years old.").payload == Person(name="Ada", age=36)
