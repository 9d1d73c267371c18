"""Files: the vendors' recorded answers, and what we send beside what the SDK's own typed methods send."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anthropic
import groq
import openai
import pytest
from mistralai.client import Mistral

from lazybridge import DocumentContent, ImageContent, Message, UnsupportedFeatureError
from lazybridge.core import registry
from lazybridge.core.errors import ServerError, from_exception
from lazybridge.core.providers._files import Files
from lazybridge.core.providers.openai import OpenAIProvider
from lazybridge.core.types import CompletionRequest
from tests.endpoints.conftest import Replay, recorded
from tests.endpoints.vendor import Vendor

_RECORDS = recorded("files", "other")
# A record whose request lost its file's bytes has a summary: `<file name N bytes>`.
UPLOADS = [p for p in _RECORDS if not p.values[0] or p.values[0]["method"] == "POST"]
FACTS = [p for p in _RECORDS if not p.values[0] or p.values[0]["method"] == "GET"]
DELETIONS = [p for p in _RECORDS if not p.values[0] or p.values[0]["method"] == "DELETE"]
PDF = b"%PDF-1.4 a page"
PNG = b"\x89PNG\r\n\x1a\n a picture"


def files(provider: Any) -> Files:
    assert isinstance(provider, Files)
    return provider


def made(vendor: str, url: str) -> Files:
    return files(registry.provider_class(vendor)(api_key="test-key-1", base_url=url))


@pytest.mark.parametrize("record", UPLOADS)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_an_upload_is_what_the_vendor_says(record: dict[str, Any], asynchronous: bool, replay: Replay) -> None:
    provider, wire = files(replay.provider(record)), json.loads(record["response_body"])
    found = asyncio.run(_uploaded(provider)) if asynchronous else provider.upload(PDF, name="apples.pdf")
    assert (found.id, found.name) == (wire["id"], wire["filename"])
    assert found.size == wire.get("bytes", wire.get("size_bytes"))
    assert found.media_type == wire.get("mime_type", "application/pdf")
    until = wire.get("expires_at")
    assert found.expires_at == (until and datetime.fromtimestamp(until, UTC))
    assert found.raw == wire
    assert found.cost_usd == 0.0


async def _uploaded(provider: Files) -> Any:
    async with provider:
        return await provider.aupload(PDF, name="apples.pdf")


@pytest.mark.parametrize("record", FACTS)
def test_what_the_vendor_says_of_a_file(record: dict[str, Any], replay: Replay) -> None:
    provider, wire = files(replay.provider(record)), json.loads(record["response_body"])
    found = provider.file(wire["id"])
    assert (found.id, found.name, found.size, found.purpose) == (
        wire["id"],
        wire["filename"],
        wire["bytes"],
        wire["purpose"],
    )
    assert found.media_type is None  # OpenAI does not say
    assert replay.requests[-1]["path"].endswith(f"/files/{wire['id']}")


@pytest.mark.parametrize("record", DELETIONS)
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
def test_a_file_is_deleted(record: dict[str, Any], asynchronous: bool, replay: Replay) -> None:
    provider, wire = files(replay.provider(record)), json.loads(record["response_body"])
    if asynchronous:
        asyncio.run(_deleted(provider, wire["id"]))
    else:
        provider.delete_file(wire["id"])
    assert (replay.requests[-1]["method"], replay.requests[-1]["path"]) == ("DELETE", _path_of(record))


async def _deleted(provider: Files, id: str) -> None:
    async with provider:
        await provider.adelete_file(id)


def _path_of(record: dict[str, Any]) -> str:
    return "/" + str(record["url"]).partition("?")[0].split("/", 3)[3]


@pytest.mark.parametrize("record", recorded("files", "error"))
def test_a_failure_is_the_vendors(record: dict[str, Any], replay: Replay) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        files(replay.provider(record)).file("file-1")
    assert from_exception(caught.value, provider="openai").kind == "server"


# --- beside the SDK ---------------------------------------------------------------------------------------------------

_FILE = ("apples.pdf", PDF, "application/pdf")
_PATHS = {
    "openai": "/v1/files",
    "anthropic": "/v1/files",
    "groq": "/openai/v1/files",
    "mistral": "/v1/files",
}


def typed(vendor: str, url: str, what: str) -> None:
    """The SDK's own typed method."""
    key = "test-key-1"
    if vendor == "openai":
        with openai.OpenAI(api_key=key, base_url=f"{url}/v1") as sdk:
            {
                "upload": lambda: sdk.files.create(file=_FILE, purpose="user_data"),
                "file": lambda: sdk.files.retrieve("f-1"),
                "delete_file": lambda: sdk.files.delete("f-1"),
                "download": lambda: sdk.files.content("f-1").read(),
            }[what]()
    elif vendor == "anthropic":
        with anthropic.Anthropic(api_key=key, base_url=url) as claude:
            {
                "upload": lambda: claude.beta.files.upload(file=_FILE),
                "file": lambda: claude.beta.files.retrieve_metadata("f-1"),
                "delete_file": lambda: claude.beta.files.delete("f-1"),
                "download": lambda: claude.beta.files.download("f-1").read(),
            }[what]()
    elif vendor == "groq":
        with groq.Groq(api_key=key, base_url=url) as fast:
            {
                "upload": lambda: fast.files.create(file=_FILE, purpose="batch"),
                "file": lambda: fast.files.info("f-1"),
                "delete_file": lambda: fast.files.delete("f-1"),
                "download": lambda: fast.files.content("f-1").read(),
            }[what]()
    else:
        content = {"file_name": _FILE[0], "content": PDF, "content_type": _FILE[2]}
        with Mistral(api_key=key, server_url=url) as mistral:
            {
                "upload": lambda: mistral.files.upload(file=content, purpose="ocr"),  # type: ignore[arg-type]
                "file": lambda: mistral.files.retrieve(file_id="f-1"),
                "delete_file": lambda: mistral.files.delete(file_id="f-1"),
                "download": lambda: mistral.files.download(file_id="f-1").read(),
            }[what]()


