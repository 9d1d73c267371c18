"""Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lazybridge.core import structured
from lazybridge.core.catalogue import ModelProfile
from lazybridge.core.content import (
    AudioContent,
    ContentBlock,
    DocumentContent,
    ImageContent,
    TextContent,
    VideoContent,
)
from lazybridge.core.errors import error_in_body
from lazybridge.core.types import (
    ASSISTANT,
    SYSTEM,
    TOOL,
    CompletionRequest,
    CompletionResponse,
    Message,
    NativeTool,
    ToolDefinition,
)
from lazybridge.core.wire import Adjuster, SDKCall, content_of, plain, state_for, told_schema
from lazybridge.core.wire.computer import is_computers
from lazybridge.core.wire.history import from_a_user, repaired
from lazybridge.core.wire.messages_answers import MessagesAccumulator, answer_of
from lazybridge.core.wire.messages_cache import control, mark
from lazybridge.core.wire.native import above, written
from lazybridge.core.wire.tool_ids import WORDS, fitting_ids

# The type strings of anthropic 2.12.0 `types/tool_union_param.py`, read 2026-11-22.
NATIVE_TOOLS: dict[NativeTool, dict[str, Any]] = {
    NativeTool.WEB_SEARCH: {"type": "web_search_20260318", "name": "web_search"},
    NativeTool.CODE_EXECUTION: {"type": "code_execution_20260521", "name": "code_execution"},
    NativeTool.URL_CONTEXT: {"type": "web_fetch_20260318", "name": "web_fetch"},
    NativeTool.COMPUTER_USE: {"type": "computer_toolset_20260801"},
}
_WEB = {name: name for name in ("max_uses", "allowed_domains", "blocked_domains")}
_PLACES = {
    NativeTool.WEB_SEARCH: {**_WEB, "user_location": "user_location"},
    NativeTool.URL_CONTEXT: _WEB,
    NativeTool.CODE_EXECUTION: {"container": "^container"},
}

# What a native tool is called in a `tool_choice`, where that is another name than ours.
_NAMES = {str(kind): body["name"] for kind, body in NATIVE_TOOLS.items() if "name" in body}

# The API refuses budgets below this: anthropic 2.12.0 `types/thinking_config_enabled_param.py`.
_LEAST_BUDGET = 1024
_USUAL_BUDGET = 8000
_SERVICE_TIERS = ("auto", "standard_only")
# The words of anthropic 2.12.0 `types/output_config_param.py`, for a model that no table knows.
_EFFORTS = ("low", "medium", "high", "xhigh", "max")


@dataclass(frozen=True)
class MessagesWire:
    """The Messages API. `automatic_cache`: whether it marks the last block for caching by itself, where it is asked to."""

    vendor: str = "anthropic"
    path: str = "/v1/messages"
    automatic_cache: bool = True
    default_max_tokens: int = 64_000

    def to_sdk_kwargs(self, request: CompletionRequest, model: ModelProfile, stream: bool) -> SDKCall:
        """The body of POST /v1/messages."""
        adjust = Adjuster(model)
        adjust.unavailable(request, dict.fromkeys(("seed", "logprobs"), "the Messages API has no such parameter"))
        for name in ("temperature", "top_p"):
            if getattr(request, name) is not None:
                adjust.add(name, "the Messages API has no such parameter since its version 2026-10-21")
        max_tokens = request.max_tokens or model.max_output_tokens or self.default_max_tokens
        body: dict[str, Any] = {
            "model": model.id,
            "max_tokens": max_tokens,
            "messages": self._messages(request, adjust),
        }
        config, told = _output_config(request, adjust)
        system = _system(request, told)
        if system is not None:
            body["system"] = system
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        body |= _thinking(request, model, max_tokens, adjust, _calls_without_thinking(body["messages"]))
        body |= config
        body |= _tools(request, model, adjust, thinks=body.get("thinking", {}).get("type") in ("enabled", "adaptive"))
        above(request, _PLACES, body)
        mark(body, request.cache, self.automatic_cache, adjust)
        body |= _metadata_and_tier(request, adjust)
        if stream:
            body["stream"] = True
        body |= plain(request.extra_body or {})
        return SDKCall(body, tuple(adjust.found))

    def _messages(self, request: CompletionRequest, adjust: Adjuster) -> list[dict[str, Any]]:
        """Turns alternate; tool results are blocks of a user's turn, and all results of one turn stand in one message."""
        messages: list[dict[str, Any]] = []
        turns = from_a_user(repaired(request.messages, adjust), adjust)
        ids = fitting_ids(turns, WORDS)
        for message in turns:
            if message.role is SYSTEM:
                continue
            if message.role is ASSISTANT:
                # An empty turn is refused, and the model does answer with one at times.
                _add(messages, "assistant", self._assistant(message, ids, adjust))
            else:
                results = message.role is TOOL
                _add(
                    messages, "user", [_result(message, ids, adjust)] if results else content_of(message, _part, adjust)
                )
        return messages

    def _assistant(self, message: Message, ids: Mapping[str, str], adjust: Adjuster) -> str | list[dict[str, Any]]:
        replayed = state_for(message, self.vendor, "messages")
        if replayed is not None:
            # The API refuses empty text blocks, its own among them: https://github.com/anthropics/anthropic-sdk-python/issues/461,
            # also those of whitespace: https://github.com/home-assistant/core/issues/175637
            return [block for block in replayed if block.get("type") != "text" or (block.get("text") or "").strip()]
        adjust.text_alone(message)
        text = message.text if message.text.strip() else ""
        if not message.tool_calls:
            return text
        blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
        return blocks + [
            {"type": "tool_use", "id": ids[call.id], "name": call.name, "input": plain(call.arguments)}
            | ({"toolset_name": "computer"} if call.native and not is_computers(call) else {})
            for call in message.tool_calls
        ]

    def from_sdk_response(self, raw: Mapping[str, Any]) -> CompletionResponse:
        """What a `message` object says."""
        if raw.get("type") == "error" or raw.get("error"):
            raise error_in_body(raw.get("error") or raw, provider=self.vendor, model=raw.get("model"))
        return answer_of(raw, list(raw.get("content") or []), self.vendor)

    def accumulator(self) -> MessagesAccumulator:
        """A fresh fold of `message_*` and `content_block_*` events."""
        return MessagesAccumulator(self.vendor)


