"""candle in this process, through the packages candle-nn and tokenizers: the smallest of the backends."""

from __future__ import annotations

import importlib
import os
import random
from collections.abc import Generator
from typing import Any

from lazybridge.core.errors import ContextLengthError
from lazybridge.core.providers.local.candle_llama import Llama
from lazybridge.core.providers.local.engine import Engine
from lazybridge.core.providers.local.run import Run
from lazybridge.core.providers.local.template import Template
from lazybridge.core.providers.local.vocabulary import Vocabulary
from lazybridge.core.providers.local.writing import write

# A cancelled request stops between two batches of its prompt; a token takes some 20 ms on one core.
_BATCH_TOKENS = 8
_SETTINGS = frozenset({"model", "messages", "stream", "stream_options", "max_tokens", "temperature", "top_p", "stop", "seed"})  # fmt: skip
_TEMPERATURE = 0.8  # as llama.cpp's


class Candle(Engine):
    """A Llama model in candle's operations, written here: one request at a time, no schema, no tools, no adapters.

    It reads SmolLM and SmolLM2 files. The interpreter lock is held half of the time.
    """

    backend = "candle"
    title = "candle"
    packages = ("candle", "tokenizers", "jinja2")
    install = '"lazybridge[candle]"'
    constrained = False
    refused_options = frozenset({"gpu_layers", "lora", "parallel"})
    left_out = {"logprobs": "only llama.cpp gives probabilities here"}

    _model: Llama | None = None

    def _open(self) -> None:
        os.environ.setdefault("RAYON_NUM_THREADS", str(self.key.options.threads))
        candle = importlib.import_module("candle")
        importlib.import_module("candle.functional")
        tensors, facts = importlib.import_module("candle.utils").load_gguf(str(self.key.path))
        self._model = Llama(candle, tensors, facts)
        self._vocabulary = Vocabulary(facts)
        self._template = Template(facts, self.key.options.chat_template)
        self._context = min(self.key.options.context_tokens, self._model.context_length)

    def _answer(self, body: dict[str, Any], run: Run) -> None:
        if self._model is None:
            return
        unknown = sorted(set(body) - _SETTINGS)
        if unknown:
            raise ValueError(f"the backend 'candle' has no setting {', '.join(map(repr, unknown))}")
        prompt = self._vocabulary.encode(self._template.render(body["messages"]))
        if len(prompt) >= self._context:
            raise ContextLengthError(
                f"the prompt has {len(prompt)} tokens, the context {self._context}",
                provider="local", model=self.key.path.stem,
            )  # fmt: skip
        cache, logits = self._model.cache(), None
        for begin in range(0, len(prompt), _BATCH_TOKENS):
            if run.stopped():
                return
            logits = self._model.forward(prompt[begin : begin + _BATCH_TOKENS], begin, cache)
        room = self._context - len(prompt)
        room = min(body.get("max_tokens") or room, room)
        write(
            self._tokens(body, logits, cache, len(prompt)),
            self._ends,
            self._vocabulary.reader(),
            body,
            run,
            len(prompt),
            room,
        )

    def _tokens(self, body: dict[str, Any], logits: Any, cache: Any, position: int) -> Generator[int, None, None]:
        assert self._model is not None
        choose = _Choice(body)
        while True:
            token = choose(logits)
            yield token
            logits = self._model.forward([token], position, cache)
            position += 1

    def _ends(self, token: int) -> bool:
        return token in self._vocabulary.ends

    def _shut(self) -> None:
        self._model = None


class _Choice:
    """The next token: the likeliest at temperature 0, else drawn; a seed draws the same again."""

    def __init__(self, body: dict[str, Any]) -> None:
        temperature, top_p = body.get("temperature"), body.get("top_p")
        self._temperature = _TEMPERATURE if temperature is None else temperature
        self._top_p = 1.0 if top_p is None else top_p
        self._random = random.Random(body.get("seed"))

    def __call__(self, logits: Any) -> int:
        if self._temperature <= 0:
            return int(logits.argmax_keepdim(1).values()[0][0])
        functions = importlib.import_module("candle.functional")
        likely: list[float] = functions.softmax(logits / self._temperature, 1).values()[0]
        places: list[int] | range = range(len(likely))
        if self._top_p < 1:
            places, total = [], 0.0
            for place in sorted(range(len(likely)), key=likely.__getitem__, reverse=True):
                places.append(place)
                total += likely[place]
                if total >= self._top_p:
                    break
            likely = [likely[place] for place in places]
        return self._random.choices(places, likely)[0]
