"""The neutral request, response and chunk: one meaning for every vendor.

Inputs are frozen. Unknown is None, never 0 or a default; text is the exception ("" when there is none).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal, Self

from lazybridge.core.chunks import Resumed as Resumed
from lazybridge.core.chunks import StreamChunk as StreamChunk
from lazybridge.core.chunks import field_named
from lazybridge.core.content import (
    CacheHint,
    Citation,
    ContentBlock,
    Media,
    TextContent,
    TokenLogprob,
    attachment,
    blocks_of,
)
from lazybridge.core.hints import EFFORTS as EFFORTS
from lazybridge.core.hints import Effort as Effort
from lazybridge.core.hints import Thinking, ThinkingConfig, Thought, check_hints, thought
from lazybridge.core.native_tools import AnyNativeTool, native_tools
from lazybridge.core.native_tools import ConfiguredTool as ConfiguredTool
from lazybridge.core.native_tools import NativeTool as NativeTool
from lazybridge.core.raw import LazyRaw
from lazybridge.core.raw import RawAnswer as RawAnswer
from lazybridge.core.receipt import Receipt
from lazybridge.core.showing import Shown
from lazybridge.core.usage import UsageStats as UsageStats

StopReason = Literal[
    "end_turn", "tool_use", "max_tokens", "stop_sequence", "refusal", "content_filter", "pause_turn", "error"
]
Tier = Literal["top", "expensive", "medium", "cheap", "super_cheap"]
TIERS: tuple[Tier, ...] = ("top", "expensive", "medium", "cheap", "super_cheap")


class Role(StrEnum):
    """Who speaks in a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


SYSTEM, USER, ASSISTANT, TOOL = Role  # looking a member up on its enum costs ten times a global


@dataclass(frozen=True)
class ToolCall:
    """The model asks for a tool. `error` says why `arguments` is empty where the model's JSON was broken or cut off.

    `native` is COMPUTER_USE where it is the vendor's own tool that the caller runs.
    """

    id: str
    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    raw_arguments: str | None = None
    error: str | None = None
    native: NativeTool | None = None

    @classmethod
    def parse(cls, id: str, name: str, raw: str | Mapping[str, Any] | None) -> ToolCall:
        """From what a vendor sent: a JSON text, a ready object, or nothing for a call without arguments."""
        if raw is None or isinstance(raw, Mapping):
            return cls(id, name, dict(raw or {}))
        try:
            arguments = json.loads(raw) if raw.strip() else {}
        except (ValueError, RecursionError) as exc:
            return cls(id, name, {}, raw, f"arguments are not valid JSON: {exc}")
        if arguments is None:
            arguments = {}
        if not isinstance(arguments, dict):
            return cls(id, name, {}, raw, f"arguments are a JSON {type(arguments).__name__}, not an object")
        return cls(id, name, arguments, raw)


@dataclass(frozen=True)
class ProviderState:
    """A vendor's opaque blocks (thinking signatures, reasoning items), replayed verbatim to that vendor and wire only.

    `said` is the text and the tool calls that the blocks say; a message that was edited to say something else is
    written anew instead.
    """

    vendor: str
    wire: str
    items: tuple[Any, ...]
    said: tuple[str, tuple[ToolCall, ...]] | None = None


@dataclass(frozen=True)
class Message:
    """One turn of a conversation. `content` is text or a sequence of text, blocks, paths of media and bytes."""

    role: Role
    content: str | tuple[ContentBlock, ...] = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    name: str | None = None
    is_error: bool = False
    provider_state: ProviderState | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.role, Role):
            try:
                object.__setattr__(self, "role", Role(self.role))
            except ValueError:
                raise ValueError(f"unknown role {self.role!r}; use one of {', '.join(Role)}") from None
        if not isinstance(self.content, (str, tuple)):
            object.__setattr__(self, "content", blocks_of(self.content))
        if not isinstance(self.tool_calls, tuple):
            object.__setattr__(self, "tool_calls", tuple(self.tool_calls))

    @classmethod
    def system(cls, content: str) -> Self:
        """Instructions that stand above the conversation."""
        return cls(Role.SYSTEM, content)

    @classmethod
    def user(cls, content: str | Iterable[Any], *, attachments: Iterable[Any] = ()) -> Self:
        """What the user says; `attachments` are paths, URLs, bytes or blocks of images, audio, video and documents."""
        blocks = tuple(attachment(item) for item in attachments)
        if not blocks:
            return cls(Role.USER, content if isinstance(content, str) else blocks_of(content))
        return cls(Role.USER, (*blocks_of(content), *blocks))

    @classmethod
    def assistant(cls, content: str | Iterable[Any] = "", *, tool_calls: Iterable[ToolCall] = ()) -> Self:
        """What the model said."""
        return cls(Role.ASSISTANT, content if isinstance(content, str) else blocks_of(content), tuple(tool_calls))

    @classmethod
    def tool(
        cls, content: str | Iterable[Any], *, tool_call_id: str, name: str | None = None, is_error: bool = False
    ) -> Self:
        """The result of one tool call."""
        body = content if isinstance(content, str) else blocks_of(content)
        return cls(Role.TOOL, body, tool_call_id=tool_call_id, name=name, is_error=is_error)

    @property
    def blocks(self) -> tuple[ContentBlock, ...]:
        """The content as blocks, also where it is plain text."""
        return blocks_of(self.content)

    @property
    def text(self) -> str:
        """The text of the content, without media."""
        if isinstance(self.content, str):
            return self.content
        return "".join(block.text for block in self.content if isinstance(block, TextContent))


