"""A stream that broke off after some of it was handed out: raise, begin again, or go on where it ended."""

from __future__ import annotations

from typing import Literal

from lazybridge.arrived import Arrived
from lazybridge.core.types import CompletionRequest, CompletionResponse, Message, Resumed
from lazybridge.loop import continued

OnBreak = Literal["raise", "restart", "continue"]
ON_BREAK: tuple[OnBreak, ...] = ("raise", "restart", "continue")
# What the model is told; nothing of what went wrong is in it.
_GO_ON = "Your answer was cut off. Go on exactly where it ended, and repeat nothing of it."


class Broken:
    """What the attempts of one turn that broke off have handed out."""

    def __init__(self, on_break: OnBreak) -> None:
        self.on_break = on_break
        self.text = ""

    def resumed(self, request: CompletionRequest, arrived: Arrived) -> Resumed:
        """How the next attempt goes on. An answer in a schema, or one of which no text came, begins again."""
        self.text += arrived.text
        if self.on_break == "continue" and self.text.strip() and request.output_schema is None:
            return "continue"
        self.text = ""
        return "restart"

    def request(self, request: CompletionRequest) -> CompletionRequest:
        """What the next attempt asks for."""
        if not self.text:
            return request
        said = Message.assistant(self.text.rstrip())  # Anthropic refuses trailing white space
        return request.with_messages((*request.messages, said, Message.user(_GO_ON)))

    def joined(self, response: CompletionResponse) -> CompletionResponse:
        """The answer with what came of it before."""
        if not self.text:
            return response
        whole = continued(CompletionResponse(self.text), response)
        whole.provider_state, self.text = None, ""
        return whole
