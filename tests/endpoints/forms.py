"""What a form says, whoever wrote it."""

from __future__ import annotations

from email import message_from_bytes
from typing import Any

Part = tuple[str, str | None, str | None, bytes]


def parts_of(content_type: str, body: bytes) -> list[Part]:
    """Field, file name, media type and content of each part, in order of the fields."""
    message: Any = message_from_bytes(b"content-type: " + content_type.encode() + b"\r\n\r\n" + body)
    assert message.is_multipart()
    found = [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part.get_content_type() if part.get_filename() else None,
            part.get_payload(decode=True),
        )
        for part in message.get_payload()
    ]
    return sorted(found, key=lambda part: part[0])
