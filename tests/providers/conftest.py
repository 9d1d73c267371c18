"""The third-party fakes, started once for all the tests that ask them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import peers


def cache_of(request: pytest.FixtureRequest) -> Path:
    cache = request.config.cache
    assert cache is not None
    return cache.mkdir("lazybridge-peers")


@pytest.fixture(scope="session")
def running_llmock(request: pytest.FixtureRequest) -> Iterator[peers.LLMock]:
    with peers.llmock(cache_of(request)) as peer:
        yield peer


@pytest.fixture
def llmock(running_llmock: peers.LLMock) -> peers.LLMock:
    """llmock, which remembers nothing of the test before."""
    running_llmock.behave()
    return running_llmock


@pytest.fixture(scope="session")
def running_aimock(request: pytest.FixtureRequest) -> Iterator[peers.AIMock]:
    if peers.npm() is None:
        pytest.skip("npm is not installed")
    with peers.aimock(cache_of(request), Path(__file__).with_name("aimock.json")) as peer:
        yield peer


@pytest.fixture
def aimock(running_aimock: peers.AIMock) -> peers.AIMock:
    """aimock, whose journal is empty."""
    running_aimock.forget()
    return running_aimock
