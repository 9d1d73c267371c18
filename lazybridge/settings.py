"""What a call may carry: its settings by name, and a task as messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypedDict, get_type_hints

from lazybridge.core.content import CacheHint
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.types import Effort, Message

Task = str | Message | Sequence[Message | Mapping[str, Any]]


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
    thinking: bool | int | None
    effort: Effort | None
    cache: CacheHint
    metadata: Mapping[str, str] | None
    service_tier: str | None
    extra_body: Mapping[str, Any] | None
    extra_headers: Mapping[str, str] | None
    strict: bool


SETTING_NAMES = frozenset(get_type_hints(Settings))


def refuse_misspelt(name: str) -> None:
    """Raise ConfigurationError where a keyword is one letter away from one that exists."""
    known = [
        *SETTING_NAMES,
        "timeout",
        "max_retries",
        "max_turns",
        "fallback",
        "tools",
        "native_tools",
        "output",
        "tier",
    ]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    if close:
        raise ConfigurationError(f"no setting is called {name!r}; did you mean {close[0]!r}?\nwrite {close[0]}=...")


def messages_of(task: Task, attachments: Iterable[Any]) -> tuple[Message, ...]:
    """A prompt, a message or a conversation as messages. Raises ValueError where it is empty, TypeError where it is none."""
    attachments = tuple(attachments)
    if isinstance(task, str):
        if not task.strip() and not attachments:
            raise ValueError(f"the prompt is empty: {task!r}")
        return (Message.user(task, attachments=attachments),)
    messages = (task,) if isinstance(task, Message) else tuple(map(_message, _sequence(task)))
    if not messages:
        raise ValueError("the conversation is empty: []")
    return (*messages, Message.user("", attachments=attachments)) if attachments else messages


def _sequence(task: object) -> Iterable[Any]:
    if isinstance(task, Sequence) and not isinstance(task, bytes):
        return task
    raise TypeError(f"a task is a prompt, a Message or a list of messages, got {type(task).__name__}: {task!r}")


def _message(item: object) -> Message:
    if isinstance(item, Message):
        return item
    if isinstance(item, Mapping) and "role" in item:
        return Message(**item)
    raise TypeError(f'a message is a Message or {{"role": ..., "content": ...}}, got {item!r}')


def near(word: str, known: Iterable[str]) -> str:
    """A hint for a misspelt word, or ""."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
