"""Ids of tool calls, as each vendor takes them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from lazybridge.core.types import Message

# Mistral: "must be a-z, A-Z, 0-9, with a length of 9" (error 3280), https://github.com/nearai/ironclaw/issues/1241,
# read 2026-11-22.
_SHORT = re.compile(r"[a-zA-Z0-9]{9}")
# Anthropic: "String should match pattern '^[a-zA-Z0-9_-]+$'", https://github.com/vellum-ai/vellum-assistant/pull/2721; the
# length is that of Bedrock's `toolUseId`. OpenAI: "Expected a string with maximum length 40"
# (https://github.com/agno-agi/agno/issues/5382) in Chat Completions, 64 in Responses
# (https://github.com/AnswerDotAI/fastllm/issues/45). All read 2026-11-22.
WORDS = re.compile(r"[a-zA-Z0-9_-]{1,64}")
UP_TO_40, UP_TO_64 = re.compile(r".{1,40}", re.S), re.compile(r".{1,64}", re.S)
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def short_ids(messages: Iterable[Message]) -> dict[str, str]:
    """For every id of a call or a result in a conversation the one to send to Mistral: nine letters and digits."""
    return fitting_ids(messages, _SHORT)


def fitting_ids(messages: Iterable[Message], rule: re.Pattern[str]) -> dict[str, str]:
    """For every id of a call or a result in a conversation the one to send to a vendor with this rule.

    Ids that fit are sent as they are. Others become a hash of themselves, the same in every request; two never become
    one, nor one that is there already.
    """
    ids = dict.fromkeys(id for message in messages for id in _ids_of(message))
    sent = {id: id for id in ids if rule.fullmatch(id)}
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
