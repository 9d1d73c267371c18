"""The neutral requests whose bodies are pinned in `golden/`, one file for each wire and case.

After a wanted change write them anew with `python -m tests.wire.requests` and read the diff.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from lazybridge.core import catalogue, structured
from lazybridge.core.content import AudioContent, DocumentContent, ImageContent, TextContent, VideoContent
from lazybridge.core.hints import CacheConfig, ThinkingConfig
from lazybridge.core.providers import fal, groq
from lazybridge.core.providers.mistral import WIRE as MISTRAL
from lazybridge.core.types import (
    EFFORTS,
    CompletionRequest,
    Message,
    NativeTool,
    OutputSchema,
    ProviderState,
    ToolCall,
    ToolDefinition,
)
from lazybridge.core.wire import Wire
from lazybridge.core.wire.chat import ChatWire
from lazybridge.core.wire.gemini import GeminiWire
from lazybridge.core.wire.messages import MessagesWire
from lazybridge.core.wire.responses import ResponsesWire

GOLDEN = Path(__file__).with_name("golden")
WIRES: dict[str, Wire] = {
    "chat": ChatWire(),
    "responses": ResponsesWire(),
    "messages": MessagesWire(),
    "groq": groq.WIRE,
    "fal": fal.WIRE,
    "mistral": MISTRAL,
    "gemini": GeminiWire(),
}
VENDORS = {
    "chat": "openai",
    "responses": "openai",
    "messages": "anthropic",
    "groq": "groq",
    "fal": "fal",
    "mistral": "mistral",
    "gemini": "google",
}
# The dialects of Chat Completions.
CHAT = ("chat", "groq", "fal")
USUAL_MODELS = {
    "chat": ("gpt-4.1-mini", "gpt-6-luna"),
    "responses": ("gpt-6-luna", "gpt-4.1-mini"),
    "messages": ("claude-haiku-5-5", "claude-haiku-4-5"),
    "groq": ("openai/gpt-oss-20b", "unknown-1"),
    "fal": ("openai/gpt-6-luna",),
    "mistral": ("mistral-small-2603", "mistral-large-2512"),
    "gemini": ("gemini-3.8-flash", "gemini-2.5-flash-lite"),
}
# Where a rule depends on the model; an id that no table knows is one of them.
MODELS_OF_CASE: dict[str, dict[str, tuple[str, ...]]] = {
    "plain_text": {
        "chat": ("gpt-4.1-mini", "gpt-6-luna", "o3", "unknown-1"),
        "responses": ("gpt-6-luna", "gpt-4.1-mini", "o3", "unknown-1"),
        "messages": ("claude-haiku-5-5", "claude-opus-5-5", "claude-haiku-4-5", "unknown-1"),
    },
    "audio": {
        "chat": ("gpt-audio-mini", "gpt-6-luna", "unknown-1"),
        "mistral": ("voxtral-small-2507", "mistral-small-2603", "unknown-1"),
        "gemini": ("gemini-3.8-flash",),
    },
    "images": {"chat": ("gpt-4.1-mini", "gpt-audio-mini"), "responses": ("gpt-6-luna",)},
    "media_of_answers": {"chat": ("gpt-audio-mini", "gpt-6-luna")},
    "thinking": {
        "chat": ("gpt-6-luna", "gpt-4.1-mini", "o3"),
        "responses": ("gpt-6-luna", "gpt-4.1-mini", "o3", "unknown-1"),
        "messages": ("claude-haiku-5-5", "claude-opus-5-5", "claude-haiku-4-5", "unknown-1"),
        "gemini": ("gemini-3.8-flash", "gemini-2.5-flash-lite", "unknown-1"),
    },
    "effort": {
        "gemini": ("gemini-3.8-flash", "gemini-3.6-flash", "gemini-2.5-flash-lite", "unknown-1"),
        "chat": ("gpt-6-luna", "gpt-4.1-mini", "o3", "unknown-1"),
        "responses": ("gpt-6-luna", "gpt-4.1-mini", "o3", "unknown-1"),
        "messages": ("claude-haiku-5-5", "claude-opus-5-5", "claude-haiku-4-5", "unknown-1"),
    },
    "tool_choice": {"messages": ("claude-haiku-5-5", "claude-opus-5-5")},
}
for case in ("sampling", "logprobs"):
    MODELS_OF_CASE[case] = {
        "chat": ("gpt-4.1-mini", "gpt-6-luna", "o3", "unknown-1"),
        "responses": ("gpt-4.1-mini", "gpt-6-luna", "o3", "unknown-1"),
    }
for case in ("thinking", "effort", "images"):
    MODELS_OF_CASE[case]["groq"] = ("openai/gpt-oss-120b", "qwen/qwen3.8-27b", "unknown-1")

PNG = b"\x89PNG\r\n\x1a\n0000"
PDF = b"%PDF-1.4\n0000"
MP4 = b"\x00\x00\x00\x18ftypmp42"
UPLOADED = "https://generativelanguage.googleapis.com/v1beta/files/8b2bhnsluaai"
WAV = b"RIFF\x04\x00\x00\x00WAVE"
WEATHER = ToolDefinition(
    "get_weather",
    "The weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"], "additionalProperties": False},
)
STRICT = ToolDefinition("get_time", "The time in a city.", WEATHER.parameters, strict=True)
LOOSE = ToolDefinition("ping", parameters={"type": "object", "properties": {"n": {"type": "integer"}}}, strict=False)
QUESTION = Message.user("What is the weather in Rome?")
TWO_CALLS = Message.assistant(
    "I will look.",
    tool_calls=[
        ToolCall("call_1", "get_weather", {"city": "Rome"}, '{"city":"Rome"}'),
        ToolCall("call_2", "get_weather", {"city": "Oslo"}),
    ],
)


class Leaf(BaseModel):
    colour: str
    size: int = Field(ge=1, le=9)


class Tree(BaseModel):
    trunk: Leaf
    leaves: list[Leaf]
    note: str | None = None


class Branch(BaseModel):
    name: str
    branches: list[Branch] = []


def _asking(**settings: Any) -> CompletionRequest:
    return CompletionRequest((Message.user("Hi"),), **settings)


def _saying(*blocks: Any) -> CompletionRequest:
    return CompletionRequest((Message.user(blocks),))


def _with_tools(**settings: Any) -> CompletionRequest:
    return CompletionRequest((QUESTION,), tools=(WEATHER, STRICT), **settings)


def _replaying(vendor: str, wire: str, *items: Mapping[str, Any]) -> CompletionRequest:
    turn = Message.assistant("I will look.", tool_calls=[ToolCall("call_1", "get_weather", {"city": "Rome"})])
    turn = Message(turn.role, turn.content, turn.tool_calls, provider_state=ProviderState(vendor, wire, items))
    return CompletionRequest((QUESTION, turn, Message.tool("Sunny", tool_call_id="call_1")), tools=(WEATHER,))


def _result_of(*blocks: Any) -> CompletionRequest:
    result = Message.tool(["Look", *blocks], tool_call_id="call_1")
    return CompletionRequest(
        (QUESTION, Message.assistant(tool_calls=TWO_CALLS.tool_calls[:1]), result), tools=(WEATHER,)
    )


def _answered(answer: Message, vendor: str = "", wire: str = "", *items: Mapping[str, Any]) -> CompletionRequest:
    state = ProviderState(vendor, wire, items, (answer.text, ())) if items else None
    return CompletionRequest((QUESTION, replace(answer, provider_state=state), Message.user("And now?")))


# Case -> what is varied in it -> the request.
CASES: dict[str, dict[str, CompletionRequest]] = {
    "plain_text": {"": _asking()},
    "system_and_turns": {
        "": CompletionRequest(
            (Message.user("Hi"), Message.assistant("Hello."), Message.user("And now?")), system="Be brief."
        )
    },
    "system_in_the_middle": {
        "": CompletionRequest(
            (Message.user("Hi"), Message.assistant("Hello."), Message.system("Speak Latin."), Message.user("Now?")),
            system="Be brief.",
        )
    },
    "images": {
        "by url": _saying("Compare", ImageContent(url="https://example.com/a.png", detail="high")),
        "by bytes": _saying(ImageContent(data=PNG, detail="low")),
        "by data url": _saying(ImageContent(url="data:image/png;base64,iVBORw0KGgowMDAw")),
        "by file id": _saying("See", ImageContent(file_id="file-1")),
    },
    "documents": {
        "by bytes": _saying("Read", DocumentContent(data=PDF, name="a.pdf")),
        "by bytes without a name": _saying("Read", DocumentContent(data=PDF)),
        "by url": _saying("Read", DocumentContent(url="https://example.com/a.pdf")),
        "by data url": _saying("Read", DocumentContent(url="data:application/pdf;base64,JVBERi0xLjQKMDAwMA==")),
        "by file id": _saying("Read", DocumentContent(file_id="file-1")),
        "text": _saying("Read", DocumentContent(data=b"Once upon", media_type="text/plain", name="a.txt")),
    },
    "audio": {
        "wav": _saying("Listen", AudioContent(data=WAV)),
        "by url": _saying("Listen", AudioContent(url="https://example.com/a.wav")),
        "by file id": _saying("Listen", AudioContent(file_id="file-1", media_type="audio/mpeg")),
    },
    "video": {
        "by bytes": _saying("Watch", VideoContent(data=MP4)),
        "by url": _saying("Watch", VideoContent(url="https://example.com/a.webm")),
        "on YouTube": _saying("Watch", VideoContent(url="https://youtu.be/lCdaVNyHtjU", fps=0.2)),
        "by file id": _saying("Watch", VideoContent(file_id=UPLOADED, media_type="video/mp4")),
        "a part of it": _saying("Watch", VideoContent(data=MP4, start=1.5, end=60)),
    },
    "tools": {
        "": CompletionRequest((QUESTION,), tools=(WEATHER, STRICT, LOOSE)),
        "one at a time": _with_tools(parallel_tool_calls=False),
        "many at a time": _with_tools(parallel_tool_calls=True),
    },
    "tool_choice": {
        "auto": _with_tools(tool_choice="auto"),
        "required": _with_tools(tool_choice="required"),
        "none": _with_tools(tool_choice="none"),
        "by name": _with_tools(tool_choice="get_weather"),
        "by name, one at a time": _with_tools(tool_choice="get_weather", parallel_tool_calls=False),
        "none, one at a time": _with_tools(tool_choice="none", parallel_tool_calls=False),
        "without tools": _asking(tool_choice="required", parallel_tool_calls=False),
    },
    "tool_turn": {
        "one result": CompletionRequest(
            (
                QUESTION,
                Message.assistant(tool_calls=TWO_CALLS.tool_calls[:1]),
                Message.tool("Sunny", tool_call_id="call_1"),
            ),
            tools=(WEATHER,),
        ),
        "parallel, one failed": CompletionRequest(
            (
                QUESTION,
                TWO_CALLS,
                Message.tool("Sunny", tool_call_id="call_1", name="get_weather"),
                Message.tool("No such city", tool_call_id="call_2", is_error=True),
                Message.user("Go on"),
            ),
            tools=(WEATHER,),
        ),
        "failed without a word": CompletionRequest(
            (
                QUESTION,
                Message.assistant(tool_calls=TWO_CALLS.tool_calls[:1]),
                Message.tool("", tool_call_id="call_1", is_error=True),
            ),
            tools=(WEATHER,),
        ),
        "parallel, one an image": CompletionRequest(
            (
                QUESTION,
                TWO_CALLS,
                Message.tool([TextContent("Look"), ImageContent(data=PNG)], tool_call_id="call_1"),
                Message.tool("Rain", tool_call_id="call_2"),
                Message.user("Go on"),
            ),
            tools=(WEATHER,),
        ),
    },
    "media_in_results": {
        "by bytes": _result_of(ImageContent(data=PNG), DocumentContent(data=PDF, name="a.pdf")),
        "by file id": _result_of(ImageContent(file_id="file-1"), DocumentContent(file_id="file-2")),
        "by url": _result_of(ImageContent(url="https://example.com/a.png")),
        "audio and video": _result_of(AudioContent(data=WAV), VideoContent(data=MP4)),
    },
    "media_of_answers": {
        "an image without its state": _answered(Message.assistant(["Here.", ImageContent(data=PNG)])),
        "an image of responses": _answered(
            Message.assistant(["Here.", ImageContent(data=PNG)]),
            "openai",
            "responses",
            {"id": "ig_1", "type": "image_generation_call", "status": "completed", "result": "iVBORw0KGgowMDAw"},
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Here.", "annotations": []}],
            },
        ),
        "an image of gemini": _answered(
            Message.assistant(["Here.", ImageContent(data=PNG)]),
            "google",
            "gemini",
            {"text": "Here."},
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgowMDAw"}, "thoughtSignature": "c2lnMQ=="},
        ),
        "audio of chat": _answered(
            Message.assistant(["Hello.", AudioContent(data=WAV)]),
            "openai",
            "chat",
            {"audio": {"id": "audio_1"}, "expires_at": 4102444800},
        ),
        "audio of chat, forgotten": _answered(
            Message.assistant(["Hello.", AudioContent(data=WAV)]),
            "openai",
            "chat",
            {"audio": {"id": "audio_1"}, "expires_at": 1729447778},
        ),
    },
    "logprobs": {"of the tokens": _asking(logprobs=0), "of alternatives": _asking(logprobs=3)},
    "thinking": {
        "on": _asking(thinking=True),
        "off": _asking(thinking=False),
        "budget": _asking(thinking=2000),
        "budget above max_tokens": _asking(thinking=9000, max_tokens=4000),
        "small max_tokens": _asking(thinking=True, max_tokens=500),
        "on, with effort": _asking(thinking=True, effort="high"),
        "as a word": _asking(thinking="low"),
        "as much as there is": _asking(thinking="max"),
        "none": _asking(thinking="none"),
        "hidden, with a budget": _asking(thinking=ThinkingConfig(budget_tokens=2000, summary="none")),
        "shown in detail": _asking(thinking=ThinkingConfig(effort="high", summary="detailed")),
        "with a required tool": _with_tools(thinking=True, tool_choice="required"),
    },
    "effort": {effort: _asking(effort=effort) for effort in EFFORTS},
    "output_schema": {
        "of a model with references": _asking(output_schema=structured.output_schema(Tree)),
        "recursive": _asking(output_schema=structured.output_schema(Branch)),
        "wrapped": _asking(output_schema=structured.output_schema(list[Leaf])),
        "not enforced": _asking(output_schema=OutputSchema(Leaf.model_json_schema(), name="leaf", strict=False)),
        "free form": _asking(output_schema=structured.output_schema({"type": "object", "title": "Any thing"})),
        "with effort": _asking(output_schema=structured.output_schema(int), effort="low"),
    },
    "sampling": {
        "zero": _asking(temperature=0, top_p=1.0),
        "some": _asking(temperature=0.7),
        "without reasoning": _asking(temperature=0.7, effort="none"),
    },
    "limits": {
        "max_tokens": _asking(max_tokens=100),
        "stop": _asking(stop=("END", "STOP")),
        "seed": _asking(seed=0),
    },
    "cache": {
        "on": _asking(cache=True, system="Be brief."),
        "off": _asking(cache=False),
        "1h": _asking(cache="1h"),
        "block": _saying(TextContent("A long text", cache=True), TextContent("A question")),
        "with a key": _asking(cache=CacheConfig(ttl="1h", key="docs")),
        "beside tools": _with_tools(cache=True),
        "1h after 5m": CompletionRequest(
            (Message.user([TextContent("Long", cache=True), "?"]),), system="Be brief.", cache="1h"
        ),
        "five marks": _saying(*(TextContent(f"part {number}", cache=True) for number in range(5))),
        "block for 1h": _saying(ImageContent(data=PNG, cache="1h"), "What is it?"),
    },
    "metadata": {
        "user": _asking(metadata={"user_id": "u-1"}),
        "more": _asking(metadata={"user_id": "u-1", "run": "7"}),
    },
    "service_tier": {"auto": _asking(service_tier="auto"), "flex": _asking(service_tier="flex")},
    "native_tools": {
        "": _asking(native_tools=(NativeTool.WEB_SEARCH, NativeTool.CODE_EXECUTION)),
        "beside tools": _with_tools(native_tools=(NativeTool.WEB_SEARCH,), tool_choice="auto"),
        "beside a schema": _asking(
            native_tools=(NativeTool.WEB_SEARCH,), output_schema=structured.output_schema({"type": "object"})
        ),
    },
    "extra_body": {
        "adds": _asking(extra_body={"metadata": {"user_id": "u-2"}}),
        "wins": _asking(extra_body={"service_tier": "auto"}, service_tier="flex"),
    },
    "replay": {
        "of responses": _replaying(
            "openai",
            "responses",
            {"id": "rs_1", "type": "reasoning", "summary": [], "encrypted_content": "gAAAAB=="},
            {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "phase": "commentary",
                "content": [{"type": "output_text", "text": "I will look.", "annotations": []}],
            },
            {
                "id": "fc_1",
                "type": "function_call",
                "status": "completed",
                "call_id": "call_1",
                "name": "get_weather",
                "arguments": '{"city": "Rome"}',
            },
        ),
        "of messages": _replaying(
            "anthropic",
            "messages",
            {"type": "thinking", "thinking": "", "signature": "EqQB=="},
            {"type": "redacted_thinking", "data": "EmwK=="},
            {"type": "text", "text": "I will look."},
            {"type": "tool_use", "id": "call_1", "name": "get_weather", "input": {"city": "Rome"}},
        ),
        "of gemini": _replaying(
            "google",
            "gemini",
            {"text": "Rome it is.", "thought": True},
            {"text": "I will look.", "thoughtSignature": "c2lnMQ=="},
            {"functionCall": {"name": "get_weather", "args": {"city": "Rome"}}, "thoughtSignature": "c2lnMg=="},
        ),
    },
}


# What one wire alone has a rule for.
_NEAR = {"city": "Rome", "country": "IT"}
_SEARCH = NativeTool.WEB_SEARCH(allowed_domains=["python.org"], user_location=_NEAR)
_STORES = NativeTool.FILE_SEARCH(vector_store_ids=["fileSearchStores/one", "vs_2"], max_results=3)
_DISPLAY = NativeTool.COMPUTER_USE(display_width=1024, display_height=768, environment="browser")
CASES_OF_WIRE: dict[str, dict[str, dict[str, CompletionRequest]]] = {
    "messages": {
        "native_tools": {
            "told more": _asking(native_tools=(_SEARCH, NativeTool.CODE_EXECUTION(container="container_1"))),
            "told too much": _asking(native_tools=(NativeTool.WEB_SEARCH(max_uses=3, search_context_size="high"),)),
            "pages": _asking(native_tools=(NativeTool.URL_CONTEXT(max_uses=2, blocked_domains=["example.org"]),)),
            "computer": _asking(native_tools=(_DISPLAY,)),
            "chosen": _asking(native_tools=(NativeTool.URL_CONTEXT,), tool_choice="url_context"),
        }
    },
    "responses": {
        "native_tools": {
            "told more": _asking(native_tools=(_SEARCH, _STORES)),
            "code with files": _asking(
                native_tools=(NativeTool.CODE_EXECUTION(file_ids=["file_1"], memory_limit="4g"),)
            ),
            "code in a container": _asking(native_tools=(NativeTool.CODE_EXECUTION(container="cntr_1"),)),
            "pictures": _asking(
                native_tools=(
                    NativeTool.IMAGE_GENERATION(
                        size="1024x1536", quality="low", output_format="webp", partial_images=1
                    ),
                )
            ),
            "computer": _asking(native_tools=(NativeTool.COMPUTER_USE,)),
            "computer of a size": _asking(native_tools=(_DISPLAY,)),
            "chosen": _asking(native_tools=(_STORES, NativeTool.WEB_SEARCH), tool_choice="web_search"),
        }
    },
    "gemini": {
        "native_tools": {
            "told more": _asking(native_tools=(_STORES, NativeTool.URL_CONTEXT)),
            "maps": _asking(native_tools=(NativeTool.GOOGLE_MAPS(latitude=41.9, longitude=12.5),)),
            "told too much": _asking(
                native_tools=(NativeTool.GOOGLE_SEARCH(max_uses=3, blocked_domains=["example.org"]),)
            ),
        }
    },
    "groq": {
        "output_schema": {
            "beside tools": _with_tools(output_schema=structured.output_schema(Leaf), system="Be brief."),
        },
        "service_tier": {"on demand": _asking(service_tier="on_demand"), "another": _asking(service_tier="priority")},
        "extra_body": {
            "refused": _asking(extra_body={"logprobs": True, "logit_bias": {"50256": -100}, "n": 2, "user": "u-1"}),
            "refused, meaning nothing": _asking(extra_body={"logprobs": False, "n": 1}),
            "hides thinking": _asking(extra_body={"include_reasoning": False}),
            "searches": _asking(extra_body={"search_settings": {"include_domains": ["python.org"]}}),
        },
        "replay": {"of groq": _replaying("groq", "chat", {"reasoning": "The tool knows."})},
    },
}


def variants(wire: str, case: str) -> dict[str, CompletionRequest]:
    """What is varied in a case of a wire."""
    return CASES[case] | CASES_OF_WIRE.get(wire, {}).get(case, {})


def models(wire: str, case: str) -> tuple[str, ...]:
    """The models that a case is written down for."""
    return MODELS_OF_CASE.get(case, {}).get(wire, USUAL_MODELS[wire])


def written(wire: str, case: str) -> dict[str, Any]:
    """What a golden file holds: for every variant and model the body and what could not be put into it."""
    return {
        f"{variant or case} / {model}": _call(wire, model, request)
        for variant, request in variants(wire, case).items()
        for model in models(wire, case)
    }


def _call(wire: str, model: str, request: CompletionRequest) -> dict[str, Any]:
    call = WIRES[wire].to_sdk_kwargs(request, catalogue.profile(VENDORS[wire], model), stream=False)
    return {"body": call.body, "adjustments": [str(adjustment) for adjustment in call.adjustments]}


def everything() -> Iterator[tuple[str, str, CompletionRequest]]:
    """Every wire, model and request that is written down."""
    for wire in WIRES:
        for case in CASES:
            for request in variants(wire, case).values():
                for model in models(wire, case):
                    yield wire, model, request


def golden_path(wire: str, case: str) -> Path:
    return GOLDEN / f"{wire}.{case}.json"


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.glob("*.json"):
        path.unlink()
    for wire in WIRES:
        for case in CASES:
            text = json.dumps(written(wire, case), indent=1, ensure_ascii=False)
            golden_path(wire, case).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
