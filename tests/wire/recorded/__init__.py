"""Recorded requests, read into neutral types: the second source for what the wires write.

`request_of` reads a body that some other client once sent to the vendor, and names what our types cannot say;
`canonical` takes away the differences that mean nothing, each listed here:

- a null, an empty list or object, `stream: false`, and what we always ask for in a stream (`stream_options`); `prefix: false`;
- one text part instead of a text; a message's `type: message`; `name` of a tool message, `status` and `id` of an item;
- several leading system messages, which we join by a blank line, in the input or as instructions;
- `any` for `required`; `strict: false` of a tool; an empty description; a tool without parameters;
- tool results of one turn, which the Messages API takes in one message, and a user's text after them;
- JSON of a call's arguments, whatever its spaces; the order of `required`, and `$schema`, in a schema;
- an assistant's message without words beside its calls;
- of generateContent: snake_case for camelCase; `thought: false`, the role of the system's words and of a user's; `parameters`
  and `responseSchema` in Google's spelling of a JSON schema (STRING for string), the words of a mode and a level in lower
  case; functions and Google's own tools in one object of `tools`; a null for a tool of its own; `includeThoughts: false`;
- a tool's result without `output` and `error`, which Google reads as the output; JSON in it, as text or as itself;
- a text file as bytes, which we send as the text it is; media that a record has cut out, for which its label stands;
- VALIDATED, which Google demands for its own tools beside functions and which others leave away.
"""

from __future__ import annotations

import json
from typing import Any

from tests.wire.recorded import chat, gemini, messages, responses
from tests.wire.recorded.reading import JSON, Parsed, bare
from tests.wire.recorded.reading import CannotSay as CannotSay

_APIS = {
    "openai_chat": chat,
    "anthropic_messages": messages,
    "openai_responses": responses,
    "google_generate": gemini,
}


def request_of(api: str, body: JSON) -> Parsed:
    """Read a body. Raises CannotSay."""
    return _APIS[api].read(dict(body))


def canonical(api: str, body: JSON) -> Any:
    """A body without the differences that mean nothing."""
    return bare(_APIS[api].canonical(json.loads(json.dumps(body))))
