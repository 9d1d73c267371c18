"""What an MCP server gives, as a model gets it."""

from __future__ import annotations

import base64
import json
from typing import Any

from lazybridge.core.content import AudioContent, ContentBlock, ImageContent, TextContent, attachment
from lazybridge.core.types import Message, ToolCall


def message_of(call: ToolCall, content: Any, *, is_error: bool = False) -> Message:
    """The result of one call."""
    return Message.tool(content, tool_call_id=call.id, name=call.name, is_error=is_error)


def answered(call: ToolCall, result: Any) -> Message:
    """What a server gave, as the model gets it: texts, images and audio as they are, files by what they are, links as
    JSON; and the structured content where no text says the same."""
    blocks = [_block(item) for item in result.content]
    if result.structured_content is not None and not any(_says(block, result.structured_content) for block in blocks):
        blocks.append(TextContent(json.dumps(result.structured_content, ensure_ascii=False)))
    if all(isinstance(block, TextContent) for block in blocks):
        text = "\n".join(block.text for block in blocks if isinstance(block, TextContent))
        return message_of(call, text, is_error=result.is_error)
    return message_of(call, blocks, is_error=result.is_error)


def _block(item: Any) -> ContentBlock:
    if item.type == "text":
        return TextContent(item.text)
    resource = getattr(item, "resource", item)
    if hasattr(resource, "text"):
        return TextContent(resource.text)
    try:
        if item.type in ("image", "audio"):
            kind = ImageContent if item.type == "image" else AudioContent
            return kind(data=base64.b64decode(item.data), media_type=item.mime_type)
        if hasattr(resource, "blob"):
            return attachment(base64.b64decode(resource.blob))
    except ValueError:  # bytes that no vendor could read
        pass
    return TextContent(resource.model_dump_json(by_alias=True, exclude_none=True))


def _says(block: ContentBlock, structured: Any) -> bool:
    """Whether a text is the structured content; the SDK's servers wrap what is no object as {"result": ...}."""
    if not isinstance(block, TextContent):
        return False
    wrapped = structured.get("result") if isinstance(structured, dict) and len(structured) == 1 else None
    if block.text == wrapped:
        return True
    try:
        said = json.loads(block.text)
    except ValueError:
        return False
    return bool(said == structured or (wrapped is not None and said == wrapped))
