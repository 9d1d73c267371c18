"""What a call may carry: its settings by name, and a task as messages."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, TypeGuard

from lazybridge.broken import OnBreak
from lazybridge.budget import Budget
from lazybridge.core.content import CacheHint, TextContent
from lazybridge.core.errors import ConfigurationError, LazyBridgeError
from lazybridge.core.hints import Thinking, without_effort
from lazybridge.core.native_tools import AnyNativeTool, NativeTool, check_allowed, kind_of, options_of
from lazybridge.core.providers.base import BaseProvider
from lazybridge.core.types import USER, Effort, Message, ToolCall, ToolDefinition
from lazybridge.envelope import Envelope
from lazybridge.limits import RateLimit
from lazybridge.tools import Tool

if TYPE_CHECKING:
    from lazybridge.audience import Audience
    from lazybridge.ledger import Ledger

Task = str | Message | Sequence[Message | Mapping[str, Any]] | Envelope[Any] | Sequence[Envelope[Any]]


class Settings(TypedDict, total=False):
    """What a request carries besides its messages; each may be set for an agent and overridden for a call."""

    system: str | None
    max_tokens: int | None
    temperature: float | None
    top_p: float | None
    stop: str | Sequence[str]
    seed: int | None
    tool_choice: str | None
    parallel_tool_calls: bool | None
    thinking: Thinking
    effort: Effort | None
    cache: CacheHint
    metadata: Mapping[str, str] | None
    service_tier: str | None
    logprobs: int | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    timeout: float | None
    ttft: float | None
    idle: float | None
    strict: bool


class AgentOptions(Settings, total=False):
    """What an agent carries besides its `output`; `api` is the choice between OpenAI's two APIs, `endpoint` and
    `api_version` are Azure's, `backend` is the engine of a local model, `hedge_after` is in seconds."""

    provider: str | type[BaseProvider] | BaseProvider | None
    tier: str | None
    tools: Iterable[Tool | ToolDefinition | Callable[..., Any]]
    native_tools: Iterable[AnyNativeTool]
    api_key: str | None
    base_url: str | None
    api: Literal["responses", "chat"]
    endpoint: str
    api_version: str
    backend: Literal["llamacpp", "llama-cpp-python", "mistralrs", "candle"]
    strict_native_tools: bool | None
    allow_dangerous_native_tools: bool
    max_retries: int
    max_turns: int
    max_repairs: int
    max_tool_errors: int
    max_parallel_tools: int
    tool_timeout: float | None
    fallback: bool | str | Iterable[Any]
    fallback_on: Iterable[str] | None
    on_break: OnBreak
    name: str | None
    budget: Budget | None
    ledger: Ledger | None
    session: Audience | None
    breaker: bool
    rate_limit: RateLimit | None
    hedge_after: float | None


class Options(AgentOptions, total=False):
    """What a model carries besides."""

    output: Any


SETTING_NAMES = frozenset(Settings.__annotations__)
OPTION_NAMES = frozenset(Options.__annotations__) | {"engine", "guard", "verify", "max_verify"}


def refuse_misspelt(name: str) -> None:
    """Raise ConfigurationError where a keyword is one letter away from one that exists."""
    close = difflib.get_close_matches(name, OPTION_NAMES, n=1, cutoff=0.8)
    if close and close[0] != name:
        raise ConfigurationError(f"no setting is called {name!r}; did you mean {close[0]!r}?\nwrite {close[0]}=...")


def check_setting(name: str) -> None:
    """Raise ConfigurationError for a keyword of a call that is no setting."""
    if name in SETTING_NAMES:
        return
    if name in OPTION_NAMES:
        raise ConfigurationError(f"{name} belongs to the agent, not to one call\nAgent(..., {name}=...)")
    refuse_misspelt(name)
    raise ConfigurationError(f"no setting is called {name!r}\nsettings: {', '.join(sorted(SETTING_NAMES))}")