def ours(vendor: str, url: str, what: str) -> Any:
    base = f"{url}/v1" if vendor == "openai" else url
    with made(vendor, base) as provider:
        if what == "upload":
            return provider.upload(PDF, name="apples.pdf")
        return getattr(provider, what)("f-1")


def serve(loopback: Vendor, vendor: str) -> None:
    """What the SDKs' types want of each answer."""
    path = _PATHS[vendor]
    facts = {
        "id": "f-1",
        "object": "file",
        "bytes": len(PDF),
        "size_bytes": len(PDF),
        "created_at": "2026-11-22T00:00:00Z" if vendor == "anthropic" else 1795305600,
        "filename": "apples.pdf",
        "purpose": "ocr",
        "sample_type": "ocr_input",
        "source": "upload",
        "deleted": False,
    }
    loopback.answers = {
        ("POST", path): (200, facts),
        ("GET", f"{path}/f-1"): (200, facts),
        ("DELETE", f"{path}/f-1"): (200, {"id": "f-1", "object": "file", "deleted": True}),
        ("GET", f"{path}/f-1/content"): (200, PDF, {"content-type": "application/octet-stream"}),
    }


@pytest.mark.parametrize("what", ["upload", "file", "delete_file", "download"])
@pytest.mark.parametrize("vendor", list(_PATHS))
def test_the_request_is_the_one_of_the_sdks_typed_method(vendor: str, what: str, loopback: Vendor) -> None:
    serve(loopback, vendor)
    typed(vendor, loopback.url, what)
    found = ours(vendor, loopback.url, what)
    theirs, sent = loopback.sent
    assert (sent.method, sent.path) == (theirs.method, theirs.path)
    for name in ("accept", "authorization", "x-api-key", "anthropic-version", "anthropic-beta"):
        assert sent.headers.get(name) == theirs.headers.get(name), name
    if what == "upload":
        # The SDK writes its default out.
        assert sent.form == [part for part in theirs.form if part[0] != "visibility"]
        assert found.id == "f-1"
    if what == "download":
        assert found == PDF