@dataclass(frozen=True)
class ToolDefinition:
    """A tool that the caller runs: `parameters` is a JSON schema of an object."""

    name: str
    description: str = ""
    parameters: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: bool | None = None


@dataclass(frozen=True)
class OutputSchema:
    """A JSON schema that the answer must fit; `strict` asks the vendor to enforce it while it generates."""

    schema: Mapping[str, Any]
    name: str = "answer"
    strict: bool = True


@dataclass(frozen=True)
class CompletionRequest:
    """One question for one model. It is read-only: a provider builds its payload in a local variable.

    `tool_choice` is "auto", "required" (or "any"), "none" or a tool's name. `thinking` is True, False, an effort, a budget in
    tokens or a ThinkingConfig; an effort in it counts before `effort`. `cache` asks for prompt caching where a vendor wants to
    be asked. `logprobs` asks for the probability of each token, and
    is the number of alternatives to each (0 for the token alone). `timeout` is in seconds, for this one request.
    `strict=True` raises UnsupportedFeatureError where a parameter cannot be sent, instead of an adjustment.
    """

    messages: tuple[Message, ...]
    model: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    tools: tuple[ToolDefinition, ...] = ()
    native_tools: tuple[AnyNativeTool, ...] = ()
    tool_choice: str | None = None
    parallel_tool_calls: bool | None = None
    thinking: Thinking = None
    effort: Effort | None = None
    output_schema: OutputSchema | None = None
    cache: CacheHint = None
    metadata: Mapping[str, str] | None = None
    service_tier: str | None = None
    logprobs: int | None = None
    extra_body: Mapping[str, Any] | None = None
    extra_headers: Mapping[str, str] | None = field(default=None, repr=False)
    timeout: float | None = None
    ttft: float | None = None
    idle: float | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        for name in ("messages", "tools"):
            value = getattr(self, name)
            if not isinstance(value, tuple):
                object.__setattr__(self, name, tuple(value))
        if self.native_tools:
            object.__setattr__(self, "native_tools", native_tools(self.native_tools))
        if not isinstance(self.stop, tuple):
            object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ()))
        if not self.messages:
            raise ValueError("a request needs at least one message, got messages=()")
        for name, (kinds, shown) in _KINDS.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
                raise TypeError(f"{name} is {shown}, got {value!r}")
        check_hints(self.thinking, self.effort, self.cache)
        for name in ("max_tokens", "timeout", "ttft", "idle"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, got {value!r}")
        if self.logprobs is not None and self.logprobs < 0:
            raise ValueError(f"logprobs must not be below 0, got {self.logprobs!r}; write None for no logprobs")
        self._check_choice()

    def _check_choice(self) -> None:
        names = [*(tool.name for tool in self.tools), *map(str, self.native_tools)]
        if "tools" in (self.extra_body or {}):
            return
        words = ["auto", "required", "none", *names]
        if self.tool_choice is None or self.tool_choice in words:
            return
        if self.tool_choice == "any":  # Anthropic's word
            return object.__setattr__(self, "tool_choice", "required")
        near = difflib.get_close_matches(self.tool_choice, words, n=1)
        meant = f" did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"unknown tool_choice {self.tool_choice!r};{meant} use one of {', '.join(words)}")

    def with_messages(self, messages: tuple[Message, ...]) -> CompletionRequest:
        """The same request with other messages; its settings, which were checked, are not looked at again."""
        made = object.__new__(type(self))
        _ = self.thought  # is found once for all copies
        made.__dict__.update(self.__dict__, messages=messages)
        made.__dict__.pop("system_text", None)
        return made

    @cached_property
    def thought(self) -> Thought:
        """Whether to think, how hard, and what to show of it, in whichever way it was asked for."""
        return thought(self.thinking, self.effort)

    @property
    def cache_hints(self) -> tuple[CacheHint, ...]:
        """What is asked about caching, of the whole request and of single blocks."""
        contents = [message.content for message in self.messages if not isinstance(message.content, str)]
        return (self.cache, *(block.cache for content in contents for block in content))

    @cached_property
    def system_text(self) -> str | None:
        """`system` and every system message, joined by blank lines; None where there is none."""
        parts = [self.system] if self.system else []
        parts += [message.text for message in self.messages if message.role is SYSTEM]
        return "\n\n".join(filter(None, parts)) or None


_KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "model": ((str,), "a text"),
    "system": ((str,), "a text"),
    "max_tokens": ((int,), "a whole number"),
    "temperature": ((int, float), "a number"),
    "top_p": ((int, float), "a number"),
    "seed": ((int,), "a whole number"),
    "tool_choice": ((str,), "a word or a tool's name"),
    "parallel_tool_calls": ((bool,), "True or False"),
    "thinking": ((bool, int, str, ThinkingConfig), "True, False, a number of tokens, an effort or a ThinkingConfig"),
    "metadata": ((Mapping,), "a dict"),
    "service_tier": ((str,), "a text"),
    "logprobs": ((int,), "a whole number of alternatives"),
    "extra_body": ((Mapping,), "a dict"),
    "extra_headers": ((Mapping,), "a dict"),
    **dict.fromkeys(("timeout", "ttft", "idle"), ((int, float), "a number of seconds")),
}


