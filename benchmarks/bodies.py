"""What is asked: two conversations, and the JSON bodies that lazybridge makes of them, which all others send as well."""

from __future__ import annotations

from typing import Any

from subjects import FAMILIES

from lazybridge import CompletionRequest, Message, ToolCall, ToolDefinition
from lazybridge.core import catalogue
from lazybridge.core.providers.google import GoogleProvider
from lazybridge.core.providers.groq import WIRE as GROQ
from lazybridge.core.providers.mistral import WIRE as MISTRAL
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.messages import MessagesWire
from lazybridge.core.wire.responses import ResponsesWire


def conversation(long: bool) -> tuple[list[Message], list[ToolDefinition]]:
    """A system prompt and a question; or 100 messages with tool calls and their results, and 20 tools."""
    if not long:
        return [Message.system("You are brief."), Message.user("What is the capital of France?")], []
    text = "The quick brown fox jumps over the lazy dog, and then it does so once more. " * 3
    messages = [Message.system("You are brief.")]
    for turn in range(24):
        call = ToolCall.parse(
            f"call_{turn}", f"tool_{turn % 20}", f'{{"city": "Paris", "days": {turn}, "tags": ["a"]}}'
        )
        messages += [
            Message.user(f"{turn}: {text}"),
            Message.assistant("I will look.", tool_calls=[call]),
            Message.tool(f'{{"temperature": {turn}}}', tool_call_id=call.id, name=call.name),
            Message.assistant(text),
        ]
    messages += [Message.user("And now?"), Message.assistant(text), Message.user("What is the capital of France?")]
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Where"},
            "days": {"type": "integer", "minimum": 0},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["city"],
    }
    return messages, [ToolDefinition(f"tool_{number}", "Looks something up.", schema) for number in range(20)]


def all_bodies() -> dict[str, Any]:
    """Family -> "long, streamed" -> the body."""
    google = GoogleProvider(api_key="benchmark")._wire(CompletionRequest((Message.user("hi"),)))
    wires: dict[str, Any] = {
        "openai chat": ChatWire(),
        "openai responses": ResponsesWire(),
        "anthropic": MessagesWire(),
        "groq": GROQ,
        "mistral": MISTRAL,
        "google": google,
    }
    made: dict[str, Any] = {}
    for name, family in FAMILIES.items():
        row = catalogue.profile(name.partition(" ")[0], family.model)
        made[name] = {}
        for long in (False, True):
            messages, tools = conversation(long)
            request = CompletionRequest(tuple(messages), family.model, max_tokens=1024, tools=tuple(tools))
            for stream in (False, True):
                body = wires[name].to_sdk_kwargs(request, row, stream).body
                made[name][f"{long}, {stream}"] = {**body, "model": family.model}
    return made