def _add(messages: list[dict[str, Any]], role: str, content: str | list[dict[str, Any]]) -> None:
    """Add a turn, or what it says to the turn before where both are the same side's."""
    if not messages or messages[-1]["role"] != role:
        if content:
            messages.append({"role": role, "content": content})
        return
    before = messages[-1]["content"]
    blocks = [[{"type": "text", "text": said}] if isinstance(said, str) else said for said in (before, content) if said]
    messages[-1]["content"] = [block for said in blocks for block in said]


def _system(request: CompletionRequest, told: str) -> str | list[dict[str, Any]] | None:
    """The system text, `told` after it; as blocks where a part of it is marked as the end of a prefix worth caching."""
    contents = [message.content for message in request.messages if message.role is SYSTEM]
    blocks = [block for content in contents if not isinstance(content, str) for block in content]
    if not any(block.cache for block in blocks):
        return "\n\n".join(filter(None, (request.system_text, told))) or None
    parts = [TextContent(request.system)] if request.system else []
    for content in contents:
        said = [TextContent(content)] if isinstance(content, str) else content
        parts += [block for block in said if isinstance(block, TextContent) and block.text]
    parts += [TextContent(told)] if told else []
    return [
        {"type": "text", "text": part.text, **({"cache_control": control(part.cache)} if part.cache else {})}
        for part in parts
    ]


def _thinking(
    request: CompletionRequest, model: ModelProfile, max_tokens: int, adjust: Adjuster, unthought: bool
) -> dict[str, Any]:
    wanted = request.thought.on
    if wanted is None and request.thought.effort != "none":
        return {}
    if not wanted:
        if model.thinking == "always":
            adjust.add("thinking", f"{model.id} always thinks; effort sets how long")
            return {}
        return {"thinking": {"type": "disabled"}}
    summary = request.thought.summary
    if summary in ("concise", "detailed"):
        adjust.add("thinking", f"the Messages API has one kind of summary; {summary!r} was left out")
    if model.thinking != "budget":
        if wanted is not True:
            adjust.add(
                "thinking", f"{model.id} decides itself how long it thinks; the budget was left out, set effort instead"
            )
        return {"thinking": {"type": "adaptive", "display": "omitted" if summary == "none" else "summarized"}}
    if unthought:
        adjust.add(
            "thinking", "the calls that are answered here were made without it; it is off until the next question"
        )
        return {}
    asked = adjust.budget(request)
    budget = asked or _USUAL_BUDGET
    fitting = max(_LEAST_BUDGET, min(budget, max_tokens - 1))
    if fitting >= max_tokens:
        adjust.add(
            "thinking", f"a thinking budget needs max_tokens above {_LEAST_BUDGET}, not {max_tokens}; thinking is off"
        )
        return {}
    if asked is not None and fitting != budget:
        adjust.add("thinking", f"the budget must be at least {_LEAST_BUDGET} and below max_tokens; sent {fitting}")
    shown = {"display": "omitted"} if summary == "none" else {}
    return {"thinking": {"type": "enabled", "budget_tokens": fitting, **shown}}


def _calls_without_thinking(messages: list[dict[str, Any]]) -> bool:
    """Whether the last answer has calls and no thinking before them, which the API refuses while it is to think:
    https://github.com/pydantic/pydantic-ai/issues/2075, read 2026-11-22."""
    said = next((message["content"] for message in reversed(messages) if message["role"] == "assistant"), "")
    kinds = [block.get("type") for block in said] if isinstance(said, list) else []
    return "tool_use" in kinds and kinds[0] not in ("thinking", "redacted_thinking")


