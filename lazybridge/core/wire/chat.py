"""The Chat Completions API and its dialects."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lazybridge.core import structured
from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import ContentBlock, TextContent
from lazybridge.core.hints import cache_key, lifetime
from lazybridge.core.types import (
    ASSISTANT,
    TOOL,
    USER,
    CompletionRequest,
    CompletionResponse,
    Effort,
    Message,
    OutputSchema,
    ToolCall,
    ToolDefinition,
)
from lazybridge.core.wire import Adjuster, SDKCall, content_of, plain, state_for, told_schema
from lazybridge.core.wire.chat_answers import ChatAccumulator, answer_of
from lazybridge.core.wire.chat_parts import Words, part
from lazybridge.core.wire.chat_thinking import Asked, by_effort, by_object, by_switch, forced, thinks
from lazybridge.core.wire.chat_turns import replay, spoken
from lazybridge.core.wire.history import alternating, bridged, from_a_user, is_empty, repaired
from lazybridge.core.wire.tool_ids import UP_TO_40, fitting_ids, short_ids


@dataclass(frozen=True)
class ChatWire:
    """Chat Completions; the fields are the dialect.

    `max_tokens_field`, `seed_field`, `system_role` and `any_tool` are the vendor's words; `stream_usage` asks for usage in
    a stream; `reasoning_effort` says whether the API has that parameter, and `efforts` which words it knows. `schema_mode`
    is how it takes an output schema: "json_schema", "object_schema" (JSON mode with the schema beside it), "json_object",
    or "prompt" for JSON mode with the schema in the system prompt; `schema_dialect` is what its "json_schema" can say;
    `schema_beside_tools` whether it does so beside tools. `forced_choice` says whether a tool may be required.
    `thinking_switch` is the object that turns thinking on and off, by type ("thinking") or with effort and budget
    ("reasoning"). `thinking_effort` is the effort that `thinking=True` stands for, where it is shown by that;
    `reasoning_format` is the word that asks for thinking apart from the text. `reasoning_fields` are the fields of an
    answer that go back verbatim in the next turn: the first that is there; `replays_thinking` where thinking goes back as
    parts of the content.
    `short_ids`: ids of tool calls have nine letters and digits; `ids_up_to_40`: they have at most 40 characters.
    `order`: after a tool's result the assistant speaks ("bridged"), or users and assistants take turns ("alternating").
    `thinks_beside_calls`: a turn with calls has thinking in the first of `reasoning_fields`. `prefixes`: an assistant's message at the end is marked as
    the beginning of the answer. `cache_key`: caching is asked for by a key; `takes_cache_key`: one may be named. `media` is how audio and documents are written.
    `service_tiers` are all that the API knows. `refused_media` it takes from no model. `refused` are fields of the body
    that it does not take, each with the value that means nothing; `left_out` are not sent unless `extra_body` has them.
    `always` is in every body.
    """

    vendor: str = "openai"
    path: str = "/chat/completions"
    max_tokens_field: str = "max_completion_tokens"
    system_role: str = "system"
    stream_usage: bool = True
    reasoning_effort: bool = True
    efforts: tuple[str, ...] | None = None
    schema_mode: str = "json_schema"
    schema_dialect: structured.Dialect = structured.OPENAI
    schema_beside_tools: bool = True
    seed_field: str = "seed"
    any_tool: str = "required"
    forced_choice: Literal["yes", "unless_thinking", "no"] = "yes"
    thinking_switch: Literal["", "thinking", "reasoning"] = ""
    thinking_effort: Effort | None = None
    reasoning_format: str | None = None
    reasoning_fields: tuple[str, ...] = ()
    replays_thinking: bool = False
    short_ids: bool = False
    ids_up_to_40: bool = False
    order: Literal["any", "bridged", "alternating"] = "any"
    thinks_beside_calls: bool = False
    prefixes: bool = False
    cache_key: bool = False
    takes_cache_key: bool = False
    media: Words = "openai"
    service_tiers: tuple[str, ...] | None = None
    refused_media: tuple[str, ...] = ()
    refused: tuple[tuple[str, Any], ...] = ()
    left_out: tuple[str, ...] = ()
    always: Mapping[str, Any] = field(default_factory=dict)

    def to_sdk_kwargs(self, request: CompletionRequest, model: ModelProfile, stream: bool) -> SDKCall:
        """The body of POST /chat/completions."""
        adjust = Adjuster(model, self.refused_media)
        asked = self._thinking(request, model, adjust)
        if request.thought.summary != "auto":
            adjust.add("thinking", f"Chat Completions has no summaries; {request.thought.summary!r} was left out")
        told_alone = bool(request.tools) and not self.schema_beside_tools
        told = request.output_schema if told_alone or self.schema_mode == "prompt" else None
        body: dict[str, Any] = {"model": model.id, "messages": self._messages(request, adjust, told)}
        if request.max_tokens is not None:
            body[self.max_tokens_field] = request.max_tokens
        body |= adjust.sampling(request, asked.effort or ("none" if model.thinking == "never" else None))
        body |= asked.body
        body |= _logprobs(adjust.logprobs(request, asked.effort or ("none" if model.thinking == "never" else None)))
        if request.stop:
            body["stop"] = list(request.stop)
        if request.seed is not None:
            body[self.seed_field] = request.seed
        body |= self._tools(request, adjust, self._may_force(asked))
        if request.native_tools:
            adjust.add("native_tools", "Chat Completions runs no tools of the vendor")
        if told is not None and told_alone:
            adjust.add(
                "output_schema", "this API takes no schema beside tools; the model was told it, and it is checked here"
            )
        elif request.output_schema is not None:
            body["response_format"] = self._response_format(request.output_schema, adjust)
        if request.metadata is not None:
            body["metadata"] = dict(request.metadata)
        body |= self._service_tier(request, adjust)
        for name in self.left_out:
            if body.pop(name, None) is not None:
                adjust.add(name, "this API does not take it; it was left out")
        if self.cache_key:
            body |= _cache_key(request, body, adjust)
        else:
            adjust.cache_lifetime(request)
            if cache_key(request.cache) and self.takes_cache_key:
                body["prompt_cache_key"] = cache_key(request.cache)
            elif cache_key(request.cache):
                adjust.add("cache", "this API takes no cache key; it was left out")
        body |= plain(self.always)
        if stream:
            body["stream"] = True
            if self.stream_usage:
                body["stream_options"] = {"include_usage": True}
        body |= plain(request.extra_body or {})
        for name, nothing in self.refused:
            if body.pop(name, nothing) != nothing:
                adjust.add(name, "this API does not take it; it was left out")
        return SDKCall(body, tuple(adjust.found))

    def _thinking(self, request: CompletionRequest, model: ModelProfile, adjust: Adjuster) -> Asked:
        if self.thinking_switch == "thinking":
            off = self.forced_choice == "unless_thinking" and forced(request)
            return by_switch(request, model, adjust, self.efforts, off)
        if self.thinking_switch == "reasoning":
            return by_object(request, model, adjust, self.efforts)
        if self.reasoning_effort:
            return by_effort(request, model, adjust, self.efforts, self.thinking_effort, self.reasoning_format)
        reasons = {"effort": "this API has no such parameter", "thinking": "this API cannot switch it"}
        adjust.unavailable(request, reasons)
        return Asked()

    def _may_force(self, asked: Asked) -> bool:
        return self.forced_choice == "yes" or (self.forced_choice == "unless_thinking" and asked.effort == "none")

    def _service_tier(self, request: CompletionRequest, adjust: Adjuster) -> dict[str, Any]:
        if request.service_tier is None:
            return {}
        if self.service_tiers is not None and request.service_tier not in self.service_tiers:
            words = ", ".join(self.service_tiers)
            adjust.add("service_tier", f"this API knows {words}, not {request.service_tier!r}")
            return {}
        return {"service_tier": request.service_tier}

    def _response_format(self, output: OutputSchema, adjust: Adjuster) -> dict[str, Any]:
        if self.schema_mode == "object_schema":
            return {"type": "json_object", "schema": plain(output.schema)}
        if self.schema_mode == "json_object":
            adjust.add("output_schema", "this API takes no schema; JSON was asked for and is checked here")
            return {"type": "json_object"}
        if self.schema_mode == "prompt":
            adjust.add("output_schema", "this API enforces no schema; it stands in the prompt and is checked here")
            return {"type": "json_object"}
        made = adjust.compiled(output, self.schema_dialect)
        return {
            "type": "json_schema",
            "json_schema": {"name": output.name, "schema": made.schema, "strict": made.enforced},
        }

    def _messages(
        self, request: CompletionRequest, adjust: Adjuster, told: OutputSchema | None = None
    ) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        turns = self._in_order(repaired(request.messages, adjust), adjust)
        ids = short_ids(turns) if self.short_ids else fitting_ids(turns, UP_TO_40) if self.ids_up_to_40 else {}
        system = request.system_text
        if told is not None:
            form = told_schema(told)
            system = form if system is None else f"{system}\n\n{form}"
        replays = bool(self.reasoning_fields) and (self.reasoning_format is None or thinks(adjust.model))
        if system is not None:
            messages.append({"role": self.system_role, "content": system})
        media: list[ContentBlock] = []
        for message in turns:
            if media and message.role is not TOOL:
                messages.append(self._media_of_results(media, adjust))
                media = []
            if message.role is TOOL:
                text = f"Error: {message.text}" if message.is_error else message.text
                messages.append(
                    {"role": "tool", "tool_call_id": _sent_id(message.tool_call_id or "", ids), "content": text}
                )
                media += [block for block in message.blocks if not isinstance(block, TextContent)]
            elif message.role is ASSISTANT:
                heard = spoken(message, self.vendor, adjust)
                if heard is None:
                    adjust.text_alone(message)
                messages.append(self._assistant(message, ids) | (heard or {}))
                if replays:
                    for item in state_for(message, self.vendor, "chat") or ():
                        messages[-1] |= {name: item[name] for name in self.reasoning_fields if name in item}
                if self.thinks_beside_calls and message.tool_calls and not _thinking_is_off(request):
                    messages[-1].setdefault(self.reasoning_fields[0], " ")  # of a turn that another model made
            elif message.role is USER:
                messages.append({"role": "user", "content": content_of(message, self._part, adjust)})
        if self.prefixes and messages and messages[-1]["role"] == "assistant" and "tool_calls" not in messages[-1]:
            messages[-1]["prefix"] = True
        if media:
            messages.append(self._media_of_results(media, adjust))
        return bridged(messages, adjust) if self.order == "bridged" else messages

    def _in_order(self, messages: Sequence[Message], adjust: Adjuster) -> Sequence[Message]:
        if self.order == "alternating":
            return from_a_user(alternating(messages, self.vendor, adjust), adjust)
        if self.order == "bridged":
            return [message for message in messages if not is_empty(message, self.vendor)]
        return messages

    def from_sdk_response(self, raw: Mapping[str, Any]) -> CompletionResponse:
        """What a `chat.completion` says."""
        return answer_of(raw, self.vendor, self.reasoning_fields, self.replays_thinking)

    def accumulator(self) -> ChatAccumulator:
        """A fresh fold of `chat.completion.chunk` events."""
        return ChatAccumulator(self.vendor, self.reasoning_fields, self.replays_thinking)

    def _tools(self, request: CompletionRequest, adjust: Adjuster, may_force: bool) -> dict[str, Any]:
        """The tools of a request; tool_choice and parallel_tool_calls are only valid beside tools."""
        if not request.tools:
            adjust.without_tools(request)
            return {}
        body: dict[str, Any] = {"tools": [{"type": "function", "function": _function(tool)} for tool in request.tools]}
        if forced(request) and not may_force:
            adjust.add("tool_choice", f"{adjust.model.id} cannot be made to call a tool here; sent auto")
            body["tool_choice"] = "auto"
        elif request.tool_choice is not None:
            choice = tool_choice(request, {"type": "function", "function": {"name": request.tool_choice}})
            body["tool_choice"] = self.any_tool if choice == "required" else choice
        if request.parallel_tool_calls is not None:
            body["parallel_tool_calls"] = request.parallel_tool_calls
        return body

    def _assistant(self, message: Message, ids: Mapping[str, str]) -> dict[str, Any]:
        result: dict[str, Any] = {"role": "assistant"}
        kept = replay(message, self.vendor) if self.replays_thinking else None
        if kept is not None:
            result["content"] = kept
        elif message.text or not message.tool_calls:
            result["content"] = message.text
        if message.tool_calls:
            result["tool_calls"] = [
                {
                    "id": _sent_id(call.id, ids),
                    "type": "function",
                    "function": {"name": call.name, "arguments": raw_arguments(call)},
                }
                for call in message.tool_calls
            ]
        return result

    def _media_of_results(self, media: list[ContentBlock], adjust: Adjuster) -> dict[str, Any]:
        """A tool message holds text alone, and all results of a turn stand together: their media follows as a user's
        turn."""
        adjust.add("tool result", "Chat Completions takes text in tool results; the media follows as a user's message")
        return {"role": "user", "content": content_of(Message(USER, tuple(media)), self._part, adjust)}

    def _part(self, block: ContentBlock, adjust: Adjuster) -> dict[str, Any] | None:
        return part(block, adjust, self.media)


def tool_choice(request: CompletionRequest, named: Mapping[str, Any]) -> Any:
    """The vendor's tool_choice: a word, or `named` for one tool."""
    return request.tool_choice if request.tool_choice in ("auto", "required", "none") else dict(named)