def beside(thinking: Thinking, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What a call's own `effort` changes in the `thinking` of its agent: the call's word counts."""
    if "effort" not in changes or "thinking" in changes:
        return {}
    return {"thinking": None if changes["effort"] == "none" else without_effort(thinking)}


def check_native_tools(tools: Iterable[AnyNativeTool], allowed: bool, provider: BaseProvider) -> None:
    """Raise ConfigurationError for a native tool that nobody allowed, or that a built-in provider must be told more of."""
    check_allowed(tools, allowed)
    for tool in tools:
        lacks = kind_of(tool) is NativeTool.FILE_SEARCH and not options_of(tool)
        if lacks and provider._adjusts_itself and kind_of(tool) in provider.supported_native_tools:
            NativeTool.FILE_SEARCH()  # says what it lacks


def messages_of(task: Task, attachments: Iterable[Any]) -> tuple[Message, ...]:
    """A prompt, a message or a conversation as messages; of an envelope, or several, what they answer.

    Raises ValueError where it is empty, TypeError where it is none of them, FileNotFoundError for a missing attachment.
    """
    attachments = (attachments,) if isinstance(attachments, (str, bytes, os.PathLike)) else tuple(attachments)
    if isinstance(task, Envelope) or _are_envelopes(task):
        return (_answered((task,) if isinstance(task, Envelope) else task, attachments),)
    if isinstance(task, str):
        if not task.strip() and not attachments:
            raise ValueError(f"the prompt is empty: {task!r}")
        return (Message.user(task, attachments=attachments),)
    messages = (task,) if isinstance(task, Message) else tuple(map(_message, _sequence(task)))
    if not messages:
        raise ValueError("the conversation is empty: []")
    for place, message in enumerate(messages):
        if message.role is not USER or (message.content and isinstance(message.content, str)):
            continue
        if not any(block != TextContent("") for block in message.blocks):
            raise ValueError(f"message {place} of the conversation is empty: {message.content!r}")
    return (*messages, Message.user("", attachments=attachments)) if attachments else messages


def refusal_of(task: object) -> LazyBridgeError | None:
    """The error of a task that is the envelope of a failed call, or has one among several; nothing is to be sent then."""
    if isinstance(task, Envelope):
        return task.error
    if not _are_envelopes(task):
        return None
    return next((envelope.error for envelope in task if envelope.error is not None), None)


def _are_envelopes(task: object) -> TypeGuard[Sequence[Envelope[Any]]]:
    return isinstance(task, (list, tuple)) and bool(task) and all(isinstance(one, Envelope) for one in task)


def _answered(envelopes: Sequence[Envelope[Any]], attachments: tuple[Any, ...]) -> Message:
    """The answers of other calls as what the user says: their texts, images and audio."""
    texts = [text_of(envelope) for envelope in envelopes]
    media = [item for envelope in envelopes for item in envelope.media]
    if is_empty(envelopes) and not attachments:
        raise ValueError(
            "the answer that is to be the task is empty\nlook at envelope.tool_calls and envelope.response"
        )
    return Message.user("\n\n".join(filter(None, texts)), attachments=(*media, *attachments))


def is_empty(answer: Envelope[Any] | Sequence[Envelope[Any]]) -> bool:
    """Whether there is neither text nor media in an answer, or in any of several."""
    envelopes = [answer] if isinstance(answer, Envelope) else answer
    return not any(text_of(envelope).strip() or envelope.media for envelope in envelopes)


def text_of(envelope: Envelope[Any]) -> str:
    """An answer's text; a payload that is no text, where a user's engine gives one alone, as JSON."""
    payload = envelope.payload
    if envelope.text() or payload is None:
        return envelope.text()
    return payload if isinstance(payload, str) else _json(payload)


def _json(payload: Any) -> str:
    from pydantic_core import to_json

    return to_json(payload).decode()


def _sequence(task: object) -> Iterable[Any]:
    if isinstance(task, Sequence) and not isinstance(task, bytes):
        return task
    raise TypeError(
        f"a task is a prompt, a Message, a list of messages or an Envelope, got {type(task).__name__}: {task!r}"
    )


def _message(item: object) -> Message:
    """A message, also as the dict that OpenAI's Chat Completions use."""
    if isinstance(item, Message):
        return item
    if not isinstance(item, Mapping) or "role" not in item:
        raise TypeError(f'a message is a Message or {{"role": ..., "content": ...}}, got {item!r}')
    given = {name: value for name, value in item.items() if value is not None}
    unknown = given.keys() - _MESSAGE_KEYS
    if unknown:
        raise TypeError(f"a message has no {', '.join(sorted(map(repr, unknown)))}; it has {', '.join(_MESSAGE_KEYS)}")
    calls = tuple(map(_tool_call, given.pop("tool_calls", ())))
    return Message(**given, tool_calls=calls)


_MESSAGE_KEYS = ("role", "content", "tool_calls", "tool_call_id", "name", "is_error", "provider_state")


def _tool_call(item: Any) -> ToolCall:
    if isinstance(item, ToolCall):
        return item
    try:
        return ToolCall.parse(item["id"], item["function"]["name"], item["function"]["arguments"])
    except (KeyError, TypeError):
        shape = '{"id": ..., "function": {"name": ..., "arguments": ...}}'
        raise TypeError(f"a tool call is a ToolCall or {shape}, got {item!r}") from None