@dataclass(frozen=True)
class Adjustment:
    """Something asked for that the model or API cannot take, and what was done instead."""

    parameter: str
    reason: str

    def __str__(self) -> str:
        return f"{self.parameter}: {self.reason}"


@dataclass
class CompletionResponse(Shown):
    """What a model answered. `model` is the model that served; `raw` is the SDK's own object; `status_code` the HTTP status,
    None where there was none.

    `last_text` is the last of several messages in one answer (commentary first, then the answer itself);
    `alternatives` are the texts of the further choices where several were asked for; `citations` are what the answer rests
    on, `search_queries` what the vendor's own search was asked for it. `media` are the images and the audio in it, with their bytes; the text of spoken audio is its transcript. `logprobs`
    has the tokens of the text where they were asked for. A refusal in words is the `content`. From a `Model`, `attempts`
    are the requests that it took, `receipt` is what they cost together, and `cached` says that it came from a cache.
    """

    content: str = ""
    thinking: str = ""
    tool_calls: list[ToolCall] = field(default_factory=list)
    stop_reason: StopReason | None = None
    model: str | None = None
    usage: UsageStats = field(default_factory=UsageStats)
    request_id: str | None = None
    status_code: int | None = None
    last_text: str | None = None
    alternatives: tuple[str, ...] = ()
    citations: tuple[Citation, ...] = ()
    search_queries: tuple[str, ...] = ()
    media: tuple[Media, ...] = ()
    logprobs: tuple[TokenLogprob, ...] = field(default=(), repr=False)
    parsed: Any = None
    adjustments: tuple[Adjustment, ...] = ()
    receipt: Receipt | None = None
    attempts: tuple[Any, ...] = ()
    cached: bool = False
    raw: Any = field(default=LazyRaw(), repr=False)  # a descriptor-typed field
    provider_state: ProviderState | None = field(default=None, repr=False)

    @property
    def cost_usd(self) -> float | None:
        """USD, None where it is not exactly known."""
        return self.usage.cost_usd if self.receipt is None else self.receipt.cost_usd

    def __getitem__(self, name: str) -> Any:
        """A field by its name."""
        return field_named(self, name)

    def to_message(self) -> Message:
        """This answer as the assistant's turn of the next request."""
        content = (*blocks_of(self.content), *self.media) if self.media else self.content
        return Message(Role.ASSISTANT, content, tuple(self.tool_calls), provider_state=self.provider_state)

    def final_chunk(self) -> StreamChunk:
        """The last chunk of a stream that added up to this answer."""
        return StreamChunk(
            tool_calls=self.tool_calls,
            stop_reason=self.stop_reason,
            usage=self.usage,
            is_final=True,
            model=self.model,
            response=self,
        )


# The names of these two elsewhere.
ChatMessage = Message
ModelResponse = CompletionResponse
