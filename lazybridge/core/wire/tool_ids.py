"""Ids of tool calls for a vendor that takes nine letters and digits and no other."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from lazybridge.core.types import Message

# Mistral: "must be a-z, A-Z, 0-9, with a length of 9" (error 3280), https://github.com/nearai/ironclaw/issues/1241,
# read 2026-11-22.
_SHORT = re.compile(r"[a-zA-Z0-9]{9}")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def short_ids(messages: Iterable[Message]) -> dict[str, str]:
    """For every id of a call or a result in a conversation the one to send.

    Ids that fit are sent as they are. Others become a hash of themselves, the same in every request; two never become
    one, nor one that is there already.
    """
    ids = dict.fromkeys(id for message in messages for id in _ids_of(message))
    sent = {id: id for id in ids if _SHORT.fullmatch(id)}
    taken = set(sent)
    for id in ids:
        if id in sent:
            continue
        attempt = 0
        short = _hashed(id, attempt)
        while short in taken:
            attempt += 1
            short = _hashed(id, attempt)
        taken.add(short)
        sent[id] = short
    return sent


def _ids_of(message: Message) -> Iterable[str]:
    yield from (call.id for call in message.tool_calls)
    if message.tool_call_id is not None:
        yield message.tool_call_id


def _hashed(id: str, attempt: int) -> str:
    number = int.from_bytes(hashlib.sha256(f"{attempt}:{id}".encode("utf-8", "surrogatepass")).digest()[:8])
    digits = []
    for _ in range(9):
        number, digit = divmod(number, len(_DIGITS))
        digits.append(_DIGITS[digit])
    return "".join(digits)
