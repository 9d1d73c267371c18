"""Recorded exchanges with the vendors, answered on loopback to the real SDKs."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.oauth2.credentials import Credentials

from lazybridge.core import registry
from lazybridge.core.providers._endpoints import Endpoints
from tests.endpoints.media_vendor import MediaVendor
from tests.endpoints.vendor import Vendor

CONFORMANCE = Path(__file__).parents[3] / "shared" / "conformance"
_SUFFIX = {"openai": "/v1", "azure_openai": "/v1"}
_PROVIDERS = {"azure_openai": "azure", "vertex": "google"}


def recorded(api: str, kind: str) -> list[Any]:
    """The recorded exchanges of an API as parameters; without the recordings one that is skipped."""
    if not CONFORMANCE.is_dir():
        return [pytest.param(None, marks=pytest.mark.skip(reason="the recorded traffic is not here"))]
    lines = [line for path in sorted(CONFORMANCE.glob("open/*.jsonl")) for line in path.read_text().splitlines()]
    found = [record for record in map(json.loads, lines) if (record["api"], record["expected"]["kind"]) == (api, kind)]
    assert found
    return [pytest.param(record, id=record["id"]) for record in found]


class Replay:
    """Providers whose vendor answers with one recorded exchange; `requests` is what it was sent."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._made: list[Endpoints] = []

    @property
    def requests(self) -> list[dict[str, Any]]:
        return self._server.requests  # type: ignore[no-any-return]

    def url(self, record: dict[str, Any], **options: Any) -> str:
        self._server.records[record["id"]] = record
        return str(self._server.url(record["id"], **options)) + _SUFFIX.get(record["provider"], "")

    def provider(self, record: dict[str, Any], pages: dict[str, Any] | None = None, **options: Any) -> Endpoints:
        """The vendor's provider; `pages` answers the second request."""
        vendor, url = record["provider"], self.url(record)
        if pages is not None:
            self.url(pages)
            url = str(self._server.session("pages", [record["id"], pages["id"]]))
        if vendor == "vertex":
            credentials = Credentials(token="ya29.test-token-1")  # type: ignore[no-untyped-call]
            options = {"vertexai": True, "project": "p", "location": "l", "credentials": credentials, **options}
        if "/deployments/" in record["url"]:
            options = {"api_version": record["url"].partition("api-version=")[2], **options}
        cls = registry.provider_class(_PROVIDERS.get(vendor, vendor))
        made = cls(api_key=None if vendor == "vertex" else "test-key-1", base_url=url, **options)
        assert isinstance(made, Endpoints)
        self._made.append(made)
        return made

    def close(self) -> None:
        for provider in self._made:
            provider.close()
        self._server.stop()


@pytest.fixture
def replay() -> Iterator[Replay]:
    if not CONFORMANCE.is_dir():
        pytest.skip("the recorded traffic is not here")
    spec = importlib.util.spec_from_file_location("replay_server", CONFORMANCE / "replay.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = Replay(module.ReplayServer([]).start())
    yield made
    made.close()


@pytest.fixture
def media_vendor() -> Iterator[MediaVendor]:
    made = MediaVendor()
    yield made
    made.close()


@pytest.fixture
def loopback() -> Iterator[Vendor]:
    made = Vendor()
    yield made
    made.close()
