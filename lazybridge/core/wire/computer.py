"""The computer that a model asks its caller to use, as the Responses API has it.

The shapes are those of openai 3.54.0 `types/responses/response_computer_tool_call.py` and `response_input_item_param.py`,
read 2026-11-22.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lazybridge.core.content import ImageContent
from lazybridge.core.errors import ConfigurationError
from lazybridge.core.types import Message, NativeTool, ToolCall
from lazybridge.core.wire import plain

_ASKED = ("action", "actions", "pending_safety_checks")


def call_of(item: Mapping[str, Any]) -> ToolCall:
    """A `computer_call` as a tool call: its arguments are `actions`, or one `action`, and `pending_safety_checks`."""
    arguments = {name: plain(item[name]) for name in _ASKED if item.get(name)}
    return ToolCall(item.get("call_id") or "", "computer", arguments, native=NativeTool.COMPUTER_USE)


def is_computers(call: ToolCall) -> bool:
    """Whether it came as a `computer_call`; another vendor's computer is a tool like any other here."""
    return call.native is NativeTool.COMPUTER_USE and call.name == "computer"


def computer_call(call: ToolCall) -> dict[str, Any]:
    """A call as the item that it came as."""
    return {
        "type": "computer_call",
        "id": f"cu_{call.id}",
        "call_id": call.id,
        "status": "completed",
        "pending_safety_checks": [],
        **plain(call.arguments),
    }


def screenshot(message: Message, call: ToolCall) -> dict[str, Any]:
    """The answer to a call: the screen after it. Who answers a call has approved of its safety checks.

    Raises ConfigurationError for an answer without an image.
    """
    images = [block for block in message.blocks if isinstance(block, ImageContent)]
    if not images:
        raise ConfigurationError(
            f"the call {call.id!r} of the computer is answered with a screenshot\n"
            f"write Message.tool([ImageContent(data=png)], tool_call_id={call.id!r})"
        )
    shown = images[-1]
    where = {"file_id": shown.file_id} if shown.file_id else {"image_url": shown.data_url}
    result: dict[str, Any] = {
        "type": "computer_call_output",
        "call_id": call.id,
        "output": {"type": "computer_screenshot", **where},
    }
    checks = call.arguments.get("pending_safety_checks")
    return {**result, "acknowledged_safety_checks": plain(checks)} if checks else result
