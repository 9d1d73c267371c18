"""A loopback server that refuses, with a 400, whatever the vendors refuse in a conversation, and answers what fits.

The rules are the vendors' own; where each is said stands beside it (all read 2026-11-22). Who is given tools calls
`lookup` twice at once and thinks meanwhile; once it has the results it answers in words. It takes back only thinking that it has
given out itself.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Body = dict[str, Any]


class StrictVendors:
    """`refused` are the reasons for every 400; `bodies` what was taken, with the vendor's name; `odd` texts are what answers
    say besides their calls."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self.bodies: list[tuple[str, Body]] = []
        self.beside_calls = ""
        self.given: dict[
            str, str
        ] = {}  # thinking that was given out -> the id of the call, or the text, that came with it
        self.counter = itertools.count(1)
        owner = self

        class Handler(_Handler):
            vendors = owner

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def of(self, vendor: str) -> dict[str, str]:
        """What this vendor gave out."""
        return {made: with_ for made, with_ in self.given.items() if made.startswith(f"{vendor}-thought-")}

    def thought(self, vendor: str, goes_with: str = "") -> str:
        """A new piece of thinking, or its signature."""
        made = f"{vendor}-thought-{next(self.counter)}"
        self.given[made] = goes_with
        return made


class Refused(Exception):
    pass


def check(fits: Any, reason: str) -> None:
    if not fits:
        raise Refused(reason)


class _Handler(BaseHTTPRequestHandler):
    vendors: StrictVendors
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
        path = self.path.partition("?")[0]
        name = next(name for name, place in PATHS.items() if place in path)
        try:
            answer = ANSWERS[name](body, self.vendors, name)
            self.vendors.bodies.append((name, body))
            status = 200
        except Refused as exc:
            self.vendors.refused.append(f"{name}: {exc}")
            error = {"message": str(exc), "type": "invalid_request_error", "code": 400, "status": "INVALID_ARGUMENT"}
            answer, status = {"type": "error", "object": "error", "error": error, "message": str(exc)}, 400
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


# --- Anthropic --------------------------------------------------------------------------------------------------------


def _blocks(content: Any) -> list[Body]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


def anthropic(body: Body, vendors: StrictVendors, name: str) -> Body:
    messages = body["messages"]
    check(messages and messages[0]["role"] == "user", 'first message must use the "user" role')
    ids: list[str] = []
    open_: list[str] = []
    for place, message in enumerate(messages):
        # The API joins neighbours of one role today; Bedrock has refused them.
        check(place == 0 or messages[place - 1]["role"] != message["role"], "roles must alternate")
        blocks = _blocks(message["content"])
        check(blocks, f"messages.{place}: content must be non-empty")
        results = [block for block in blocks if block["type"] == "tool_result"]
        # "Each `tool_use` block must have a corresponding `tool_result` block in the next message.":
        # https://github.com/aliasrobotics/cai/issues/182; results stand first:
        # https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use
        check([block["tool_use_id"] for block in results] == open_, f"messages.{place}: results do not answer {open_}")
        check(blocks[: len(results)] == results, "tool_result blocks must come first")
        open_ = []
        for index, block in enumerate(blocks):
            if block["type"] == "text":
                # https://github.com/anthropics/claude-code/issues/23369
                check(block["text"].strip(), "text content blocks must contain non-whitespace text")
            elif block["type"] == "thinking":
                # "thinking.signature: Field required": https://github.com/WordPress/ai-provider-for-anthropic/issues/30
                check(block.get("signature") in vendors.of(name), f"Invalid `signature` in `thinking` block: {block}")
            elif block["type"] == "tool_use":
                # https://github.com/vellum-ai/vellum-assistant/pull/2721
                check(re.fullmatch(r"[a-zA-Z0-9_-]+", block["id"]), f"tool_use.id {block['id']!r}")
                open_.append(block["id"])
                needed = [made for made, call in vendors.of(name).items() if call == block["id"]]
                signed = [before.get("signature") for before in blocks[:index]]
                check(set(needed) <= set(signed), f"the thinking before {block['id']} is gone")
        ids += open_
    check(not open_, "`tool_use` ids were found without `tool_result` blocks immediately after")
    check(len(set(ids)) == len(ids), "`tool_use` ids must be unique")
    if (body.get("thinking") or {}).get("type") == "enabled" and len(messages) > 1:
        # https://github.com/pydantic/pydantic-ai/issues/2075
        last = _blocks(messages[-2]["content"])
        if any(block["type"] == "tool_use" for block in last):
            check(last[0]["type"] == "thinking", "Expected `thinking`, but found `tool_use`")
    said: list[Body] = [{"type": "thinking", "thinking": "hm", "signature": vendors.thought(name)}]
    calls = body.get("tools") and not any(block["type"] == "tool_result" for block in _blocks(messages[-1]["content"]))
    if calls:
        said += [{"type": "text", "text": vendors.beside_calls}] if vendors.beside_calls else []
        for number in (1, 2):
            id = f"toolu_{next(vendors.counter):024}"
            said.append({"type": "tool_use", "id": id, "name": "lookup", "input": {"word": f"w{number}"}})
            vendors.given[said[0]["signature"]] = id  # the second one's, before which both stand
    else:
        said.append({"type": "text", "text": f"{name} says"})
    return {
        "id": "msg_1", "type": "message", "role": "assistant", "model": body["model"], "content": said,
        "stop_reason": "tool_use" if calls else "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 10, "output_tokens": 5},
    }  # fmt: skip