def test_a_path_keeps_its_name_and_bytes_get_one(loopback: Vendor, tmp_path: Path) -> None:
    serve(loopback, "openai")
    with made("openai", f"{loopback.url}/v1") as provider:
        page = tmp_path / "page.txt"
        page.write_text("words")
        for given in (page, str(page)):
            provider.upload(given)
            assert ("file", "page.txt", "text/plain", b"words") in loopback.sent[-1].form
        provider.upload(PNG, purpose="vision")
        assert loopback.sent[-1].form == [
            ("file", "file.png", "image/png", PNG),
            ("purpose", None, None, b"vision"),
        ]
        with pytest.raises(FileNotFoundError, match="nowhere"):
            provider.upload(tmp_path / "nowhere.pdf")
        with pytest.raises(ValueError, match="the file 'file.bin' is empty\nvendors refuse it"):
            provider.upload(b"")
        with pytest.raises(TypeError, match="a file is a path or bytes, got int"):
            provider.upload(3)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="None is no id of a file"):
            provider.file(None)  # type: ignore[arg-type]


def test_a_purpose_that_a_vendor_has_no_word_for_is_an_adjustment(loopback: Vendor) -> None:
    serve(loopback, "anthropic")
    with made("anthropic", loopback.url) as provider, pytest.warns(UserWarning, match="purpose"):
        found = provider.upload(PDF, purpose="vision")
    assert [change.parameter for change in found.adjustments] == ["purpose"]
    assert [part[0] for part in loopback.sent[-1].form] == ["file"]


def test_a_file_that_is_still_there_was_not_deleted(loopback: Vendor) -> None:
    loopback.answers["DELETE", "/v1/files/f1"] = 200, {"id": "f1", "deleted": False}
    with made("openai", f"{loopback.url}/v1") as provider:
        with pytest.raises(ServerError, match="the file f1 was not deleted"):
            provider.delete_file("f1")
        loopback.answers["POST", "/v1/files"] = 200, {"object": "file"}
        with pytest.raises(ServerError, match="the answer has no id of a file"):
            provider.upload(PDF)


def test_an_id_stays_an_id(loopback: Vendor) -> None:
    serve(loopback, "openai")
    with made("openai", f"{loopback.url}/v1") as provider, pytest.raises(openai.NotFoundError):
        provider.delete_file("../models/gpt-4.1")
    assert loopback.sent[-1].path == "/v1/files/..%2Fmodels%2Fgpt-4.1"


@pytest.mark.parametrize("name", ["google", "ollama"])
def test_a_vendor_without_files_says_so(name: str, loopback: Vendor) -> None:
    refused = pytest.raises(UnsupportedFeatureError, match=f"{name} has no endpoint for upload here")
    with made(name, loopback.url) as provider, refused:
        provider.upload(PDF)


def test_the_id_shows_the_file_to_a_model() -> None:
    """As the recorded conversations with uploaded files were asked."""
    message = Message.user(["Look.", ImageContent(file_id="file_1"), DocumentContent(file_id="file_2")])
    request = CompletionRequest((message,), model="claude-haiku-4-5", max_tokens=9)
    for name, expected in (
        ("anthropic", [{"type": "file", "file_id": "file_1"}, {"type": "file", "file_id": "file_2"}]),
        ("openai", ["file_1", "file_2"]),
    ):
        provider: Any = registry.provider_class(name)(api_key="k-1")
        body = provider._translate(request, stream=False)[1].body
        parts = (body.get("messages") or body["input"])[0]["content"][1:]
        assert [part.get("source") or part["file_id"] for part in parts] == expected


def test_a_time_that_there_is_not_loses_no_file(loopback: Vendor) -> None:
    loopback.answers["GET", "/v1/files/file-1"] = (200, {"id": "file-1", "expires_at": 1e30})
    with OpenAIProvider(api_key="k", base_url=f"{loopback.url}/v1") as provider:
        assert provider.file("file-1").expires_at is None


def test_facts_and_bytes_on_an_event_loop(loopback: Vendor) -> None:
    loopback.answers["GET", "/v1/files/file-1"] = (200, {"id": "file-1", "filename": "a.txt", "bytes": 5})
    loopback.answers["GET", "/v1/files/file-1/content"] = (200, b"hello", {"content-type": "application/octet-stream"})

    async def both() -> tuple[Any, bytes]:
        async with OpenAIProvider(api_key="k", base_url=f"{loopback.url}/v1") as provider:
            return await provider.afile("file-1"), await provider.adownload("file-1")

    file, data = asyncio.run(both())
    assert (file.name, file.size, data) == ("a.txt", 5, b"hello")
