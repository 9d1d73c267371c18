"""How the dialects of Chat Completions write what is not text: images, audio, documents; no dialect here takes video."""

from __future__ import annotations

from typing import Any, Literal

from lazybridge.core.content import AudioContent, ContentBlock, DocumentContent, ImageContent, TextContent, VideoContent
from lazybridge.core.wire import Adjuster

Words = Literal["openai", "mistral"]


def part(block: ContentBlock, adjust: Adjuster, words: Words) -> dict[str, Any] | None:
    """A block of a message in the vendor's words; None where it was left out."""
    if isinstance(block, TextContent):
        return {"type": "text", "text": block.text}
    if isinstance(block, ImageContent):
        return _image(block, adjust)
    if isinstance(block, VideoContent):
        adjust.add("video", "Chat Completions takes no video; it was left out")
        return None
    if words == "mistral":
        return _mistral_audio(block, adjust) if isinstance(block, AudioContent) else _mistral_document(block, adjust)
    return _audio(block, adjust) if isinstance(block, AudioContent) else _document(block, adjust)


def _image(block: ImageContent, adjust: Adjuster) -> dict[str, Any] | None:
    if adjust.blind("image"):
        return None
    if block.file_id:
        adjust.add("image", "Chat Completions takes an image by URL or bytes, not by file id; it was left out")
        return None
    return {
        "type": "image_url",
        "image_url": {"url": block.data_url, **({"detail": block.detail} if block.detail else {})},
    }


def _audio(block: AudioContent, adjust: Adjuster) -> dict[str, Any] | None:
    if adjust.blind("audio"):
        return None
    if block.data is None or block.format not in ("wav", "mp3"):
        adjust.add("audio", "Chat Completions takes WAV or MP3 bytes; it was left out")
        return None
    return {"type": "input_audio", "input_audio": {"data": block.base64, "format": block.format}}


def _mistral_audio(block: AudioContent, adjust: Adjuster) -> dict[str, Any] | None:
    if adjust.blind("audio"):
        return None
    if block.data is None:
        adjust.add("audio", "this API takes audio as bytes; it was left out")
        return None
    return {"type": "input_audio", "input_audio": block.base64}


def _mistral_document(block: DocumentContent, adjust: Adjuster) -> dict[str, Any] | None:
    if block.text is not None:
        return {"type": "text", "text": block.text}
    if adjust.blind("document"):
        return None
    if block.file_id:
        return {"type": "file", "file_id": block.file_id}
    part = {"type": "document_url", "document_url": block.data_url}
    return {**part, "document_name": block.name} if block.name else part


def _document(block: DocumentContent, adjust: Adjuster) -> dict[str, Any] | None:
    if block.text is not None:
        return {"type": "text", "text": block.text}
    if adjust.blind("document"):
        return None
    if block.file_id:
        return {"type": "file", "file": {"file_id": block.file_id}}
    if block.data is None:
        adjust.add("document", "Chat Completions takes a document as bytes or a file id, not by URL; it was left out")
        return None
    return {"type": "file", "file": {"filename": block.name or "document.pdf", "file_data": block.data_url}}
