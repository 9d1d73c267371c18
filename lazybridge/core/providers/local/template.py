"""A model's chat template: messages as the text that the model was trained to read."""

from __future__ import annotations

import importlib
import time
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

ARRAYS = ("tokenizer.ggml.tokens",)
"""What of the arrays in a file's head a template needs."""


class Template:
    """The chat template of a GGUF file, or `instead` of it. Raises ValueError where there is none, or it is not Jinja."""

    def __init__(self, facts: Mapping[str, Any], instead: str | None) -> None:
        source = instead or facts.get("tokenizer.chat_template")
        if not source:
            raise ValueError('the file has no chat template; name one by LocalOptions(chat_template="...")')
        jinja2 = importlib.import_module("jinja2")
        sandbox = importlib.import_module("jinja2.sandbox")
        self._error: type[Exception] = jinja2.TemplateError
        environment = sandbox.ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals |= {"raise_exception": self._refuse, "strftime_now": time.strftime}
        self._words = {word: _token(facts, word) for word in ("bos_token", "eos_token")}
        try:
            self._template = environment.from_string(source)
        except self._error as exc:
            raise ValueError(f"the chat template is not Jinja: {exc}") from exc

    def render(self, messages: Sequence[Mapping[str, Any]]) -> str:
        """The prompt of a conversation. Raises ValueError where the template refuses it."""
        try:
            text: str = self._template.render(messages=messages, add_generation_prompt=True, **self._words)
        except self._error as exc:
            raise ValueError(f"the chat template cannot write this conversation: {exc}") from exc
        return text

    def _refuse(self, message: str) -> NoReturn:
        raise self._error(message)


def _token(facts: Mapping[str, Any], word: str) -> str:
    place = facts.get(f"tokenizer.ggml.{word}_id")
    return "" if place is None else str(facts["tokenizer.ggml.tokens"][place])