def _function(tool: ToolDefinition) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "parameters": plain(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return function


def raw_arguments(call: ToolCall) -> str:
    """A call's arguments as JSON text, byte for byte as the model wrote them where they came as text."""
    return json.dumps(dict(call.arguments)) if call.raw_arguments is None else call.raw_arguments


def _logprobs(alternatives: int | None) -> dict[str, Any]:
    if alternatives is None:
        return {}
    return {"logprobs": True, **({"top_logprobs": alternatives} if alternatives else {})}


def _thinking_is_off(request: CompletionRequest) -> bool:
    return request.thinking is False or (request.thinking is None and request.effort == "none")


def _sent_id(id: str, ids: Mapping[str, str]) -> str:
    return ids.get(id, id)


def _cache_key(request: CompletionRequest, body: Mapping[str, Any], adjust: Adjuster) -> dict[str, Any]:
    """A key that the turns of one conversation share: it stands for the model, the tools and the first message."""
    hints = request.cache_hints
    if not any(hints):
        return {}
    if any(map(lifetime, hints)):
        adjust.add("cache", "this API sells no such lifetime; caching was asked for")
    if named := cache_key(request.cache):
        return {"prompt_cache_key": named}
    start = json.dumps([body["model"], body.get("tools"), body["messages"][0]], sort_keys=True)
    return {"prompt_cache_key": f"lazybridge-{hashlib.sha256(start.encode()).hexdigest()[:16]}"}