# --- Chat Completions and its dialects --------------------------------------------------------------------------------

KEYS = {"role", "content", "name", "tool_calls", "tool_call_id"}


def chat(body: Body, vendors: StrictVendors, name: str) -> Body:
    messages = body["messages"]
    open_: list[str] = []
    for place, message in enumerate(messages):
        more = {"deepseek": {"reasoning_content"}, "moonshot": {"reasoning_content"}, "groq": {"reasoning"}}.get(
            name, set()
        )
        more = more | ({"prefix"} if name == "mistral" else set())
        check(message.keys() <= KEYS | more, f"messages[{place}]: unknown fields {message.keys() - KEYS - more}")
        role, before = message["role"], messages[place - 1]["role"] if place else None
        if role == "tool":
            # OpenAI: "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'"
            check(message["tool_call_id"] in open_, f"messages[{place}]: no call {message['tool_call_id']!r} is open")
            open_.remove(message["tool_call_id"])
        else:
            # OpenAI: "An assistant message with 'tool_calls' must be followed by tool messages responding to each
            # 'tool_call_id'"
            check(not open_, f"messages[{place}]: {open_} are not answered")
        if role == "assistant":
            open_ = [call["id"] for call in message.get("tool_calls") or ()]
            check(len(set(open_)) == len(open_), "an id stands twice")
            for call in message.get("tool_calls") or ():
                json.loads(call["function"]["arguments"])
                if name == "openai-chat":
                    check(1 <= len(call["id"]) <= 40, "tool_calls[0].id: string too long")  # agno-agi/agno#5382
            _thinking_of_chat(message, vendors, name)
        if name == "mistral":
            _mistral(message, before, place == len(messages) - 1)
    check(not open_, f"{open_} are not answered")
    calls = body.get("tools") and messages[-1]["role"] != "tool"
    answer: Body = {"role": "assistant", "content": vendors.beside_calls or None if calls else f"{name} says"}
    if calls:
        answer["tool_calls"] = [
            {
                "id": _id(name, number, vendors),
                "type": "function",
                "function": {"name": "lookup", "arguments": json.dumps({"word": f"w{number}"})},
            }
            for number in (1, 2)
        ]
    if name in ("deepseek", "moonshot", "groq"):
        goes_with = answer["tool_calls"][0]["id"] if calls else answer["content"]
        answer["reasoning" if name == "groq" else "reasoning_content"] = vendors.thought(name, goes_with)
    if name == "mistral":
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": vendors.thought(name)}]}
        answer["content"] = [thinking, *([] if calls else [{"type": "text", "text": answer["content"]}])]
    return {
        "id": "1", "object": "chat.completion", "created": 1, "model": body["model"],
        "choices": [{"index": 0, "message": answer, "finish_reason": "tool_calls" if calls else "stop", "logprobs": None}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }  # fmt: skip


def _id(name: str, number: int, vendors: StrictVendors) -> str:
    if name == "moonshot":  # Kimi's own form, as a vendor that counts in each answer writes it
        return f"functions.lookup:{number}"
    if name == "mistral":
        return f"m{next(vendors.counter):08}"
    if name == "deepseek":
        return f"call_{number:02}_{next(vendors.counter):040}"
    return f"call_{next(vendors.counter):024}"


def _thinking_of_chat(message: Body, vendors: StrictVendors, name: str) -> None:
    field = {"deepseek": "reasoning_content", "moonshot": "reasoning_content", "groq": "reasoning"}.get(name)
    if field in ("reasoning_content",) and message.get("tool_calls"):
        # DeepSeek: "The `reasoning_content` in the thinking mode must be passed back to the API."
        # (https://github.com/earendil-works/pi/issues/3636); Moonshot: "thinking is enabled but reasoning_content is missing in
        # assistant tool call message" (https://github.com/mastra-ai/mastra/issues/12592)
        check(message.get(field), f"{field} is missing in an assistant's message with calls")
    if field is not None and message.get(field, " ") != " ":
        check(message[field] in vendors.of(name), f"{message[field]!r} is no thinking of {name}")
    if isinstance(message.get("content"), list) and name == "mistral":
        for part in message["content"]:
            if part["type"] == "thinking":
                check(part["thinking"][0]["text"] in vendors.of(name), "no thinking of Mistral's")


def _mistral(message: Body, before: str | None, last: bool) -> None:
    """As https://github.com/mistralai/mistral-common src/mistral_common/protocol/instruct/validator.py has it."""
    role = message["role"]
    after = {
        "system": {"user", "assistant", "system"},
        "user": {"assistant", "system", "user"},
        "assistant": {"assistant", "user", "tool"},
        "tool": {"assistant", "tool"},
        None: {"system", "user", "assistant"},
    }
    check(role in after[before], f"Unexpected role {role!r} after role {before!r}")
    if role == "assistant":
        check(
            message.get("content") or message.get("tool_calls"),
            "Assistant message must have either content or tool_calls",
        )
        check(not last or message.get("prefix"), "Expected last role User or Tool")
    ids = [call["id"] for call in message.get("tool_calls") or ()] + (
        [message["tool_call_id"]] if role == "tool" else []
    )
    for id in ids:
        check(
            re.fullmatch(r"[a-zA-Z0-9]{9}", id), f"Tool call id was {id} but must be a-z, A-Z, 0-9, with a length of 9."
        )


# --- Responses --------------------------------------------------------------------------------------------------------


def responses(body: Body, vendors: StrictVendors, name: str) -> Body:
    items = body["input"]
    calls = [item["call_id"] for item in items if item.get("type") == "function_call"]
    outputs = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    check(len(set(calls)) == len(calls), "Duplicate call_id")
    # OpenAI: "No tool output found for function call ...", "No tool call found for function call output with call_id ..."
    check(sorted(calls) == sorted(outputs), f"calls {calls} and outputs {outputs} do not match")
    seen: set[str] = set()
    for place, item in enumerate(items):
        kind = item.get("type", "message")
        if kind == "function_call":
            check(1 <= len(item["call_id"]) <= 64, "call_id: string too long")  # AnswerDotAI/fastllm#45
            json.loads(item["arguments"])
            needed = {made for made, call in vendors.of(name).items() if call == item["call_id"]}
            before = {found.get("encrypted_content") for found in items[:place]}
            # OpenAI: "Item 'fc_...' of type 'function_call' was provided without its required 'reasoning' item"
            check(needed <= before, f"{item['call_id']} was provided without its reasoning item")
            seen.add(item["call_id"])
        elif kind == "function_call_output":
            check(item["call_id"] in seen, "the output comes before its call")
        elif kind == "reasoning":
            # OpenAI: "Item 'rs_...' of type 'reasoning' was provided without its required following item"
            check(item["encrypted_content"] in vendors.of(name), "Encrypted content could not be verified")
            check(
                place + 1 < len(items) and items[place + 1].get("type") in ("function_call", "message"),
                "no following item",
            )
        elif item["role"] == "assistant" and isinstance(item["content"], list):
            check(all(part["type"] in ("output_text", "refusal") for part in item["content"]), "wants output_text")
    wants = body.get("tools") and items[-1].get("type") != "function_call_output"
    output: list[Body] = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": vendors.thought(name)}
    ]
    if wants:
        for number in (1, 2):
            id = f"call_{next(vendors.counter):024}"
            arguments = json.dumps({"word": f"w{number}"})
            output.append(
                {"type": "function_call", "id": f"fc_{id}", "call_id": id, "name": "lookup", "arguments": arguments, "status": "completed"}
            )  # fmt: skip
            vendors.given[output[0]["encrypted_content"]] = id
    else:
        text = {"type": "output_text", "text": f"{name} says", "annotations": [], "logprobs": []}
        output.append({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [text]})
    usage = {
        "input_tokens": 10, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 15,
    }  # fmt: skip
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": body["model"], "output": output,
        "usage": usage, "error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "tools": [],
        "parallel_tool_calls": True, "temperature": None, "tool_choice": "auto", "top_p": None, "service_tier": "default",
    }  # fmt: skip