def _output_config(request: CompletionRequest, adjust: Adjuster) -> tuple[dict[str, Any], str]:
    """Effort and format; and what to say in the instructions, where the format has no words for the schema."""
    config: dict[str, Any] = {}
    told = ""
    effort = None if request.thought.effort == "none" else adjust.effort(request, _EFFORTS)
    if effort is not None:
        config["effort"] = effort
    if request.output_schema is not None:
        made = adjust.compiled(request.output_schema, structured.ANTHROPIC)
        if made.enforced:
            config["format"] = {"type": "json_schema", "schema": made.schema}
        else:
            told = told_schema(request.output_schema)
    return ({"output_config": config} if config else {}), told


def _tools(request: CompletionRequest, model: ModelProfile, adjust: Adjuster, thinks: bool) -> dict[str, Any]:
    tools = [_function(tool) for tool in request.tools]
    tools += written(request, NATIVE_TOOLS, _PLACES, adjust)
    if not tools:
        adjust.without_tools(request)
        return {}
    choice: dict[str, Any] = {}
    if request.tool_choice is not None:
        word = {"auto": "auto", "required": "any", "none": "none"}.get(request.tool_choice, "tool")
        if word in ("any", "tool") and model.forced_tool_choice is False:
            adjust.add("tool_choice", f"{model.id} cannot be made to call a tool; sent auto")
            word = "auto"
        elif word in ("any", "tool") and thinks and model.thinking != "always":
            # https://platform.claude.com/docs/en/build-with-claude/extended-thinking, read 2026-11-22.
            adjust.add("tool_choice", "a tool cannot be required of a model that was asked to think; sent auto")
            word = "auto"
        choice = {
            "type": word,
            **({"name": _NAMES.get(request.tool_choice, request.tool_choice)} if word == "tool" else {}),
        }
    if request.parallel_tool_calls is False and choice.get("type") != "none":
        choice = {"type": "auto", **choice, "disable_parallel_tool_use": True}
    return {"tools": tools, **({"tool_choice": choice} if choice else {})}


def _function(tool: ToolDefinition) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name, "input_schema": plain(tool.parameters)}
    if tool.description:
        function["description"] = tool.description
    if tool.strict is not None:
        function["strict"] = tool.strict
    return function


def _metadata_and_tier(request: CompletionRequest, adjust: Adjuster) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if request.metadata:
        for name in request.metadata:
            if name != "user_id":
                adjust.add("metadata", f"the Messages API takes user_id alone; {name!r} was left out")
        if "user_id" in request.metadata:
            body["metadata"] = {"user_id": request.metadata["user_id"]}
    if request.service_tier is not None:
        if request.service_tier in _SERVICE_TIERS:
            body["service_tier"] = request.service_tier
        else:
            adjust.add(
                "service_tier", f"the Messages API knows {', '.join(_SERVICE_TIERS)}, not {request.service_tier!r}"
            )
    return body


def _result(message: Message, ids: Mapping[str, str], adjust: Adjuster) -> dict[str, Any]:
    content = content_of(message, _part, adjust)
    if isinstance(content, str) and not content.strip():
        content = ""
    if message.is_error and not content:
        content = "the tool failed without a message"  # an error without content is refused
    id = ids.get(message.tool_call_id or "", "")
    result: dict[str, Any] = {"type": "tool_result", "tool_use_id": id, "content": content}
    return {**result, "is_error": True} if message.is_error else result


def _part(block: ContentBlock, adjust: Adjuster) -> dict[str, Any] | None:
    part: dict[str, Any]
    if isinstance(block, TextContent):
        if not block.text.strip():
            return None  # refused by the API
        part = {"type": "text", "text": block.text}
    elif isinstance(block, ImageContent):
        if adjust.blind("image"):
            return None
        part = {"type": "image", "source": _source(block)}
    elif isinstance(block, (AudioContent, VideoContent)):
        kind = "audio" if isinstance(block, AudioContent) else "video"
        adjust.add(kind, f"the Messages API takes no {kind}; it was left out")
        return None
    else:
        if adjust.blind("document"):
            return None
        part = {"type": "document", "source": _document_source(block)}
        if block.name:
            part["title"] = block.name
    if block.cache:
        part["cache_control"] = control(block.cache)
    return part


def _document_source(block: DocumentContent) -> dict[str, Any]:
    if block.text is not None:
        return {"type": "text", "media_type": "text/plain", "data": block.text}
    return _source(block)


def _source(block: ImageContent | DocumentContent) -> dict[str, Any]:
    if block.file_id:
        return {"type": "file", "file_id": block.file_id}
    if block.url:
        return {"type": "url", "url": block.url}
    return {"type": "base64", "media_type": block.media_type, "data": block.base64}
