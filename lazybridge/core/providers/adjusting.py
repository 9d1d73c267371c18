"""What a provider cannot take: left out and said, or refused."""

from __future__ import annotations

import warnings
from dataclasses import replace

from lazybridge.core.content import AudioContent, ContentBlock, ImageContent
from lazybridge.core.errors import UnsupportedFeatureError
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import Adjustment, CompletionRequest, Message

_announced: set[tuple[str, str, str]] = set()


def announce(adjustments: tuple[Adjustment, ...], strict: bool, provider: str, model: str) -> None:
    """Say once what could not be sent as asked; under `strict` raise UnsupportedFeatureError instead."""
    if not adjustments:
        return
    if strict:
        raise UnsupportedFeatureError(f"{provider}/{model}: {'; '.join(map(str, adjustments))}")
    for adjustment in adjustments:
        key = (provider, model, adjustment.parameter)
        if key not in _announced:
            _announced.add(key)
            warnings.warn(f"{provider}/{model}: {adjustment}", UserWarning, stacklevel=2)


def fitted(provider: BaseProvider, request: CompletionRequest) -> tuple[CompletionRequest, tuple[Adjustment, ...]]:
    """The request without what a provider's class says it cannot take: native tools, images, audio.

    Raises UnsupportedNativeToolError under `strict_native_tools`, UnsupportedFeatureError under `strict`.
    """
    request, without = offered(provider, request)
    if all(isinstance(message.content, str) for message in request.messages):
        return request, without
    model = provider._resolve_model(request)
    refused: dict[type[ContentBlock], str] = {}
    if not provider.supports_vision(model):
        refused[ImageContent] = "image"
    if not provider.supports_audio(model):
        refused[AudioContent] = "audio"
    found = {type(block): None for message in request.messages for block in message.blocks if type(block) in refused}
    if not found:
        return request, without
    adjustments = tuple(
        Adjustment(refused[kind], f"{type(provider).__name__} does not say that {model} takes it; it was left out")
        for kind in found
    )
    announce(adjustments, request.strict, provider.registered_name(), model)
    kept = tuple(_without(message, tuple(found)) for message in request.messages)
    return request.with_messages(kept), (*without, *adjustments)


def offered(provider: BaseProvider, request: CompletionRequest) -> tuple[CompletionRequest, tuple[Adjustment, ...]]:
    """The request without the native tools that a provider does not offer, of which it has warned; and what to say.

    Raises UnsupportedNativeToolError under `strict_native_tools`, UnsupportedFeatureError under `strict`.
    """
    if not request.native_tools:
        return request, ()
    kept = tuple(provider._check_native_tools(request.native_tools))
    if kept == request.native_tools:
        return request, ()
    lost = ", ".join(str(tool) for tool in request.native_tools if tool not in kept)
    who = type(provider).__name__
    said = (Adjustment("native_tools", f"{who} does not offer {lost}; it was left out"),)
    if request.strict:
        raise UnsupportedFeatureError(f"{who}: {said[0]}")
    names = {str(tool) for tool in kept} | {tool.name for tool in request.tools}
    choice = request.tool_choice if request.tool_choice in (None, "auto", "required", "none", *names) else None
    return replace(request, native_tools=kept, tool_choice=choice), said


def _without(message: Message, kinds: tuple[type, ...]) -> Message:
    if isinstance(message.content, str):
        return message
    return replace(message, content=tuple(block for block in message.content if not isinstance(block, kinds)))