# --- Gemini -----------------------------------------------------------------------------------------------------------


def gemini(body: Body, vendors: StrictVendors, name: str) -> Body:
    contents = body["contents"]
    check(contents[0]["role"] == "user", "the conversation must begin with a user's turn")
    before: list[Body] = []
    for place, content in enumerate(contents):
        parts = content["parts"]
        check(parts and all(part for part in parts), f"contents[{place}].parts must not be empty")
        calls = [part for part in parts if "functionCall" in part]
        results = [part for part in parts if "functionResponse" in part]
        asked = [part["functionCall"] for part in before if "functionCall" in part]
        # "Please ensure that the number of function response parts is equal to the number of function call parts":
        # https://github.com/google-gemini/gemini-cli/issues/17208
        check(len(results) == len(asked), f"contents[{place}]: {len(asked)} calls, {len(results)} responses")
        check([call.get("id") for call in asked] == [part["functionResponse"].get("id") for part in results], "ids")
        # The turn of the responses has nothing else: https://github.com/anomalyco/opencode/pull/43479
        check(not results or len(results) == len(parts), "a function response turn holds responses alone")
        if calls:
            # https://github.com/google-gemini/gemini-cli/issues/26486
            check(place and contents[place - 1]["role"] == "user", "function call turn comes after a user turn")
            # "missing a thought_signature": https://ai.google.dev/gemini-api/docs/thought-signatures
            check(calls[0].get("thoughtSignature"), "Function call is missing a thought_signature")
        for part in parts:
            signature = part.get("thoughtSignature", "skip_thought_signature_validator")
            check(
                signature == "skip_thought_signature_validator" or signature in vendors.of(name),
                "no signature of Google's",
            )
            check(part.get("text") != "", "an empty part")
        before = parts
    check(not any("functionCall" in part for part in before), "the last calls are not answered")
    wants = body.get("tools") and not any("functionResponse" in part for part in contents[-1]["parts"])
    if wants:
        made: list[Body] = [{"functionCall": {"name": "lookup", "args": {"word": f"w{number}"}}} for number in (1, 2)]
        made[0]["thoughtSignature"] = vendors.thought(name)
    else:
        made = [{"text": "hm", "thought": True}, {"text": f"{name} says", "thoughtSignature": vendors.thought(name)}]
    return {
        "candidates": [{"content": {"role": "model", "parts": made}, "index": 0, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15},
        "modelVersion": "gemini-3.8-flash",
    }


PATHS = {
    "google": "generateContent",
    "groq": "/groq/",
    "openai-chat": "/openai/v1/chat/",
    "openai": "/openai/v1/responses",
    "anthropic": "/v1/messages",
    "mistral": "/mistral/",
    "deepseek": "/deepseek/",
    "moonshot": "/moonshot/",
}
ANSWERS = {
    "google": gemini,
    "openai": responses,
    "anthropic": anthropic,
    **dict.fromkeys(("openai-chat", "groq", "mistral", "deepseek", "moonshot"), chat),
}
# What an Agent is built with: provider, model, the base URL's path, and more.
BUILT: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "google": ("google", "gemini-3.8-flash", "", {}),
    "openai": ("openai", "gpt-6-luna", "/openai/v1", {}),
    "openai-chat": ("openai", "gpt-6-luna", "/openai/v1", {"api": "chat"}),
    "anthropic": ("anthropic", "claude-haiku-4-5", "", {"thinking": True, "max_tokens": 9000}),
    "groq": ("groq", "openai/gpt-oss-120b", "/groq", {}),
    "mistral": ("mistral", "mistral-medium-3-5", "/mistral", {}),
    "deepseek": ("deepseek", "deepseek-flash", "/deepseek", {}),
    "moonshot": ("moonshot", "kimi-k3", "/moonshot", {}),
}
